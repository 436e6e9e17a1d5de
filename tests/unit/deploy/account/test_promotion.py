"""The bake role of an environment promotes and prunes, and reaches nothing beside."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from moto.ec2.models import ec2_backends

from bake.attestations import lacking
from bake.catalog import image_by_id, images
from bake.channels import set_channel
from bake.image_files import read_file, read_inventory, store_files
from bake.owner import TAG
from bake.signing import KmsSigner, public_key, sign
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import Refused, Unanswered
from common.progress import Silent
from deploy.account.account_setup import set_up_account
from deploy.operate.image_prune import plan_prune, prune
from deploy.operate.image_uses import Retention
from deploy.release.config_bucket import point_to_release
from deploy.release.promotion import plan_promotion, plan_way_back, promote
from deploy.release.rollout_journal import begin_journal, write_journal
from drills.kit.attest import attest
from drills.kit.record import Run, append
from localcloud.patches.iam import enforced, make_user, role_credentials, role_decides
from localcloud.patches.iam.policies import Answer
from localcloud.world import World
from tests.unit.bake.conftest import register
from tests.unit.bake.inventories import keep_inventory
from tests.unit.bake.test_attestations import bake_one
from tests.unit.bake.test_leftovers import DEAD
from tests.unit.deploy.account.conftest import EVERYTHING, CheckedClients
from tests.unit.deploy.account.neighbours import HERE, Try
from tests.unit.deploy.builders import a_release, an_environment
from tests.unit.localcloud.fakes import FakeClock

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DEV = an_environment(promotion={"source": "staging"})
STAGING = an_environment(name="staging")
ROLE = "raykiln-dev-bake"
CHANNELS = f"arn:aws:ssm:{HERE}:parameter/raykiln/images"
BUCKET = "arn:aws:s3:::raykiln-staging-123456789012-us-east-1"
IMAGES = "arn:aws:s3:::raykiln-{}-bakes-123456789012-us-east-1"
BESIDE = (
    Try("ssm:PutParameter", f"{CHANNELS}/staging/head"),
    Try("ssm:DeleteParameter", f"{CHANNELS}/dev/head"),
    Try("ssm:GetParameters", f"{CHANNELS}/staging-eu/head"),
    Try("s3:GetObject", f"{BUCKET}/staging/releases/0123456789abcdef.json"),
    Try("s3:GetObject", f"{BUCKET}/prod/releases/current.json"),
    Try("s3:PutObject", f"{BUCKET}/staging/releases/current.json"),
    Try("s3:GetObject", "arn:aws:s3:::raykiln-prod-123456789012-us-east-1/staging/current.json"),
    Try("s3:PutObject", f"{IMAGES.format('staging')}/a/ami-1/inventory.json"),
    Try("s3:GetObject", f"{IMAGES.format('prod')}/a/ami-1/inventory.json"),
    Try("s3:ListBucket", IMAGES.format("prod")),
    Try("s3:DeleteObject", f"{IMAGES.format('staging')}/a/ami-1/inventory.json"),
    Try("s3:DeleteObjectVersion", f"{IMAGES.format('dev')}/a/ami-1/inventory.json"),
    Try("s3:PutBucketPolicy", IMAGES.format("dev")),
    Try("kms:Sign", f"arn:aws:kms:{HERE}:key/another"),
    Try("kms:UpdateAlias", f"arn:aws:kms:{HERE}:alias/raykiln-dev-images"),
)


def serve(clients: Clients, day: int, folder: Path | None = None) -> None:
    """Have staging serve new images, as its bake and its deploy leave it."""
    ids = {role: register(clients, role) for role in ("head", "worker")}
    catalog = {image.ami_id: image for image in images(clients)}
    if folder:
        for ami_id in ids.values():
            keep_inventory(clients, STAGING.images_bucket, catalog[ami_id].digest, ami_id, folder)
    found = {WantedImage(role): catalog[ami_id] for role, ami_id in ids.items()}
    set_channel(clients, "staging", found, NOW.replace(day=day))
    point_to_release(clients, STAGING.bucket, "staging", a_release(ids["head"], ids["worker"]))


@pytest.fixture
def administrator(world: World, clock: FakeClock) -> Clients:
    found = CheckedClients(make_user("administrator", EVERYTHING))
    set_up_account(found, DEV, clock=clock, progress=Silent())
    found("s3").create_bucket(Bucket=STAGING.bucket)
    return found


def test_it_promotes_with_what_is_known_and_goes_back(
    administrator: Clients, tmp_path: Path
) -> None:
    clients = CheckedClients(role_credentials(ROLE, "somebody"))

    for day in (1, 2):
        serve(administrator, day, tmp_path)
        with enforced():
            promote(clients, plan_promotion(clients, STAGING, DEV), NOW.replace(day=day))
    with enforced():
        promote(clients, plan_way_back(clients, DEV), NOW.replace(day=3))
        assert not plan_promotion(clients, STAGING, DEV).is_empty
        for image in images(clients):
            assert read_inventory(clients, DEV.images_bucket, image)


def test_who_deploys_promotes_nothing(administrator: Clients) -> None:
    serve(administrator, 1)
    clients = CheckedClients(role_credentials("raykiln-dev-deploy", "somebody"))

    with enforced(), pytest.raises(Unanswered, match="AccessDenied"):
        plan_promotion(clients, STAGING, DEV)


def test_who_deploys_reads_what_is_known_of_images_and_changes_none_of_it(
    administrator: Clients, tmp_path: Path
) -> None:
    image = image_by_id(administrator, register(administrator, "head"))
    keep_inventory(administrator, DEV.images_bucket, image.digest, image.ami_id, tmp_path)
    clients = CheckedClients(role_credentials("raykiln-dev-deploy", "somebody"))

    with enforced():
        assert read_inventory(clients, DEV.images_bucket, image)
        assert read_file(clients, DEV.images_bucket, image, "missing.json") is None
        with pytest.raises(Unanswered, match="AccessDenied"):
            store_files(clients, DEV.images_bucket, image.digest, image.ami_id, tmp_path)
        with pytest.raises(Unanswered, match="AccessDenied"):
            read_inventory(clients, STAGING.images_bucket, image)


def test_only_a_bake_signs_and_whoever_deploys_verifies(
    administrator: Clients, clock: FakeClock, tmp_path: Path
) -> None:
    set_up_account(administrator, STAGING, clock=clock, progress=Silent())
    baker = CheckedClients(role_credentials(ROLE, "somebody"))
    deployer = CheckedClients(role_credentials("raykiln-dev-deploy", "somebody"))
    required = an_environment(images={"require": ["tests", "sbom", "provenance"]})

    with enforced():
        image = bake_one(administrator, tmp_path, required, baker)
        assert list(lacking(deployer, required, image)) == []
        with pytest.raises(Unanswered, match="AccessDenied"):
            sign(KmsSigner(deployer, DEV), {})
        # Of another environment only the public half.
        for clients in (baker, deployer):
            assert public_key(clients, "staging")
            with pytest.raises(Unanswered, match="AccessDenied"):
                sign(KmsSigner(clients, STAGING), {})


def test_what_staging_attested_holds_in_prod_and_only_what_it_did_is_promoted(
    administrator: Clients, clock: FakeClock, tmp_path: Path
) -> None:
    set_up_account(administrator, STAGING, clock=clock, progress=Silent())
    target = an_environment(promotion={"source": "staging"}, images={"require": ["tests"]})
    clients = CheckedClients(role_credentials(ROLE, "somebody"))
    serve(administrator, 1, tmp_path)
    with enforced(), pytest.raises(Refused, match="tests: not attested"):
        plan_promotion(clients, STAGING, target)

    found = {
        image.role: bake_one(administrator, tmp_path / image.role, STAGING, image=image)
        for image in images(administrator)
    }
    with enforced():
        promote(clients, plan_promotion(clients, STAGING, target), NOW)

    deployer = CheckedClients(role_credentials("raykiln-dev-deploy", "somebody"))
    with enforced():
        for image in found.values():
            assert list(lacking(deployer, target, image)) == []
            (words,) = lacking(deployer, an_environment(images={"require": ["tests"]}), image)
            assert words == f"{image.ami_id}: tests: does not hold: none of the keys has signed it"


def test_it_attests_the_drills_of_what_is_served(administrator: Clients, tmp_path: Path) -> None:
    administrator("s3").create_bucket(Bucket=DEV.bucket)
    ids = [register(administrator, role) for role in ("head", "worker")]
    release = a_release(*ids)
    point_to_release(administrator, DEV.bucket, "dev", release)
    clients = CheckedClients(role_credentials(ROLE, "somebody"))
    append(tmp_path, Run("2026-11-22T14:00:00+00:00", "gcs_killed", "dev", (), {}, 0, 0, "held"))
    with enforced(), pytest.raises(Refused, match="dev serves no release whose rollout is known"):
        attest(clients, DEV, tmp_path)
    began = NOW.timestamp()
    journal = begin_journal(
        "dev", "deploy", from_release="", to_release=release.id, plan=(), now=began
    )
    write_journal(administrator, DEV.bucket, journal.closed("done", began + 60))

    with enforced():
        words = attest(clients, DEV, tmp_path)

    assert sorted(words) == sorted(f"{ami_id}: gcs_killed" for ami_id in ids)
    required = an_environment(images={"require": ["drills"]})
    assert [one for i in images(clients) for one in lacking(clients, required, i)] == []


def test_it_prunes(administrator: Clients, clock: FakeClock, tmp_path: Path) -> None:
    administrator("s3").create_bucket(Bucket=DEV.bucket)
    for day in (1, 2, 3):
        serve(administrator, day)
    tags = [{"Key": TAG, "Value": str(DEAD)}]
    administrator("ec2").create_key_pair(
        KeyName="raykiln-killed", TagSpecifications=[{"ResourceType": "key-pair", "Tags": tags}]
    )
    first = images(administrator)[-1]
    alone = images(administrator)[-2]
    for ami_id in (first.ami_id, alone.ami_id):
        backend = ec2_backends["123456789012"]["us-east-1"]
        snapshot = backend.amis[ami_id].ebs_snapshot.id
        digest = [{"Key": "raykiln:digest", "Value": first.digest}]
        administrator("ec2").create_tags(Resources=[snapshot], Tags=digest)
    administrator("ec2").deregister_image(ImageId=alone.ami_id)
    keep_inventory(administrator, DEV.images_bucket, first.digest, first.ami_id, tmp_path)
    point_to_release(administrator, DEV.bucket, "dev", a_release("ami-1", "ami-2"))
    clients, retention = CheckedClients(role_credentials(ROLE, "somebody")), Retention(1, 30, 180)
    now = NOW.replace(year=2028)

    with enforced():
        plan = plan_prune(clients, DEV, retention, now)
        prune(clients, DEV, retention, plan, clock, lambda words: None, now)
        assert plan_prune(clients, DEV, retention, now).is_empty

    assert first.ami_id in [image.ami_id for image in plan.goes]
    assert len(plan.snapshots) == 1
    assert [len(one.keys) for one in plan.files] == [3]
    assert plan.leftovers.key_names == ("raykiln-killed",)


def test_it_may_nothing_beside(administrator: Clients) -> None:
    assert [one for one in BESIDE if role_decides(ROLE, one.check) is Answer.ALLOWED] == []
