"""What is known of an image, and what differs between two, in words and as JSON."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bake.catalog import images, mark_verified
from bake.channels import set_channel
from bake.software import Report
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import PipelineError
from deploy.operate.image_facts import image_difference, image_facts
from deploy.operate.image_uses import Retention
from localcloud.world import World
from tests.unit.bake.conftest import register
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def clients(world: World) -> Clients:  # noqa: F811 - a fixture
    return Clients(REGION)


def baked(clients: Clients, software: dict[str, dict[str, str]], git: str = "abc") -> str:
    ami_id = register(clients, "head", git=git)
    mark_verified(clients, ami_id, NOW, Report(software, "3.11.2", ""), "")
    return ami_id


OLD = {"debian": {"openssl": "3.0.17", "nfs": "2.6"}, "python": {"ray": "2.60.0"}}
NEW = {"debian": {"openssl": "3.0.18"}, "python": {"ray": "2.60.0", "numpy": "2.4.0"}}


def test_an_image_is_shown_with_all_that_uses_it(clients: Clients) -> None:
    ami_id = baked(clients, OLD)
    (image,) = images(clients)
    for name in ("prod", "staging"):
        set_channel(clients, name, {WantedImage("head"): image}, NOW)

    found = image_facts(clients, an_environment(), ami_id, Retention(3, 30), NOW)

    assert found.words == (
        f"{ami_id}: head, x86_64",
        f"  baked: {image.created}, commit abc",
        f"  digest: {0:064}",
        "  verified: 2026-11-22T12:00:00Z",
        "  own tests: none",
        "  Ray 2.60.0, Python 3.11.2",
        "  packages: 2 debian, 1 python",
        "  used: in the channel prod/head",
        "  used: in the channel staging/head",
        "  used: one of the last 3 of the channel prod/head",
        "  used: one of the last 3 of the channel staging/head",
    )
    data = json.loads(json.dumps(found.as_json()))
    assert data["software"] == OLD
    assert data["uses"][0] == "in the channel prod/head"


def test_an_image_that_nothing_uses_is_shown_as_that(clients: Clients) -> None:
    ami_id = register(clients, "head")

    words = image_facts(clients, an_environment(), ami_id, Retention(3, 30), NOW).words

    assert words[-2:] == (
        "  packages: not known: they do not fit into its tags",
        "  used: by nothing that is seen here",
    )


def test_two_images_differ_in_facts_and_packages(clients: Clients) -> None:
    old, new = baked(clients, OLD), baked(clients, NEW, git="def")

    found = image_difference(clients, old, new)

    assert found.words == (
        f"digest: {0:064} → {1:064}",
        "git: abc → def",
        "debian nfs: 2.6 → none",
        "debian openssl: 3.0.17 → 3.0.18",
        "python numpy: none → 2.4.0",
    )
    expected: dict[str, Any] = {
        "old": old,
        "new": new,
        "facts": {"digest": [f"{0:064}", f"{1:064}"], "git": ["abc", "def"]},
        "packages": {
            "debian": {"nfs": ["2.6", None], "openssl": ["3.0.17", "3.0.18"]},
            "python": {"numpy": [None, "2.4.0"]},
        },
    }
    assert json.loads(json.dumps(found.as_json())) == expected


def test_an_image_and_itself_are_the_same(clients: Clients) -> None:
    ami_id = baked(clients, OLD)

    assert image_difference(clients, ami_id, ami_id).words == ("they are the same",)


def test_without_a_list_of_packages_they_are_not_called_the_same(clients: Clients) -> None:
    old, new = baked(clients, OLD), register(clients, "head")

    assert image_difference(clients, old, new).words[-1] == (
        "packages: not known: one of the images has no list"
    )


def test_an_image_of_others_is_not_shown(clients: Clients) -> None:
    with pytest.raises(PipelineError, match="ami-1 is not an image of ours"):
        image_difference(clients, "ami-1", "ami-1")
