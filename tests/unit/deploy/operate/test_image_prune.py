"""Pruning: what nothing needs goes with its snapshot; what anything may need stays, with why."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.ec2.models import ec2_backends
from moto.ec2.responses.amis import AmisResponse

from bake.catalog import images
from bake.channels import set_channel
from bake.image_files import store
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import PipelineError, Refused
from deploy.operate.image_prune import Prune, plan_prune, prune
from deploy.operate.image_uses import Retention, retention_of, versions_of_groups
from deploy.operate.stored_files import stored_files
from deploy.release.config_bucket import point_to_release, release_document, store_document
from deploy.release.rollout_journal import begin_journal, write_journal
from localcloud.world import World
from tests.unit.answers import Answers
from tests.unit.bake.conftest import register
from tests.unit.bake.test_leftovers import DEAD, a_bake
from tests.unit.deploy.builders import ACCOUNT, REGION, a_release, an_environment
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures
from tests.unit.localcloud.fakes import FakeClock

DEV = an_environment()
# Half a year after every image that the tests register.
NOW = datetime(2027, 5, 1, tzinfo=UTC)
KEEP_ONE = Retention(count=1, days=30, delete_days=30)


@pytest.fixture
def clients(world: World) -> Clients:  # noqa: F811 - a fixture
    found = Clients(REGION)
    for bucket in (DEV.bucket, DEV.images_bucket):
        found("s3").create_bucket(Bucket=bucket)
    return found


def baked(clients: Clients, role: str = "head", **others: Any) -> str:
    """Register an image, and tag its snapshot as a bake does; return its id."""
    ami_id = register(clients, role, **others)
    tags = [{"Key": "raykiln:digest", "Value": "0" * 64}]
    clients("ec2").create_tags(Resources=[snapshot_of(ami_id)], Tags=tags)
    return ami_id


def snapshot_of(ami_id: str) -> str:
    return str(ec2_backends[ACCOUNT][REGION].amis[ami_id].ebs_snapshot.id)


def plan(clients: Clients, retention: Retention = KEEP_ONE, now: datetime = NOW) -> Prune:
    return plan_prune(clients, DEV, retention, now)


def going(clients: Clients, **more: Any) -> list[str]:
    return [image.ami_id for image in plan(clients, **more).goes]


def why(clients: Clients, ami_id: str) -> str:
    """Return why an image stays."""
    (words,) = [w for image, w in plan(clients).stays.items() if image.ami_id == ami_id]
    return words


@pytest.fixture
def old(clients: Clients) -> str:
    """An image that would go: there is a newer one of its kind."""
    ami_id = baked(clients)
    baked(clients)
    assert going(clients) == [ami_id]
    return ami_id


def test_of_each_kind_the_newest_stay(clients: Clients) -> None:
    heads = [baked(clients) for _ in range(3)]
    worker, gpu = baked(clients, "worker"), baked(clients, "worker", image="gpu")

    assert going(clients) == [heads[1], heads[0]]
    assert going(clients, retention=Retention(2, 30, 30)) == [heads[0]]
    assert why(clients, worker) == why(clients, gpu) == "one of the newest 1 of its kind"


def test_a_newer_image_that_is_not_verified_is_not_the_one_that_stays(clients: Clients) -> None:
    good, bad = baked(clients), baked(clients, verified=False)

    assert going(clients) == [bad]
    assert why(clients, good) == "one of the newest 1 of its kind"


def test_what_is_young_stays(clients: Clients, old: str) -> None:
    soon = datetime(2026, 11, 20, tzinfo=UTC)

    assert going(clients, now=soon) == []
    assert "younger than 30 days" in plan(clients, now=soon).stays.values()


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_the_image_of_an_instance_stays(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
    state: str,
) -> None:
    ec2 = clients("ec2")
    launched = ec2.run_instances(ImageId=old, MinCount=1, MaxCount=1)["Instances"][0]
    name = launched["InstanceId"]
    clock.advance(30)
    if state == "stopped":
        ec2.stop_instances(InstanceIds=[name])
        clock.advance(30)

    assert why(clients, old) == f"instance {name}, {state}"
    ec2.terminate_instances(InstanceIds=[name])
    clock.advance(30)
    assert going(clients) == [old]


def launched_from(clients: Clients, name: str, images: list[str]) -> str:
    """Make an environment's launch template with a version for each image; return its id."""
    ec2, tags = clients("ec2"), [{"Key": "raykiln:environment", "Value": "prod"}]
    first, *others = [{"ImageId": ami_id} for ami_id in images]
    made = ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData=first,
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
    )["LaunchTemplate"]
    for data in others:
        ec2.create_launch_template_version(LaunchTemplateName=name, LaunchTemplateData=data)
    return str(made["LaunchTemplateId"])


def test_of_an_environment_s_launch_template_the_default_and_the_newest_images_stay(
    clients: Clients,
) -> None:
    heads = [baked(clients) for _ in range(6)]
    # The last image was deployed twice, with other settings.
    launched_from(clients, "ray-head-prod", [*heads, heads[5]])

    # Version 1 is the default, as after a rollback to it.
    assert set(going(clients)) == {heads[1], heads[2], heads[3]}
    assert why(clients, heads[4]) == "version 5 of the launch template ray-head-prod"
    clients("ec2").modify_launch_template(LaunchTemplateName="ray-head-prod", DefaultVersion="4")
    assert set(going(clients)) == {heads[0], heads[1], heads[2]}
    assert set(going(clients, retention=Retention(3, 30, 30))) == {heads[0], heads[1]}


def test_the_version_that_a_group_launches_from_stays(clients: Clients) -> None:
    heads = [baked(clients) for _ in range(5)]
    template = launched_from(clients, "ray-head-prod", heads)
    clients("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="ray-head-asg-prod",
        MinSize=0,
        MaxSize=0,
        VPCZoneIdentifier=clients("ec2").describe_subnets()["Subnets"][0]["SubnetId"],
        LaunchTemplate={"LaunchTemplateId": template, "Version": "3"},
    )

    assert going(clients) == [heads[1]]
    assert why(clients, heads[2]) == "version 3 of the launch template ray-head-prod"


def test_groups_name_versions_in_policies_of_mixed_instances_too() -> None:
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": "lt-1", "Version": "3"},
            "Overrides": [
                {"InstanceType": "m6i.large"},
                {"LaunchTemplateSpecification": {"LaunchTemplateName": "arm", "Version": "7"}},
            ],
        }
    }
    groups = [{"MixedInstancesPolicy": policy}, {"LaunchConfigurationName": "theirs"}]
    aws: Any = Answers(describe_auto_scaling_groups={"AutoScalingGroups": groups})

    assert set(versions_of_groups(aws("autoscaling"))) == {("lt-1", "3"), ("arm", "7")}


def test_what_was_deployed_long_ago_goes_and_a_rollback_has_all_it_needs(
    clients: Clients,
) -> None:
    """A rollback goes to the release before, which names images and no version."""
    heads = [baked(clients) for _ in range(5)]
    launched_from(clients, f"ray-head-{DEV.name}", heads)
    clients("ec2").modify_launch_template(
        LaunchTemplateName=f"ray-head-{DEV.name}", DefaultVersion="5"
    )
    a_rollout_to(clients, heads[0], 100)
    a_rollout_to(clients, heads[4], 90, current=True)

    assert set(going(clients)) == {heads[1], heads[2]}
    assert re.fullmatch(r"of the release \w+ of dev", why(clients, heads[0]))


def test_the_image_of_any_version_of_another_s_launch_template_stays(
    clients: Clients, old: str
) -> None:
    ec2 = clients("ec2")
    ec2.create_launch_template(LaunchTemplateName="theirs", LaunchTemplateData={"ImageId": old})
    ec2.create_launch_template_version(
        LaunchTemplateName="theirs", LaunchTemplateData={"ImageId": "ami-1"}
    )

    assert why(clients, old) == "version 1 of the launch template theirs"


def test_the_image_of_a_launch_configuration_stays(clients: Clients, old: str) -> None:
    clients("autoscaling").create_launch_configuration(
        LaunchConfigurationName="theirs", ImageId=old, InstanceType="m6i.large"
    )

    assert why(clients, old) == "launch configuration theirs"


def put_into_channel(clients: Clients, environment: str, *ids: str, days_ago: int = 0) -> None:
    """Set a channel to these heads, one after the other."""
    catalog = {image.ami_id: image for image in images(clients)}
    for hours, ami_id in enumerate(ids):
        now = NOW + timedelta(hours=hours) - timedelta(days=days_ago)
        set_channel(clients, environment, {WantedImage("head"): catalog[ami_id]}, now)


def test_what_a_channel_of_any_environment_names_stays(clients: Clients, old: str) -> None:
    put_into_channel(clients, "prod", old)

    assert why(clients, old) == "in the channel prod/head"


def test_what_a_channel_named_last_stays_to_go_back_to(clients: Clients) -> None:
    first, second, third = (baked(clients) for _ in range(3))
    put_into_channel(clients, "prod", first, second, third, days_ago=31)

    assert going(clients, retention=Retention(2, 30, 30)) == [first]
    assert plan(clients, Retention(2, 30, 30)).words[1] == (
        f"  {second} (head of 2026-11-02): one of the last 2 of the channel prod/head"
    )


def a_rollout_to(clients: Clients, ami_id: str, days_ago: int, *, current: bool = False) -> None:
    release = a_release(head=ami_id)
    store_document(clients, DEV.bucket, release_document("dev", release))
    began = (NOW - timedelta(days=days_ago)).timestamp()
    journal = begin_journal(
        "dev", "deploy", from_release="", to_release=release.id, plan=(), now=began
    )
    write_journal(clients, DEV.bucket, journal.closed("done", began))
    if current:
        point_to_release(clients, DEV.bucket, "dev", release)


@pytest.mark.parametrize(("days_ago", "stays"), [(29, True), (31, False)])
def test_the_images_of_a_release_that_was_served_lately_stay(
    clients: Clients, old: str, days_ago: int, stays: bool
) -> None:
    a_rollout_to(clients, old, days_ago)
    a_rollout_to(clients, "ami-between", 5)
    a_rollout_to(clients, "ami-now", 1, current=True)

    assert (old not in going(clients)) is stays


def test_the_images_of_the_current_and_the_previous_release_stay_however_old(
    clients: Clients, old: str
) -> None:
    a_rollout_to(clients, old, 100)
    a_rollout_to(clients, "ami-now", 90, current=True)

    assert why(clients, old) == f"of the release {a_release(head=old).id} of dev"


def test_an_image_that_another_account_may_launch_stays(clients: Clients, old: str) -> None:
    clients("ec2").modify_image_attribute(
        ImageId=old, LaunchPermission={"Add": [{"UserId": "210987654321"}]}
    )

    assert why(clients, old) == "shared with 210987654321, whose instances cannot be seen"


def test_an_image_that_the_file_names_stays(clients: Clients, old: str) -> None:
    environment = an_environment(image={"base_id": "ami-1", "head_id": old})

    assert plan_prune(clients, environment, KEEP_ONE, NOW).goes == ()


def carry_out(clients: Clients, clock: FakeClock, approved: Prune) -> tuple[str, ...]:  # noqa: F811
    return prune(clients, DEV, KEEP_ONE, approved, clock, lambda words: None, NOW)


def there(clients: Clients) -> set[str]:
    """Return the images and the snapshots of ours that exist."""
    filters = [{"Name": "tag-key", "Values": ["raykiln:digest"]}]
    snapshots = clients("ec2").describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
    return {one["SnapshotId"] for one in snapshots} | {one.ami_id for one in images(clients)}


def test_an_image_goes_with_its_snapshot_and_nothing_else_does(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    before, snapshot = there(clients), snapshot_of(old)

    assert carry_out(clients, clock, plan(clients)) == ()

    assert before - there(clients) == {old, snapshot}
    assert plan(clients).is_empty


def test_what_is_used_since_the_plan_was_shown_stays(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    approved, before = plan(clients), there(clients)
    put_into_channel(clients, "prod", old)

    carry_out(clients, clock, approved)

    assert there(clients) == before


def test_what_goes_only_since_the_plan_was_shown_stays(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    approved = plan(clients)
    newer = baked(clients)

    carry_out(clients, clock, approved)

    (left,) = plan(clients).goes
    assert left.ami_id not in (old, newer)


def test_a_snapshot_that_ec2_does_not_delete_is_named(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deregister = AmisResponse.deregister_image
    snapshot = snapshot_of(old)

    def denied(self: Any) -> Any:
        answer = deregister(self)
        answer.result["DeleteSnapshotResults"][0]["ReturnCode"] = "missing-permissions"
        return answer

    monkeypatch.setattr(AmisResponse, "deregister_image", denied)

    left = carry_out(clients, clock, plan(clients))
    assert left == (f"snapshot {snapshot} of {old}: missing-permissions",)


def orphaned(clients: Clients, ami_id: str) -> str:
    """Deregister an image as a person does, who forgets its snapshot."""
    snapshot = snapshot_of(ami_id)
    clients("ec2").deregister_image(ImageId=ami_id)
    return snapshot


def test_a_snapshot_without_an_image_goes_once_it_is_no_new_one(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    snapshot = orphaned(clients, old)
    started = datetime.now(UTC)

    assert plan(clients, now=started + timedelta(hours=5)).snapshots == ()
    approved = plan(clients)
    assert [one.id for one in approved.snapshots] == [snapshot]
    assert f"- snapshot {snapshot}: its image is gone" in approved.words
    carry_out(clients, clock, approved)
    assert snapshot not in there(clients)


@pytest.mark.parametrize("kept", [True, False])
def test_the_snapshot_of_an_image_in_the_recycle_bin_stays(
    clients: Clients, old: str, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    backend = ec2_backends[ACCOUNT][REGION]
    words = f"Created by CreateImage(i-1) for {old}"
    backend.amis[old].ebs_snapshot.description = words
    orphaned(clients, old)
    recycle(clients, monkeypatch, *([old] if kept else []))

    assert (plan(clients).snapshots == ()) is kept


def keep_files(clients: Clients, digest: str, ami_id: str) -> str:
    """Keep files of an image; return where."""
    for name in ("inventory.json", "tests.dsse.json"):
        store(clients, DEV.images_bucket, digest, ami_id, name, b"{}")
    return f"s3://{DEV.images_bucket}/{digest}/{ami_id}/"


def files(clients: Clients) -> list[str]:
    """Return the folders of the bucket that have files."""
    return [one.words.split(" in ")[1] for one in stored_files(clients, DEV.images_bucket)]


def digest_of(clients: Clients, ami_id: str) -> str:
    (found,) = (image.digest for image in images(clients) if image.ami_id == ami_id)
    return found


def test_the_files_of_an_image_go_with_it_and_no_others(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    newer = images(clients)[0]
    going = keep_files(clients, digest_of(clients, old), old)
    staying = keep_files(clients, newer.digest, newer.ami_id)
    clients("s3").put_object(Bucket=DEV.images_bucket, Key="notes/of/a/person.txt", Body=b"x")
    found = plan(clients)

    assert f"- 2 files in {going}" in found.words
    assert carry_out(clients, clock, found) == ()

    assert files(clients) == [staying]
    assert plan(clients).is_empty
    kept = clients("s3").list_objects_v2(Bucket=DEV.images_bucket, Prefix="notes/")
    assert kept["KeyCount"] == 1


def test_files_go_when_a_person_deregistered_their_image(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    keep_files(clients, digest_of(clients, old), old)
    orphaned(clients, old)
    written = datetime.now(UTC)

    assert plan(clients, now=written + timedelta(hours=5)).files == ()
    carry_out(clients, clock, plan(clients))
    assert files(clients) == []


def test_files_stay_while_a_copy_of_their_image_is_there(clients: Clients, old: str) -> None:
    digest = digest_of(clients, old)
    keep_files(clients, digest, old)
    copy = baked(clients, digest=digest)

    assert (going(clients)[-1], plan(clients).files) == (old, ())
    assert copy not in going(clients)


def test_the_files_of_an_image_that_is_used_since_the_plan_was_shown_stay(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
) -> None:
    where = keep_files(clients, digest_of(clients, old), old)
    approved = plan(clients)
    put_into_channel(clients, "prod", old)

    carry_out(clients, clock, approved)

    assert files(clients) == [where]


def recycle(clients: Clients, monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
    """Have the Recycle Bin keep these images."""
    ec2 = clients("ec2")
    paginator: Callable[[str], Any] = ec2.get_paginator

    class Bin:
        def paginate(self) -> list[dict[str, Any]]:
            return [{"Images": [{"ImageId": ami_id} for ami_id in ids]}]

    bin_name = "list_images_in_recycle_bin"
    monkeypatch.setattr(ec2, "get_paginator", lambda n: Bin() if n == bin_name else paginator(n))


def test_the_files_of_an_image_that_the_recycle_bin_keeps_stay(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = keep_files(clients, digest_of(clients, old), old)
    approved = plan(clients)
    recycle(clients, monkeypatch, old)

    carry_out(clients, clock, approved)

    assert files(clients) == [where]
    assert plan(clients).is_empty


def test_without_a_bucket_there_are_no_files(clients: Clients, old: str) -> None:
    clients("s3").delete_bucket(Bucket=DEV.images_bucket)

    assert (going(clients), plan(clients).files) == ([old], ())


def test_a_file_that_s3_does_not_delete_is_named(
    clients: Clients,
    old: str,
    clock: FakeClock,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = keep_files(clients, digest_of(clients, old), old)
    key = where.partition(f"{DEV.images_bucket}/")[2] + "inventory.json"
    refused = {"Errors": [{"Key": key, "Code": "AccessDenied"}]}
    monkeypatch.setattr(clients("s3"), "delete_objects", lambda **_: refused)

    with pytest.raises(PipelineError, match=r"inventory\.json was not deleted: AccessDenied"):
        carry_out(clients, clock, plan(clients))


def test_what_killed_bakes_left_goes_too(
    clients: Clients,
    clock: FakeClock,  # noqa: F811
) -> None:
    left = a_bake(clients, DEAD)

    found = plan(clients)

    assert found.leftovers == left
    assert [words for words in found.words if words.startswith("- ")] == [
        f"- instance {left.instance_ids[0]} of a killed bake",
        f"- security group {left.group_ids[0]} of a killed bake",
        f"- key pair {left.key_names[0]} of a killed bake",
    ]
    carry_out(clients, clock, found)
    assert plan(clients).is_empty


def test_what_it_saves_is_the_price_of_the_snapshots(clients: Clients, old: str) -> None:
    ec2_backends[ACCOUNT][REGION].amis[old].ebs_snapshot.volume.size = 40

    assert plan(clients).words[-1] == "saves up to $2.00 a month (40 GiB of snapshots)"


def test_where_nothing_goes_nothing_is_saved(clients: Clients) -> None:
    baked(clients)

    assert plan(clients).is_empty
    assert [words for words in plan(clients).words if "saves" in words] == []


@pytest.mark.parametrize(("keep", "days"), [(0, 30), (3, 0), (-1, 30)])
def test_a_retention_that_keeps_nothing_is_refused(keep: int, days: int) -> None:
    with pytest.raises(Refused, match="would keep nothing to go back to"):
        retention_of(keep, days, 180)


def test_a_retention_that_deletes_what_is_untouched_is_refused() -> None:
    with pytest.raises(Refused, match="--delete-days 20 is less than --days 30"):
        retention_of(3, 30, 20)
