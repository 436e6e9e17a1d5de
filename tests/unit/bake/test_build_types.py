"""A build instance has the architecture of its image; another type is refused before any work."""

from pathlib import Path
from typing import Any

import pytest

from bake.additions import Additions
from bake.build_types import check_build_types
from bake.context import BakeContext
from bake.pipeline import build_and_test
from bake.plan import BakePlan
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import Refused
from common.image_settings import ImageSettings
from tests.unit.deploy.builders import an_environment


def settings(kind: str, architecture: str) -> ImageSettings:
    values: Any = {"architecture": architecture, "build_instance_type": kind}
    return ImageSettings(base_id="ami-1", **values)


def test_types_of_the_images_own_architectures_pass(clients: Clients) -> None:
    check_build_types(
        clients,
        [
            ("image", settings("m6i.large", "x86_64")),
            ("images.arm", settings("m7g.large", "arm64")),
        ],
    )


def test_every_type_of_another_architecture_is_named_with_its_table(clients: Clients) -> None:
    wrong = [
        ("image", settings("m7g.large", "x86_64")),
        ("images.arm", settings("m6i.large", "arm64")),
        ("images.fine", settings("m6i.large", "x86_64")),
    ]

    with pytest.raises(Refused) as refused:
        check_build_types(clients, wrong)

    assert refused.value.message.splitlines() == [
        "a build instance has another architecture than its image:",
        "  image.build_instance_type: m7g.large is arm64, the image x86_64",
        "  images.arm.build_instance_type: m6i.large is x86_64, the image arm64",
    ]
    assert "m7g.large (arm64)" in refused.value.hint


def test_a_bake_is_refused_before_it_has_made_anything(clients: Clients, tmp_path: Path) -> None:
    image = WantedImage("worker", "arm")
    environment = an_environment(images={"arm": {"architecture": "arm64"}})
    plan = BakePlan({}, {image: Additions()}, {}, {}, {image: "0" * 64})
    context = BakeContext(clients, environment, tmp_path, tmp_path)

    with pytest.raises(Refused, match=r"images\.arm\.build_instance_type: m6i\.large is x86_64"):
        build_and_test(context, plan)

    assert list(tmp_path.iterdir()) == []
    assert clients("ec2").describe_key_pairs()["KeyPairs"] == []
    assert clients("ec2").describe_instances()["Reservations"] == []
