"""An image that is verified with the current digest is not baked again."""

import subprocess
import sys
from pathlib import Path

import pytest

from bake.bake import bake, plan_bake
from bake.context import BakeContext
from bake.pipeline import commit
from common.checkout import REPOSITORY
from common.clients import Clients
from common.environment import Environment
from tests.unit.bake.conftest import register
from tests.unit.deploy.builders import an_environment


@pytest.fixture
def environment() -> Environment:
    return an_environment(image={"base_id": "ami-1"})


def register_as(clients: Clients, role: str, digest: str, *, verified: bool = True) -> str:
    ami_id = register(clients, role, verified=verified)
    tags = [{"Key": "raykiln:digest", "Value": digest}]
    clients("ec2").create_tags(Resources=[ami_id], Tags=tags)
    return ami_id


def test_without_images_both_roles_are_missing(clients: Clients, environment: Environment) -> None:
    plan = plan_bake(clients, environment)

    assert plan.base.ami_id == "ami-1"
    assert list(plan.missing) == ["head", "worker"]


def test_a_verified_image_with_the_digest_is_not_baked_again(
    clients: Clients, environment: Environment
) -> None:
    digests = plan_bake(clients, environment).missing
    head = register_as(clients, "head", digests["head"])
    register_as(clients, "worker", digests["worker"], verified=False)

    plan = plan_bake(clients, environment)

    assert plan.present["head"].ami_id == head
    assert list(plan.missing) == ["worker"]


def test_force_bakes_an_image_that_is_verified(clients: Clients, environment: Environment) -> None:
    register_as(clients, "head", plan_bake(clients, environment).missing["head"])

    assert list(plan_bake(clients, environment, ("head",), force=True).missing) == ["head"]


def test_a_bake_with_nothing_missing_only_reads_and_needs_no_packer_and_no_wheels(
    clients: Clients, environment: Environment, tmp_path: Path
) -> None:
    digests = plan_bake(clients, environment).missing
    ids = [register_as(clients, role, digest) for role, digest in digests.items()]
    before = clients.calls

    baked = bake(BakeContext(clients, environment, tmp_path / "home", tmp_path / "cache"))

    assert [image.ami_id for image in baked.images] == ids
    assert baked.new == ()
    assert clients.calls - before == 2
    assert list(tmp_path.iterdir()) == []


def test_planning_does_not_import_what_only_a_bake_needs() -> None:
    script = "import sys, bake.bake; print({'sh', 'packer', 'bake.pipeline'} & set(sys.modules))"
    completed = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert completed.stdout.strip() == "set()"


def test_the_commit_is_known_in_a_checkout_and_unknown_elsewhere(tmp_path: Path) -> None:
    assert commit(tmp_path) == "unknown"
    assert commit() != "unknown"
