"""The bake role bakes and tests an image, and may change nothing that is not of a bake.

Packer's calls are those of its builder amazon-ebs, in its order (builder/amazon/ebs/builder.go of
hashicorp/packer, v1.6.6); the others are bake's own code.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bake import fresh_instance as module
from bake.base_image import resolve_base_image
from bake.build_instance import BuildInstance
from bake.catalog import images, set_image_attributes
from bake.fresh_instance import InstanceSpec, fresh_instance
from bake.leftovers import find_leftovers
from bake.owner import TAG, Owner, this_process
from bake.subnet import Subnet, resolve_subnet
from bake.turns import turns_for
from bake.wanted import WantedImage
from common.waiting import Seen
from localcloud.patches.iam import enforced, role_decides
from localcloud.patches.iam.policies import Answer, Check
from localcloud.patches.iam.record import decisions
from tests.unit.deploy.account.conftest import Account, CheckedClients
from tests.unit.deploy.account.neighbours import without_tags
from tests.unit.localcloud.fakes import FakeClock

ROLE = "raykiln-dev-bake"
KEY, GROUP = "raykiln-bake-head-1", "packer_1"
# Allowed on what has no tags too.
UNTAGGED = {
    "ec2:AuthorizeSecurityGroupIngress": "Packer 1.6.6 makes a group without tags",
    "ec2:DeleteSecurityGroup": "as above; a cluster's groups have tags, and are refused",
    "ec2:RunInstances": "into such a group; a base image of its owner",
    "ec2:CreateTags": "at creation, and of what Packer 1.6.6 creates without",
    "ec2:CreateKeyPair": "told apart by the name",
    "ec2:DeleteKeyPair": "told apart by the name",
    "ec2:CreateSecurityGroup": "a group of no cluster",
    "ec2:ModifyImageAttribute": "Packer describes an image before it tags it",
    "ec2:CreateImage": "of what is created; the instance is told apart",
}
# Allowed with a cluster's tag on the resource: none of it changes what is there.
NOT_ON_A_CLUSTER = {
    "ec2:CreateKeyPair": "it creates",
    "ec2:CreateSecurityGroup": "it creates, in a VPC that may be a cluster's",
    "ec2:CreateTags": "as part of a creation (ec2:CreateAction)",
    "ec2:DeleteKeyPair": "by the name of a bake's",
    "ec2:ModifyImageAttribute": "an image is no cluster's, and has no such tag",
    "ec2:RunInstances": "it creates, in a subnet that may be a cluster's, and in no group of one",
}


@pytest.fixture(autouse=True)
def _ssh_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open no connection."""
    monkeypatch.setattr(module, "ssh_answers", lambda address: Seen(True, address))


def test_it_bakes_and_may_nothing_beside(
    account: Account, clock: FakeClock, tmp_path: Path
) -> None:
    clients = account.as_role("bake")

    with enforced(), decisions() as decided:
        subnet = resolve_subnet(clients, account.environment.image)
        ami_id = packer_builds(clients, subnet, account, clock)
        bake_tests(clients, subnet, ami_id, account, clock, tmp_path)

    asked = [one for one in decided if f"/{ROLE}/" in one.principal]
    assert [one.check for one in asked if not one.allowed] == []
    changes = [one.check for one in asked if not is_a_look(one.check)]
    assert len(changes) > 30
    beside = {one.action for one in map(without_tags, changes) if allows(one)}
    assert beside <= set(UNTAGGED)
    theirs = {one.action for one in map(of_a_cluster, changes) if allows(one)}
    assert theirs <= set(NOT_ON_A_CLUSTER)


def packer_builds(
    clients: CheckedClients, subnet: Subnet, account: Account, clock: FakeClock
) -> str:
    """Do what Packer does; return the image's id."""
    ec2, owner = clients("ec2"), this_process()
    base = resolve_base_image(clients, account.environment.image)
    ec2.create_key_pair(KeyName=KEY)
    group = ec2.create_security_group(
        GroupName=GROUP, Description="Temporary group for Packer", VpcId=subnet.vpc_id
    )["GroupId"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"}
    ec2.authorize_security_group_ingress(GroupId=group, **ssh)
    said = BuildInstance(clients, owner)
    said.handle_output(f"Creating temporary keypair: {KEY}")
    said.handle_output(f"Creating temporary security group for this instance: {GROUP}")
    said.handle_output("Authorizing access to port 22")
    instance = launched(ec2, base.ami_id, subnet, group, owner)
    said.handle_output(f"Instance ID: {instance}")
    clock.advance(30)
    ec2.stop_instances(InstanceIds=[instance])
    clock.advance(30)
    ami_id = str(ec2.create_image(InstanceId=instance, Name="ray-head-1")["ImageId"])
    found = ec2.describe_images(ImageIds=[ami_id])["Images"][0]["BlockDeviceMappings"]
    snapshots = [one["Ebs"]["SnapshotId"] for one in found if "Ebs" in one]
    ec2.modify_image_attribute(ImageId=ami_id, Description={"Value": "Ray 2.60.0 head"})
    tags = {"raykiln:role": "head", "raykiln:digest": "0" * 64}
    for resource in (ami_id, *snapshots):
        ec2.create_tags(Resources=[resource], Tags=pairs(tags))
    clock.advance(30)
    ec2.terminate_instances(InstanceIds=[instance])
    clock.advance(30)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName=KEY)
    return ami_id


def launched(ec2: Any, image: str, subnet: Subnet, group: str, owner: Owner) -> str:
    """Launch the build instance; Packer tags instance and volume as it does."""
    tags = pairs({TAG: str(owner), "Name": "raykiln-bake-head"})
    answer = ec2.run_instances(
        ImageId=image,
        InstanceType="m6i.large",
        MinCount=1,
        MaxCount=1,
        KeyName=KEY,
        SecurityGroupIds=[group],
        SubnetId=subnet.subnet_id,
        TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
    )
    return str(answer["Instances"][0]["InstanceId"])


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
    set_image_attributes(clients, ami_id, datetime(2027, 1, 1, tzinfo=UTC))
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


def of_a_cluster(check: Check) -> Check:
    """Return the same request on something that is a cluster's."""
    key = "aws:resourcetag/raykiln:environment"
    bare = without_tags(check)
    return Check(bare.action, bare.resource, {**bare.context, key: ("dev",)})


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
