"""Promotion to another account or region copies images, with all that is known of them."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from moto.ec2.models import ec2_backends
from moto.kms.models import kms_backends

from bake.attestations import lacking, read_attestations
from bake.catalog import image_by_id
from bake.channels import read_channel
from bake.image_copies import Copy as Copied
from bake.image_copies import Wanted, start_copy
from bake.image_files import COPY, Kept, read_inventory
from bake.statements import attest_drills
from common.clients import Clients
from common.errors import PipelineError, Refused, Unanswered
from deploy.release.config_bucket import point_to_release
from deploy.release.promotion import plan_promotion, plan_way_back, promote, with_copies
from localcloud.account import ACCOUNT, REGION, SECOND_ACCOUNT, SECOND_REGION
from localcloud.world import World
from tests.unit.bake.test_attestations import make_key
from tests.unit.deploy.builders import a_release, an_environment
from tests.unit.deploy.release.places import (
    HEAD,
    NOW,
    WORKER,
    Places,
    make_bucket,
    make_volume_key,
    places,
)
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

REQUIRED = {"images": {"require": ["tests", "sbom", "provenance"]}}
AWS_KEY = "is encrypted with AWS's own key for EBS, which no other account can use"
Make = Callable[..., Places]


class Told:
    """Remembers what is reported, line by line."""

    def __init__(self) -> None:
        self.words: list[tuple[str, str]] = []

    def say(self, line: str, words: str) -> None:
        self.words.append((line, words))

    def end(self, line: str, outcome: str, *, failed: bool = False) -> None:
        self.words.append((line, f"{outcome}{' (failed)' if failed else ''}"))


@pytest.fixture
def make(world: World, clock: FakeClock, tmp_path: Path) -> Make:  # noqa: F811 - fixtures
    return lambda **given: places(clock, tmp_path, **given)


def shares(ami_id: str) -> tuple[list[dict[str, str]], set[str], list[str]]:
    """Return with whom an image of staging, its snapshot and any key are shared."""
    image = ec2_backends[ACCOUNT][REGION].amis[ami_id]
    grants = [
        grant.grantee_principal
        for key in kms_backends[ACCOUNT][REGION].keys.values()
        for grant in key.grants.values()
    ]
    return image.launch_permissions, image.ebs_snapshot.create_volume_permission_userids, grants


@pytest.mark.parametrize(
    ("account", "region"),
    [(SECOND_ACCOUNT, REGION), (SECOND_ACCOUNT, SECOND_REGION), (ACCOUNT, SECOND_REGION)],
)
def test_the_target_gets_copies_with_all_that_is_known_and_nothing_is_shared_afterwards(
    make: Make, account: str, region: str
) -> None:
    there = make(account=account, region=region, **REQUIRED)
    ids = there.bake()

    there.promote(there.owner)

    assert plan_promotion(there.owner, there.staging, there.prod).is_empty
    channel = read_channel(there.owner, "prod", (HEAD, WORKER))
    for one, ami_id in ids.items():
        copy = image_by_id(there.owner, channel[one].ami_id)
        original = image_by_id(there.baker, ami_id)
        assert there.copies()[ami_id] == [copy.ami_id]
        assert (copy.role, copy.digest, copy.git, copy.verified, copy.python, copy.contract) == (
            *(one.role, original.digest, "abc", "2026-11-22T00:00:00Z", "3.12.3"),
            original.contract,
        )
        assert (channel[one].source, channel[one].digest) == ("staging", original.digest)
        assert list(lacking(there.owner, there.prod, copy)) == []
        assert read_inventory(there.owner, there.prod.images_bucket, copy)
        assert shares(ami_id) == ([], set(), [])


def test_a_copy_without_a_signed_original_is_completed_again(make: Make) -> None:
    there = make(region=SECOND_REGION)
    ids = there.bake()
    there.promote(there.owner)
    copy = image_by_id(there.owner, there.copies()[ids[HEAD]][0])
    kept = Kept(there.owner, there.prod.images_bucket, copy)

    kept.store(COPY, b"{}")
    assert not plan_promotion(there.owner, there.staging, there.prod).is_empty
    there.promote(there.owner)

    assert plan_promotion(there.owner, there.staging, there.prod).is_empty


def test_a_copy_requires_tokens_is_deprecated_with_its_original_and_its_snapshot_is_tagged(
    make: Make,
) -> None:
    there = make(region=SECOND_REGION)
    ami_id = there.bake()[HEAD]

    there.promote(there.owner)

    ec2 = there.owner("ec2")
    (entry,) = ec2.describe_images(ImageIds=there.copies()[ami_id])["Images"]
    (baked,) = there.baker("ec2").describe_images(ImageIds=[ami_id])["Images"]
    (snapshot,) = ec2.describe_snapshots(
        SnapshotIds=[entry["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]]
    )["Snapshots"]
    year = timedelta(days=365)
    assert entry["ImdsSupport"] == "v2.0"
    assert datetime.fromisoformat(entry["DeprecationTime"]) == (
        datetime.fromisoformat(baked["CreationDate"]) + year
    )
    digest = next(t["Value"] for t in baked["Tags"] if t["Key"] == "raykiln:digest")
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    assert tags["raykiln:digest"] == digest
    assert tags["raykiln:copied-from"] == f"{ACCOUNT}/{REGION}/{ami_id}"
    assert "raykiln:verified" not in tags


def test_a_plan_says_from_where_it_copies_and_copies_nothing(make: Make) -> None:
    there = make()
    ids = there.bake()

    plan = plan_promotion(there.owner, there.staging, there.prod)

    digest = image_by_id(there.baker, ids[HEAD]).digest[:12]
    assert plan.words[0] == (
        f"+ head: {ids[HEAD]} (digest {digest}, commit abc), "
        f"copied from {ids[HEAD]} in {ACCOUNT} {REGION}"
    )
    assert not plan.is_empty
    assert there.copies() == {}
    assert shares(ids[HEAD]) == ([], set(), [])


def test_both_are_copied_at_once_and_each_has_a_line(
    make: Make,
    driver: FakeDriver,  # noqa: F811 - a fixture
) -> None:
    there, told = make(), Told()
    driver.copy_seconds = 12.0
    ids, began = there.bake(), there.clock.now()

    there.promote(there.owner, told)

    copies = {str(one): there.copies()[ami_id][0] for one, ami_id in ids.items()}
    assert there.clock.now() - began == 15.0  # looked at every five seconds
    for line, ami_id in ids.items():
        mine = [words for name, words in told.words if name == str(line)]
        assert mine == [
            f"sharing {ami_id} with {SECOND_ACCOUNT}",
            *[f"{copies[str(line)]}: copying, 0%"] * 3,
            f"{copies[str(line)]}: available",
        ]


def test_what_is_encrypted_with_a_customer_key_is_encrypted_anew_with_the_targets(
    make: Make,
) -> None:
    there = make(region=SECOND_REGION)
    theirs, ours = make_volume_key(there.baker), make_volume_key(there.owner)
    there.prod = there.prod.model_copy(
        update={"nodes": there.prod.nodes.model_copy(update={"kms_key": ours})}
    )
    ids = there.bake(key=theirs)

    there.promote(there.owner)

    backend = ec2_backends[SECOND_ACCOUNT][SECOND_REGION]
    for ami_id in ids.values():
        (copy,) = there.copies()[ami_id]
        assert backend.amis[copy].ebs_snapshot.kms_key_id == ours
        assert shares(ami_id) == ([], set(), [])


def test_what_is_encrypted_with_awss_own_key_is_refused_for_another_account(make: Make) -> None:
    there = make()
    ids = there.bake(key=ec2_backends[ACCOUNT][REGION]._create_default_encryption_key())

    with pytest.raises(Refused) as refused:
        plan_promotion(there.owner, there.staging, there.prod)

    words = f"head: {ids[HEAD]} {AWS_KEY}: set nodes.kms_key in staging.toml, and bake"
    assert f"  {words}\n" in str(refused.value)
    assert there.copies() == {}


def test_what_is_encrypted_with_awss_own_key_is_copied_within_an_account(make: Make) -> None:
    there = make(account=ACCOUNT, region=SECOND_REGION)
    ids = there.bake(key=ec2_backends[ACCOUNT][REGION]._create_default_encryption_key())

    there.promote(there.owner)

    (copy,) = there.copies()[ids[HEAD]]
    snapshot = ec2_backends[ACCOUNT][SECOND_REGION].amis[copy].ebs_snapshot
    assert snapshot.kms_key_id.startswith(f"arn:aws:kms:{SECOND_REGION}:{ACCOUNT}:key/")


def test_another_key_of_the_target_makes_another_copy(make: Make) -> None:
    there = make()
    ids = there.bake()
    there.promote(there.owner)
    first = there.copies()
    key = make_volume_key(there.owner)
    there.prod = there.prod.model_copy(
        update={"nodes": there.prod.nodes.model_copy(update={"kms_key": key})}
    )

    there.promote(there.owner)

    channel = read_channel(there.owner, "prod", (HEAD, WORKER))
    (copy,) = set(there.copies()[ids[HEAD]]) - set(first[ids[HEAD]])
    assert channel[HEAD].ami_id == copy


@pytest.mark.parametrize(
    "promotion",
    [
        {"source": "staging"},
        {"source": "staging", "account_id": ACCOUNT, "region": SECOND_REGION},
    ],
)
def test_a_file_that_says_otherwise_where_the_source_is_is_refused(
    make: Make, promotion: dict[str, str]
) -> None:
    there = make(promotion=promotion)

    with pytest.raises(Refused) as refused:
        plan_promotion(there.owner, there.staging, there.prod)

    line = f'below [promotion] of prod.toml: account_id = "{ACCOUNT}" and region = "{REGION}"'
    assert line in refused.value.hint


def test_no_image_is_copied_from_one_partition_to_another(make: Make) -> None:
    there = make(region="cn-north-1")

    with pytest.raises(Refused, match="staging is in aws, prod in aws-cn"):
        plan_promotion(there.owner, there.staging, there.prod)


def test_a_copy_that_failed_is_named_and_made_anew_and_nothing_stays_shared(
    make: Make,
    driver: FakeDriver,  # noqa: F811 - a fixture
) -> None:
    there, told = make(), Told()
    ids = there.bake()
    driver.copies_fail = True
    with pytest.raises(PipelineError) as failed:
        there.promote(there.owner, told)
    first = there.copies()
    assert f"  head: {first[ids[HEAD]][0]} is failed" in str(failed.value)
    assert ("head", f"{first[ids[HEAD]][0]}: failed (failed)") in told.words
    assert shares(ids[HEAD]) == ([], set(), [])
    assert read_channel(there.owner, "prod", (HEAD, WORKER)) == {}

    driver.copies_fail = False
    there.promote(there.owner)

    (copy,) = there.copies()[ids[HEAD]]
    assert copy not in first[ids[HEAD]]
    assert read_channel(there.owner, "prod", (HEAD,))[HEAD].ami_id == copy


@pytest.mark.parametrize(("refused", "stays"), [(1, False), (2, True)])
def test_what_could_not_be_begun_stays_shared_only_while_another_copy_is_under_way(
    make: Make, monkeypatch: pytest.MonkeyPatch, refused: int, stays: bool
) -> None:
    there, begun = make(), list[str]()
    ids = there.bake()

    def begin(clients: Clients, wanted: Wanted, earlier: Iterable[Copied]) -> str:
        begun.append(wanted.original.ami_id)
        if len(begun) == refused:
            raise Unanswered("ResourceLimitExceeded", hint="promote again later")
        return start_copy(clients, wanted, earlier)

    with monkeypatch.context() as patch:
        patch.setattr("deploy.release.copying.start_copy", begin)
        with pytest.raises(Unanswered, match="ResourceLimitExceeded"):
            there.promote(there.owner)
    assert [bool(shares(ami_id)[0]) for ami_id in ids.values()] == [stays, stays]
    assert bool(shares(ids[HEAD])[1]) is stays

    there.promote(there.owner)

    assert [shares(ami_id) for ami_id in ids.values()] == [([], set(), [])] * 2


def test_drills_that_passed_later_are_carried_to_the_copy(make: Make) -> None:
    there = make(images={"require": ["tests"]})
    ids = there.bake()
    there.promote(there.owner)
    original = image_by_id(there.baker, ids[HEAD])
    drills = {"gcs_killed": "2026-11-23T14:00:00+00:00"}
    attest_drills(there.baker, there.staging, original, "release-1", drills)

    there.promote(there.owner)

    (copy,) = there.copies()[ids[HEAD]]
    (found,) = read_attestations(
        there.owner, there.prod, image_by_id(there.owner, copy), ["drills"]
    )
    assert (found.problem, found.predicate["passedTests"]) == ("", ["gcs_killed"])


def test_what_only_the_copier_says_of_an_original_counts_for_its_copy_alone(make: Make) -> None:
    there = make(images={"require": ["tests"]})
    ids = there.bake()
    there.promote(there.owner)
    copies = there.copies()
    head = image_by_id(there.owner, copies[ids[HEAD]][0])
    worker = image_by_id(there.owner, copies[ids[WORKER]][0])
    s3, bucket = there.owner("s3"), there.prod.images_bucket
    for name in ("tests.dsse.json", "copy.dsse.json"):
        source = {"Bucket": bucket, "Key": f"{head.digest}/{head.ami_id}/{name}"}
        key = f"{worker.digest}/{worker.ami_id}/{name}"
        s3.copy_object(Bucket=bucket, Key=key, CopySource=source)

    (words,) = lacking(there.owner, there.prod, worker)

    assert words == f"{worker.ami_id}: tests: does not hold: none of the keys has signed it"
    assert list(lacking(there.owner, there.prod, head)) == []


def test_a_copy_of_a_copy_keeps_what_was_attested_of_the_first(
    make: Make,
    clock: FakeClock,  # noqa: F811 - a fixture
) -> None:
    there = make(**REQUIRED)
    there.bake()
    there.promote(there.owner)
    serve_in_prod(there)
    further = an_environment(
        name="prod-eu",
        account_id=SECOND_ACCOUNT,
        region=SECOND_REGION,
        promotion={"source": "prod", "account_id": SECOND_ACCOUNT, "region": REGION},
        **REQUIRED,
    )
    clients = there.owner.in_region(SECOND_REGION)
    make_key(clients, "prod-eu")
    make_bucket(clients, further.images_bucket)

    plan = plan_promotion(clients, there.prod, further)
    promote(clients, with_copies(clients, plan, NOW, clock=clock, lines=Told()), NOW)

    for entry in read_channel(clients, "prod-eu", (HEAD, WORKER)).values():
        assert list(lacking(clients, further, image_by_id(clients, entry.ami_id))) == []


def serve_in_prod(there: Places) -> None:
    """Have prod serve what its channel names."""
    channel = read_channel(there.owner, "prod", (HEAD, WORKER))
    make_bucket(there.owner, there.prod.bucket)
    release = a_release(channel[HEAD].ami_id, channel[WORKER].ami_id)
    point_to_release(there.owner, there.prod.bucket, "prod", release)


def test_the_channel_goes_back_to_the_copies_that_it_named(make: Make) -> None:
    there = make()
    old = there.bake()
    there.promote(there.owner)
    new = there.bake()
    there.promote(there.owner, now=NOW + timedelta(hours=1))

    promote(there.owner, plan_way_back(there.owner, there.prod), NOW + timedelta(hours=2))

    channel = read_channel(there.owner, "prod", (HEAD, WORKER))
    copies = there.copies()
    assert [channel[HEAD].ami_id] == copies[old[HEAD]] != copies[new[HEAD]]
