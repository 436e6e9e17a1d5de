"""A head on x86_64 with workers on arm64: each image has its own base, lock entry and digest."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bake import plan as plan_module
from bake.plan import plan_bake
from bake.source_lock import newest_lock, read_lock, write_lock
from bake.wanted import WantedImage
from common.clients import Clients
from localcloud.account import ec2_backend
from tests.unit.bake.test_bake import register_as
from tests.unit.deploy.builders import an_environment

HEAD, ARM = WantedImage("head"), WantedImage("worker", "arm")
DEBIAN = "136693071363"
ENVIRONMENT = an_environment(
    images={"arm": {"architecture": "arm64", "build_instance_type": "m7g.large"}},
    workers={"arm": {"instance_types": ["m7g.large"], "min": 0, "max": 3, "image": "arm"}},
)


@pytest.fixture
def both(clients: Clients) -> Clients:
    """The same filter matches an AMI of each architecture; that of arm64 is the newest of all."""
    for ami_id, architecture, month in (("ami-1", "x86_64", 3), ("ami-2", "arm64", 9)):
        image = ec2_backend().amis[ami_id]
        image.architecture = architecture
        image.creation_date = datetime(2026, month, 1, tzinfo=UTC)
    del ec2_backend().amis["ami-3"]
    return clients


def test_each_image_is_baked_from_the_newest_base_of_its_architecture(both: Clients) -> None:
    plan = plan_bake(both, ENVIRONMENT)

    assert {image: base.ami_id for image, base in plan.bases.items()} == {
        HEAD: "ami-1",
        ARM: "ami-2",
    }


def test_the_lock_has_an_entry_for_each_architecture_of_a_filter(
    both: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lock(newest_lock(both, ENVIRONMENT), ENVIRONMENT, tmp_path)

    assert path.read_text().count("[[base]]") == 2
    locked = read_lock(ENVIRONMENT, tmp_path)
    assert locked is not None
    assert {key: entry.id for key, entry in locked.items()} == {
        ("debian-12-*", DEBIAN, "x86_64"): "ami-1",
        ("debian-12-*", DEBIAN, "arm64"): "ami-2",
    }
    monkeypatch.setattr(plan_module, "read_lock", lambda environment: locked)
    assert plan_bake(both, ENVIRONMENT).bases[ARM].ami_id == "ami-2"


def test_an_image_of_one_architecture_does_not_stand_for_that_of_the_other(both: Clients) -> None:
    plain = an_environment(
        images={"arm": {}},
        workers={"arm": {"instance_types": ["m6i.large"], "min": 0, "max": 3, "image": "arm"}},
    )
    register_as(both, ARM, plan_bake(both, plain).missing[ARM])
    assert ARM in plan_bake(both, plain).present

    assert ARM in plan_bake(both, ENVIRONMENT).missing
