"""Volumes under customer keys, and who must be allowed to use the key."""

import json
from typing import Any

import boto3
import pytest

from localcloud.patches import iam
from localcloud.patches.spot import ROLE_ARN
from localcloud.patches.volume_keys import AUTO_SCALING
from localcloud.world import World
from tests.unit.localcloud.fakes import FakeClock

USES = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*"]


@pytest.fixture
def key(world: World) -> str:
    return str(boto3.client("kms").create_key()["KeyMetadata"]["Arn"])


def a_launch(key: str) -> dict[str, Any]:
    """Return a request for an instance whose root volume has the key."""
    image = boto3.client("ec2").register_image(Name="an-image", Architecture="x86_64")["ImageId"]
    volume = {"VolumeSize": 8, "Encrypted": True} | ({"KmsKeyId": key} if key else {})
    return {
        "ImageId": image,
        "InstanceType": "m6i.large",
        "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": volume}],
    }


def reason(instance_id: str) -> str:
    """Return the state and its reason's message."""
    found = boto3.client("ec2").describe_instances(InstanceIds=[instance_id])
    instance = found["Reservations"][0]["Instances"][0]
    return f"{instance['State']['Name']} {instance.get('StateReason', {}).get('Message', '')}"


def launched_by(client: Any, key: str) -> str:
    answer = client.run_instances(MinCount=1, MaxCount=1, **a_launch(key))
    return reason(answer["Instances"][0]["InstanceId"])


def allow(actions: list[str], key: str, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": key, "Condition": condition}


VIA_EC2 = {"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}
FOR_AWS = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
LAUNCH = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}


@pytest.mark.parametrize(
    ("uses", "grants", "expected"),
    [
        (USES, ["kms:CreateGrant"], "pending "),
        (USES, ["kms:ListGrants"], "Client.InternalError: Client error on launch"),
        (USES[:2], ["kms:CreateGrant"], "Client.InternalError: Client error on launch"),
    ],
)
def test_an_instance_starts_if_its_launcher_may_use_the_key(
    key: str, clock: FakeClock, uses: list[str], grants: list[str], expected: str
) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            LAUNCH,
            allow(uses, key, **VIA_EC2),
            allow(grants, key, **VIA_EC2, **FOR_AWS),
        ],
    }
    launcher = boto3.client("ec2", **iam.make_user("launcher", policy))
    image = a_launch(key)

    with iam.enforced():
        made = launcher.run_instances(MinCount=1, MaxCount=1, **image)["Instances"][0]

    assert expected in reason(made["InstanceId"])


def test_a_spot_instance_needs_a_grant_for_ec2_s_own_role(key: str) -> None:
    def launched() -> str:
        made = boto3.client("ec2").run_instances(
            MinCount=1, MaxCount=1, InstanceMarketOptions={"MarketType": "spot"}, **a_launch(key)
        )
        return reason(made["Instances"][0]["InstanceId"])

    assert "Client.InternalError" in launched()
    boto3.client("kms").create_grant(
        KeyId=key, GranteePrincipal=ROLE_ARN, Operations=["Decrypt", "CreateGrant"]
    )
    assert launched() == "pending "


def test_a_key_that_is_disabled_starts_nothing(key: str) -> None:
    boto3.client("kms").disable_key(KeyId=key.rpartition("/")[2])

    words = launched_by(boto3.client("ec2"), key)

    assert "Client.InvalidKMSKey.InvalidState" in words


def an_auto_scaling_group(key: str) -> None:
    """Create a group of one, whose instances have volumes under the key."""
    data = a_launch(key)
    boto3.client("ec2").create_launch_template(
        LaunchTemplateName="encrypted", LaunchTemplateData=data
    )
    subnets = boto3.client("ec2").describe_subnets()["Subnets"]
    boto3.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="g",
        LaunchTemplate={"LaunchTemplateName": "encrypted", "Version": "1"},
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=subnets[0]["SubnetId"],
    )


def states(clock: FakeClock) -> set[str]:
    clock.advance(20)
    found = boto3.client("ec2").describe_instances()["Reservations"]
    return {one["Instances"][0]["State"]["Name"] for one in found}


def test_auto_scaling_needs_a_grant_of_the_key(key: str, clock: FakeClock) -> None:
    an_auto_scaling_group(key)
    assert "running" not in states(clock)

    boto3.client("kms").create_grant(
        KeyId=key, GranteePrincipal=AUTO_SCALING, Operations=["Decrypt", "CreateGrant"]
    )
    clock.advance(300)
    assert "running" in states(clock)


def test_without_a_key_an_encrypted_volume_has_the_account_s_default_key(
    key: str, clock: FakeClock
) -> None:
    ec2 = boto3.client("ec2")
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key

    an_auto_scaling_group("")

    assert "running" not in states(clock)


def test_auto_scaling_may_be_named_by_the_key_s_policy(key: str, clock: FakeClock) -> None:
    client = boto3.client("kms")
    policy = json.loads(client.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    policy["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": {"AWS": AUTO_SCALING},
            "Action": "kms:CreateGrant",
            "Resource": "*",
            "Condition": FOR_AWS,
        }
    )
    client.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))

    an_auto_scaling_group(key)

    assert states(clock) == {"running"}
