"""An image that is verified with the current digest is not baked again."""

import subprocess
import sys
from pathlib import Path

import pytest

from bake import pipeline, signing
from bake.bake import bake
from bake.context import BakeContext
from bake.pipeline import NewImages, commit
from bake.plan import BakePlan, plan_bake
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.clients import Clients
from common.environment import Environment
from tests.unit.bake.conftest import register
from tests.unit.bake.test_attestations import make_key
from tests.unit.deploy.builders import an_environment

HEAD, WORKER = WantedImage("head"), WantedImage("worker")


@pytest.fixture
def environment() -> Environment:
    return an_environment(image={"base_id": "ami-1"})


def register_as(
    clients: Clients, image: WantedImage, digest: str, *, verified: bool = True, **tags: str
) -> str:
    named = {"image": image.name} if image.name else {}
    return register(clients, image.role, verified=verified, **{"digest": digest, **named, **tags})


def test_without_images_both_roles_are_missing(clients: Clients, environment: Environment) -> None:
    plan = plan_bake(clients, environment)

    assert [base.ami_id for base in plan.bases.values()] == ["ami-1", "ami-1"]
    assert list(plan.missing) == [HEAD, WORKER]


def test_a_verified_image_with_the_digest_is_not_baked_again(
    clients: Clients, environment: Environment
) -> None:
    digests = plan_bake(clients, environment).missing
    head = register_as(clients, HEAD, digests[HEAD])
    register_as(clients, WORKER, digests[WORKER], verified=False)

    plan = plan_bake(clients, environment)

    assert plan.present[HEAD].ami_id == head
    assert list(plan.missing) == [WORKER]


def test_an_image_that_lacks_what_is_required_is_baked_again(clients: Clients) -> None:
    make_key(clients, "dev")
    required = an_environment(image={"base_id": "ami-1"}, images={"require": ["tests"]})
    register_as(clients, HEAD, plan_bake(clients, required).missing[HEAD])

    plan = plan_bake(clients, required)

    assert HEAD in plan.missing
    assert plan.present == {}


def test_force_bakes_an_image_that_is_verified(clients: Clients, environment: Environment) -> None:
    register_as(clients, HEAD, plan_bake(clients, environment).missing[HEAD])

    assert list(plan_bake(clients, environment, (HEAD,), force=True).missing) == [HEAD]


def groups(**images: object) -> Environment:
    """Return an environment whose groups have an image each, beside [image]."""
    group = {"instance_types": ["m6i.large"], "min": 0, "max": 3}
    return an_environment(
        image={"base_id": "ami-1"},
        images=images,
        workers={name: {**group, "image": name} for name in images},
    )


def test_every_image_of_a_head_and_a_group_is_wanted_and_no_other(clients: Clients) -> None:
    environment = groups(one={"packages": ["libgl1"]}, two={})

    plan = plan_bake(clients, environment)

    assert list(plan.missing) == [HEAD, WantedImage("worker", "one"), WantedImage("worker", "two")]


def test_what_is_added_to_one_image_has_that_one_baked_alone(clients: Clients) -> None:
    before = plan_bake(clients, groups(one={}, two={})).missing
    for image, digest in before.items():
        register_as(clients, image, digest)

    plan = plan_bake(clients, groups(one={"env": {"HF_HOME": "/data"}}, two={}))

    assert list(plan.missing) == [WantedImage("worker", "one")]


def test_other_tests_have_an_image_tested_again_and_not_baked(
    clients: Clients, environment: Environment
) -> None:
    environment = groups(one={"tests": "tests/cloud/apps/image_tests"})
    image = WantedImage("worker", "one")
    digests = plan_bake(clients, environment).missing
    register_as(clients, HEAD, digests[HEAD])
    ami_id = register_as(clients, image, digests[image], tests="0" * 64)

    plan = plan_bake(clients, environment)

    assert plan.missing == {}
    assert [image.ami_id for image in plan.untested.values()] == [ami_id]

    tests = [{"Key": "raykiln:tests", "Value": plan.additions[image].tests_digest}]
    clients("ec2").create_tags(Resources=[ami_id], Tags=tests)
    assert plan_bake(clients, environment).untested == {}


def test_a_bake_with_nothing_missing_sets_the_channel_and_needs_no_packer_and_no_wheels(
    clients: Clients, environment: Environment, tmp_path: Path
) -> None:
    digests = plan_bake(clients, environment).missing
    ids = [register_as(clients, image, digest) for image, digest in digests.items()]
    before = clients.calls

    baked = bake(BakeContext(clients, environment, tmp_path / "home", tmp_path / "cache"))

    assert [image.ami_id for image in baked.images.values()] == ids
    assert (baked.new, baked.tested) == ((), ())
    # Images, the channel, and a parameter for each image.
    assert clients.calls - before == 5
    assert list(tmp_path.iterdir()) == []


def test_what_is_verified_and_what_was_baked_now_are_one_result(
    clients: Clients,
    environment: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digests = plan_bake(clients, environment).missing
    head = register_as(clients, HEAD, digests[HEAD])
    baked_now: list[str] = []

    def build_and_test(context: BakeContext, plan: BakePlan) -> NewImages:
        baked_now.extend(register_as(clients, image, plan.missing[image]) for image in plan.missing)
        return NewImages(dict(zip(plan.missing, baked_now, strict=True)), tmp_path)

    monkeypatch.setattr("bake.bake.check_bucket", lambda *_: None)
    monkeypatch.setattr(pipeline, "build_and_test", build_and_test)
    monkeypatch.setattr(signing, "public_key", lambda *_: None)

    baked = bake(BakeContext(clients, environment, tmp_path / "home", tmp_path / "cache"))

    assert [(image, found.ami_id) for image, found in baked.images.items()] == [
        (HEAD, head),
        (WORKER, baked_now[0]),
    ]
    assert (baked.new, baked.tested) == ((WORKER,), ())


def test_planning_does_not_import_what_only_a_bake_needs() -> None:
    script = "import sys, bake.bake; print({'sh', 'packer', 'bake.pipeline'} & set(sys.modules))"
    completed = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert completed.stdout.strip() == "set()"


def test_outside_of_a_checkout_the_commit_is_unknown(tmp_path: Path) -> None:
    assert commit(tmp_path) == "unknown"
