"""ElastiCache is a real Redis: over TLS, for clients with the secret, within its security group."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from common.waiting import Seen
from tests.cloud.harness import Cloud, eventually, until

NAME = "kept"
SECRET = "/kept/secret"
VALUE, ANOTHER = "made-for-this-test-alone", "another-one-of-this-test-alone"
ASK = """
import socket, ssl, sys
host, password, *commands = sys.argv[1:]
plain = socket.create_connection((host, 6379), 3)
found = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
for words in (f"AUTH {password}", *commands):
    found.sendall(f"{words}\\r\\n".encode())
    print(found.recv(100).decode().split("\\r\\n")[-2])
"""


def template(subnet: str, source: str) -> str:
    rule = {"IpProtocol": "tcp", "FromPort": 6379, "ToPort": 6379, "CidrIp": f"{source}/32"}
    resources = {
        "Around": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": NAME, "SecurityGroupIngress": [rule]},
        },
        "Subnets": {
            "Type": "AWS::ElastiCache::SubnetGroup",
            "Properties": {"Description": NAME, "SubnetIds": [subnet]},
        },
        "State": {
            "Type": "AWS::ElastiCache::ReplicationGroup",
            "Properties": {
                "ReplicationGroupDescription": NAME,
                "Engine": "redis",
                "CacheNodeType": "cache.t4g.small",
                "CacheSubnetGroupName": {"Ref": "Subnets"},
                "SecurityGroupIds": [{"Fn::GetAtt": ["Around", "GroupId"]}],
                "TransitEncryptionEnabled": True,
                "AuthToken": f"{{{{resolve:ssm-secure:{SECRET}}}}}",
            },
        },
    }
    address = {"Value": {"Fn::GetAtt": ["State", "PrimaryEndPoint.Address"]}}
    return json.dumps({"Resources": resources, "Outputs": {"Address": address}})


@pytest.fixture
def address(cloud: Cloud, machine: dict[str, Any]) -> Iterator[str]:
    """The name of a Redis that a stack has created, open to the machine."""
    cloud.aws.ssm.put_parameter(Name=SECRET, Value=VALUE, Type="SecureString")
    stack = {"StackName": NAME}
    body = template(machine["SubnetId"], machine["PrivateIpAddress"])
    cloud.aws.cloudformation.create_stack(**stack, TemplateBody=body)
    found: list[dict[str, Any]] = []

    def is_made() -> bool:
        found[:] = cloud.aws.cloudformation.describe_stacks(**stack)["Stacks"]
        return bool(found[0]["StackStatus"] == "CREATE_COMPLETE")

    eventually("the stack", is_made)
    yield found[0]["Outputs"][0]["OutputValue"]
    cloud.aws.cloudformation.delete_stack(**stack)
    groups = cloud.aws.elasticache.describe_replication_groups
    eventually("its deletion", lambda: not groups()["ReplicationGroups"])
    cloud.aws.ssm.delete_parameter(Name=SECRET)


def test_only_who_has_the_secret_finds_what_it_stored(
    cloud: Cloud, machine: dict[str, Any], address: str
) -> None:
    def asked(password: str, *commands: str) -> list[str]:
        words = shlex.join([address, password, *(commands or ("SET actor alive", "GET actor"))])
        done = cloud.attempt(machine["InstanceId"], f"python3 - {words} <<'END'\n{ASK}\nEND")
        return (done.stdout + done.stderr[-90:]).split("\n")[:-1]

    def rotate(strategy: str) -> None:
        cloud.aws.elasticache.modify_replication_group(
            ReplicationGroupId=address.partition(".")[0],
            AuthToken=ANOTHER,
            AuthTokenUpdateStrategy=strategy,
            ApplyImmediately=True,
        )

    def look() -> Seen[list[str]]:
        said = asked(VALUE)
        return Seen(said if said[0].startswith("+") else None, str(said))

    assert until("an answer by its name", look) == ["+OK", "+OK", "alive"]
    refused = asked("something-else-altogether")
    assert [line.split()[0] for line in refused] == ["-WRONGPASS", "-NOAUTH", "-NOAUTH"]

    rotate("ROTATE")
    eventually("the new password", lambda: asked(ANOTHER, "GET actor") == ["+OK", "alive"])
    assert asked(VALUE, "GET actor") == ["+OK", "alive"]
    rotate("SET")
    eventually("the end of the old one", lambda: asked(VALUE, "GET actor")[0][0] == "-")
    assert asked(ANOTHER, "GET actor") == ["+OK", "alive"]

    assert not cloud.aws.dial(address, 6379).startswith("from")  # the operator is not in the group
