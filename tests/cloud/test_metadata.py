"""The metadata service, used by real machines."""

import json
from typing import Any

from tests.cloud.harness import Cloud, eventually

Instance = dict[str, Any]

TOKEN = (
    "curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: {ttl}' "
    "http://169.254.169.254/latest/api/token"
)
GET = 'curl -s -H "X-aws-ec2-metadata-token: $({token})" http://169.254.169.254/{path}'
STATUS = "-o /dev/null -w '%{http_code}'"

ROLE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def read(cloud: Cloud, instance: Instance, path: str) -> str:
    token = TOKEN.format(ttl=60)
    return cloud.on(instance["InstanceId"], GET.format(token=token, path=path))


def test_without_a_token_nothing_is_returned(cloud: Cloud, machine: Instance) -> None:
    status = cloud.on(
        machine["InstanceId"], f"curl -s {STATUS} http://169.254.169.254/latest/meta-data/"
    )

    assert status == "401"


def test_a_token_expires_after_its_ttl(cloud: Cloud, machine: Instance) -> None:
    token = cloud.on(machine["InstanceId"], TOKEN.format(ttl=2))
    asked = (
        f"curl -s {STATUS} -H 'X-aws-ec2-metadata-token: {token}' "
        "http://169.254.169.254/latest/meta-data/instance-id"
    )

    assert cloud.on(machine["InstanceId"], asked) == "200"
    eventually("its expiry", lambda: cloud.on(machine["InstanceId"], asked) == "401")


def test_a_token_that_went_through_a_proxy_is_refused(cloud: Cloud, machine: Instance) -> None:
    asked = TOKEN.format(ttl=60).replace("-sf", f"-s {STATUS} -H 'X-Forwarded-For: 1.2.3.4'")

    assert cloud.on(machine["InstanceId"], asked) == "403"


def test_a_machine_learns_its_identity(cloud: Cloud, machine: Instance) -> None:
    facts = {
        "instance-id": machine["InstanceId"],
        "ami-id": machine["ImageId"],
        "instance-type": machine["InstanceType"],
        "local-ipv4": machine["PrivateIpAddress"],
        "hostname": machine["PrivateDnsName"],
        "placement/availability-zone": machine["Placement"]["AvailabilityZone"],
        "placement/region": "us-east-1",
        "tags/instance/raykiln:role": "head",
        "mac": machine["NetworkInterfaces"][0]["MacAddress"],
    }

    told = {name: read(cloud, machine, f"latest/meta-data/{name}") for name in facts}

    assert told == facts


def test_the_interface_has_the_address_in_the_metadata(cloud: Cloud, machine: Instance) -> None:
    mac = cloud.on(machine["InstanceId"], "cat /sys/class/net/eth0/address || ip -br link")

    assert machine["NetworkInterfaces"][0]["MacAddress"] in mac


def test_the_identity_document_names_account_and_region(cloud: Cloud, machine: Instance) -> None:
    document = json.loads(read(cloud, machine, "latest/dynamic/instance-identity/document"))

    assert document["accountId"] == "123456789012"
    assert document["instanceId"] == machine["InstanceId"]
    assert document["region"] == "us-east-1"


def test_dated_versions_and_user_data_are_there(cloud: Cloud, machine: Instance) -> None:
    assert read(cloud, machine, "2009-04-04/meta-data/instance-id") == machine["InstanceId"]
    assert read(cloud, machine, "latest/user-data").startswith("#cloud-config")


def test_tags_stay_hidden_unless_enabled_and_version_1_works_where_allowed(cloud: Cloud) -> None:
    instance = cloud.launch(
        MetadataOptions={"HttpTokens": "optional"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}],
    )

    listed = cloud.on(
        instance["InstanceId"], "curl -s http://169.254.169.254/latest/meta-data/"
    ).split()

    assert "instance-id" in listed
    assert "tags/" not in listed
    cloud.terminate(instance["InstanceId"])


def test_the_profile_gives_the_machine_its_role(cloud: Cloud) -> None:
    iam = cloud.aws.iam
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=json.dumps(ROLE))
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    instance = cloud.launch(
        IamInstanceProfile={"Name": "node"}, MetadataOptions={"HttpTokens": "required"}
    )

    keys = json.loads(read(cloud, instance, "latest/meta-data/iam/security-credentials/node"))
    who = cloud.aws.ask("who", keys)["answer"]

    assert who == f"arn:aws:sts::123456789012:assumed-role/node/{instance['InstanceId']}"
    cloud.terminate(instance["InstanceId"])
