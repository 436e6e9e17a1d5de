"""The bake role bakes and tests an image, and may change nothing that is not of a bake.

``packer_1_6_6_builds`` makes the calls of Packer 1.6.6 under ``packer/1.6.6``, in its order: those
of its builder amazon-ebs (builder/amazon/ebs/builder.go of hashicorp/packer, v1.6.6).
``current_packer_builds`` makes those of the amazon plugin under ``packer/current`` (builder/ebs/
builder.go and common/step_*.go of hashicorp/packer-plugin-amazon): it makes image and snapshots
with the tags of its build instance, and gives them their own last. All else is bake's own code.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bake import fresh_instance as module
from bake.base_image import resolve_base_image
from bake.build_instance import BuildInstance, access_variables
from bake.catalog import check_image_attributes, describe_image, images, set_image_attributes
from bake.fresh_instance import InstanceSpec, fresh_instance
from bake.leftovers import find_leftovers
from bake.owner import TAG, this_process
from bake.subnet import Subnet, resolve_subnet
from bake.turns import turns_for
from bake.wanted import WantedImage
from common.waiting import Seen
from localcloud.patches.iam import enforced, role_decides
from localcloud.patches.iam.policies import Answer, Check
from localcloud.patches.iam.record import Decision, decisions
from tests.unit.bake.test_build import a_build_spec
from tests.unit.deploy.account.conftest import Account, CheckedClients, with_old_packer
from tests.unit.deploy.account.neighbours import without_tags
from tests.unit.localcloud.fakes import FakeClock

ROLE = "raykiln-dev-bake"
KEY = "raykiln-bake-head-1"
# Some of image_tags of packer/locals.pkr.hcl.
IMAGE_TAGS = {"Name": "ray-head", "raykiln:role": "head", "raykiln:digest": "0" * 64}
# What a bake does to what is there already.
CHANGES = {
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateImage",
    "ec2:CreateTags",
    "ec2:DeleteKeyPair",
    "ec2:DeleteSecurityGroup",
    "ec2:EnableImageDeprecation",
    "ec2:ModifyImageAttribute",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
}
# Allowed on what has no tags too: each only makes something.
UNTAGGED = {
    "ec2:CreateImage": "of what is created; the instance is told apart",
    "ec2:CreateSecurityGroup": "in a VPC; the group itself needs its tag",
    "ec2:CreateTags": "as part of a creation (ec2:CreateAction)",
    "ec2:RunInstances": "in any subnet, from a base image of its owner; the instance needs its tag",
}


@pytest.fixture(autouse=True)
def _ssh_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open no connection."""
    monkeypatch.setattr(module, "ssh_answers", lambda address: Seen(True, address))


def test_with_packer_1_6_6_it_bakes_and_may_nothing_beside(
    account: Account, clock: FakeClock, tmp_path: Path
) -> None:
    clients = with_old_packer(account, clock).as_role("bake")

    with enforced(), decisions() as decided:
        subnet = resolve_subnet(clients, account.environment.image)
        ami_id = packer_1_6_6_builds(clients, subnet, account, clock, tmp_path)
        set_image_attributes(clients, ami_id, datetime(2027, 1, 1, tzinfo=UTC))
        describe_image(clients, ami_id, "Ray 2.60.0 head")
        bake_tests(clients, subnet, ami_id, account, clock, tmp_path)

    assert_nothing_beside(decided)


def test_with_current_packer_it_bakes_and_may_nothing_beside(
    account: Account, clock: FakeClock, tmp_path: Path
) -> None:
    clients = account.as_role("bake")

    with enforced(), decisions() as decided:
        subnet = resolve_subnet(clients, account.environment.image)
        ami_id = current_packer_builds(clients, subnet, account, clock)
        bake_tests(clients, subnet, ami_id, account, clock, tmp_path)

    assert_nothing_beside(decided)
    (image,) = images(clients)
    assert (image.ami_id, image.digest, image.deprecated[:10]) == (ami_id, "0" * 64, "2027-01-01")


def test_current_packer_deletes_an_image_that_it_did_not_complete(
    account: Account, clock: FakeClock
) -> None:
    clients = account.as_role("bake")

    with enforced():
        subnet = resolve_subnet(clients, account.environment.image)
        instance, _ = current_packer_launches(clients, subnet, account)
        clock.advance(30)
        clients("ec2").stop_instances(InstanceIds=[instance])
        clock.advance(30)
        ami_id, snapshots = imaged(clients, instance, tags=run_tags(account))
        clients("ec2").deregister_image(ImageId=ami_id)
        for snapshot in snapshots:
            clients("ec2").delete_snapshot(SnapshotId=snapshot)

        assert clients("ec2").describe_images(Owners=["self"])["Images"] == []
        left = clients("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
        assert not {one["SnapshotId"] for one in left} & set(snapshots)


def assert_nothing_beside(decided: list[Decision]) -> None:
    """Assert that all was allowed, and would not have been on what is a neighbour's."""
    asked = [one for one in decided if f"/{ROLE}/" in one.principal]
    assert [one.check for one in asked if not one.allowed] == []
    changes = [one.check for one in asked if not is_a_look(one.check)]
    assert {one.action for one in map(without_tags, changes) if allows(one)} == set(UNTAGGED)
    of_what_is_there = [one for one in changes if is_there(one)]
    assert {one.action for one in of_what_is_there} >= CHANGES
    for neighbours in (without_tags, of_a_cluster, of_another_team):
        assert [one.action for one in map(neighbours, of_what_is_there) if allows(one)] == []


def packer_1_6_6_builds(
    clients: CheckedClients, subnet: Subnet, account: Account, clock: FakeClock, folder: Path
) -> str:
    """Do what Packer does, with the access that it is given; return the image's id."""
    ec2, base = clients("ec2"), resolve_base_image(clients, account.environment.image)
    spec = replace(
        a_build_spec(folder, WantedImage("head")), environment=account.environment, subnet=subnet
    )
    said = BuildInstance(clients, clock)
    with access_variables(clients, spec, clock) as access:
        answer = ec2.run_instances(
            **launch(base.ami_id, account),
            KeyName=access["key_pair_name"],
            SecurityGroupIds=[access["security_group_id"]],
            SubnetId=subnet.subnet_id,
            TagSpecifications=tagged(run_tags(account), "instance", "volume"),
        )
        instance = str(answer["Instances"][0]["InstanceId"])
        said.handle_output(f"Instance ID: {instance}")
        clock.advance(30)
        ec2.stop_instances(InstanceIds=[instance])
        clock.advance(30)
        ami_id, snapshots = imaged(clients, instance)
        clock.advance(60)
        ec2.create_tags(Resources=[ami_id, *snapshots], Tags=pairs(IMAGE_TAGS))
        ec2.create_tags(Resources=snapshots, Tags=pairs(IMAGE_TAGS))
        clock.advance(30)
        ec2.terminate_instances(InstanceIds=[instance])
        clock.advance(30)
    return ami_id


def current_packer_builds(
    clients: CheckedClients, subnet: Subnet, account: Account, clock: FakeClock
) -> str:
    """Do what current Packer does; return the image's id."""
    ec2 = clients("ec2")
    instance, group = current_packer_launches(clients, subnet, account)
    clock.advance(30)
    ec2.stop_instances(InstanceIds=[instance])
    clock.advance(30)
    ami_id, snapshots = imaged(clients, instance, tags=run_tags(account))
    clock.advance(60)
    ec2.enable_image_deprecation(ImageId=ami_id, DeprecateAt=datetime(2027, 1, 1, tzinfo=UTC))
    ec2.modify_image_attribute(ImageId=ami_id, Description={"Value": "Ray 2.60.0 head"})
    ec2.modify_image_attribute(ImageId=ami_id, ImdsSupport={"Value": "v2.0"})
    ec2.create_tags(Resources=[ami_id, *snapshots], Tags=pairs(IMAGE_TAGS))
    ec2.create_tags(Resources=snapshots, Tags=pairs(IMAGE_TAGS))
    ec2.terminate_instances(InstanceIds=[instance])
    clock.advance(30)
    ec2.describe_volumes(Filters=[{"Name": "status", "Values": ["available"]}])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName=KEY)
    return ami_id


def current_packer_launches(
    clients: CheckedClients, subnet: Subnet, account: Account
) -> tuple[str, str]:
    """Do what current Packer does until its build instance runs; return that and its group."""
    ec2, tags = clients("ec2"), run_tags(account)
    base = resolve_base_image(clients, account.environment.image)
    ec2.create_key_pair(KeyName=KEY, TagSpecifications=tagged(tags, "key-pair"))
    group = ec2.create_security_group(
        GroupName="packer_1",
        Description="Temporary group for Packer",
        VpcId=subnet.vpc_id,
        TagSpecifications=tagged(tags, "security-group"),
    )["GroupId"]
    ec2.describe_security_groups(GroupIds=[group])
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    ssh["IpRanges"] = [{"CidrIp": "10.0.0.0/8"}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh])
    answer = ec2.run_instances(
        **launch(base.ami_id, account),
        KeyName=KEY,
        EnclaveOptions={"Enabled": False},
        MetadataOptions={
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": False,
                "SubnetId": subnet.subnet_id,
                "Groups": [group],
                "DeleteOnTermination": True,
            }
        ],
        TagSpecifications=tagged(tags, "instance", "network-interface", "volume"),
    )
    return str(answer["Instances"][0]["InstanceId"]), str(group)


def launch(base: str, account: Account) -> dict[str, Any]:
    """Return the arguments of RunInstances that both versions have."""
    disk = {"VolumeSize": 20, "VolumeType": "gp3", "Iops": 3000, "Throughput": 125}
    return {
        "ImageId": base,
        "InstanceType": account.environment.image.build_instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "EbsOptimized": False,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {**disk, "Encrypted": True, "DeleteOnTermination": True},
            }
        ],
    }


def imaged(
    clients: CheckedClients, instance: str, tags: dict[str, str] | None = None
) -> tuple[str, list[str]]:
    """Make an image, with these tags from the start; return its id and its snapshots'."""
    ec2 = clients("ec2")
    more = {"TagSpecifications": tagged(tags, "image", "snapshot")} if tags else {}
    ami_id = str(ec2.create_image(InstanceId=instance, Name="ray-head-1", **more)["ImageId"])
    found = ec2.describe_images(ImageIds=[ami_id])["Images"][0]["BlockDeviceMappings"]
    return ami_id, [str(one["Ebs"]["SnapshotId"]) for one in found if "Ebs" in one]


def bake_tests(
    clients: CheckedClients,
    subnet: Subnet,
    ami_id: str,
    account: Account,
    clock: FakeClock,
    folder: Path,
) -> None:
    """Do what bake does before and after Packer."""
    environment = account.environment
    turns_for(clients, {WantedImage("head"): "m6i.large"}, lambda words: None)
    find_leftovers(clients, datetime(2027, 1, 1, tzinfo=UTC))
    clock.advance(30)
    check_image_attributes(clients, ami_id)
    name = "raykiln-image-test-head-1"
    spec = InstanceSpec(
        environment, environment.image, subnet, ami_id, name, this_process(), folder
    )
    with fresh_instance(
        clients, spec, clock=clock, is_cancelled=lambda: False, progress=lambda words: None
    ):
        pass
    verified = pairs({"raykiln:verified": "2027-01-01"})
    clients("ec2").create_tags(Resources=[ami_id], Tags=verified)
    assert [image.ami_id for image in images(clients)] == [ami_id]


def is_a_look(check: Check) -> bool:
    return check.action.partition(":")[2].startswith(("Describe", "Get", "List"))


def allows(check: Check) -> bool:
    return role_decides(ROLE, check) is Answer.ALLOWED


def is_there(check: Check) -> bool:
    """Say whether a change is of what exists and has an owner, and not of what it makes or uses."""
    makes = check.action in ("ec2:RunInstances", "ec2:CreateSecurityGroup", "ec2:CreateKeyPair")
    return not (makes or check.resource.endswith("/*") or "ec2:createaction" in check.context)


def of_a_cluster(check: Check) -> Check:
    """Return the same request on something that is a cluster's."""
    return of_others(check, {"raykiln:environment": "dev"})


def of_another_team(check: Check) -> Check:
    """Return the same request on something that another team has tagged as its own."""
    return of_others(check, {"Name": "theirs"})


def of_others(check: Check, tags: dict[str, str]) -> Check:
    given = {f"aws:resourcetag/{key}".lower(): (value,) for key, value in tags.items()}
    kept = {k: v for k, v in check.context.items() if not k.startswith("aws:resourcetag/")}
    return Check(check.action, check.resource, {**kept, **given})


def run_tags(account: Account) -> dict[str, str]:
    """Return run_tags of packer/locals.pkr.hcl."""
    return {**account.environment.tags, "Name": "raykiln-bake-head", TAG: str(this_process())}


def tagged(tags: dict[str, str], *kinds: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": pairs(tags)} for kind in kinds]


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
