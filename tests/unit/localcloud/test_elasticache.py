"""Replication groups: what is refused, their addresses, and their deletion."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches.elasticache import mark_available, plans
from tests.unit.localcloud.conftest import Clients

TOKEN = "not-a-secret-but-long-enough"


@pytest.fixture
def subnet_group(aws: Clients) -> str:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.16.0/24")["Subnet"]["SubnetId"]
    aws("elasticache").create_cache_subnet_group(
        CacheSubnetGroupName="state", CacheSubnetGroupDescription="Ray's", SubnetIds=[subnet]
    )
    return "state"


def create(aws: Clients, subnet_group: str, **more: Any) -> Any:
    wanted: dict[str, Any] = {
        "ReplicationGroupId": "ray-state",
        "ReplicationGroupDescription": "Ray's state",
        "Engine": "redis",
        "CacheNodeType": "cache.t4g.micro",
        "CacheSubnetGroupName": subnet_group,
        "TransitEncryptionEnabled": True,
        "AuthToken": TOKEN,
    }
    return aws("elasticache").create_replication_group(**(wanted | more))["ReplicationGroup"]


def status(aws: Clients) -> str:
    found = aws("elasticache").describe_replication_groups(ReplicationGroupId="ray-state")
    return str(found["ReplicationGroups"][0]["Status"])


def test_a_group_has_an_address_of_its_subnet_and_becomes_available(
    aws: Clients, subnet_group: str
) -> None:
    made = create(aws, subnet_group)

    (plan,) = plans()
    assert plan.address.startswith("10.77.16.")
    assert plan.endpoint == made["NodeGroups"][0]["PrimaryEndpoint"]["Address"]
    assert (plan.port, plan.encrypted, plan.tokens) == (6379, True, (TOKEN,))
    assert status(aws) == "creating"
    mark_available("ray-state")
    assert status(aws) == "available"


def test_the_token_is_never_returned(aws: Clients, subnet_group: str) -> None:
    made = create(aws, subnet_group)

    found = aws("elasticache").describe_replication_groups()
    assert TOKEN not in str(made) + str(found)


NEW, NEWER = "another-token-that-is-long-enough", "a-third-token-that-is-long-enough"


def modify(aws: Clients, **changes: str) -> Any:
    return aws("elasticache").modify_replication_group(
        ReplicationGroupId="ray-state", ApplyImmediately=True, **changes
    )


def rotate(aws: Clients, token: str, strategy: str = "ROTATE") -> None:
    modify(aws, AuthToken=token, AuthTokenUpdateStrategy=strategy)


def tokens() -> tuple[str, ...]:
    (plan,) = plans()
    return plan.tokens


def test_a_rotation_adds_a_token_to_the_newest_and_set_leaves_it_alone(
    aws: Clients, subnet_group: str
) -> None:
    create(aws, subnet_group)

    rotate(aws, NEW)
    assert tokens() == (NEW, TOKEN)
    rotate(aws, NEWER)
    assert tokens() == (NEWER, NEW)
    rotate(aws, NEWER, "SET")
    assert tokens() == (NEWER,)
    rotate(aws, NEWER)
    assert tokens() == (NEWER,)


def test_a_token_that_was_not_rotated_to_cannot_be_set(aws: Clients, subnet_group: str) -> None:
    create(aws, subnet_group)

    with pytest.raises(ClientError, match="does not support SET"):
        rotate(aws, NEW, "SET")
    with pytest.raises(ClientError, match="16 to 128 characters"):
        rotate(aws, "short")
    assert tokens() == (TOKEN,)


def test_other_changes_leave_the_token(aws: Clients, subnet_group: str) -> None:
    create(aws, subnet_group)

    modify(aws, CacheNodeType="cache.t4g.small")

    assert tokens() == (TOKEN,)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"TransitEncryptionEnabled": False}, "TransitEncryptionEnabled is true"),
        ({"AuthToken": "short"}, "16 to 128 characters"),
        ({"NumCacheClusters": 2}, "one new node only"),
        ({"CacheSubnetGroupName": "nowhere"}, "existing CacheSubnetGroupName"),
    ],
)
def test_unsupported_settings_are_refused(
    aws: Clients, subnet_group: str, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(ClientError, match=why):
        create(aws, subnet_group, **more)

    assert plans() == ()


def test_a_deleted_group_releases_its_address(aws: Clients, subnet_group: str) -> None:
    create(aws, subnet_group)

    aws("elasticache").delete_replication_group(ReplicationGroupId="ray-state")

    assert plans() == ()
    assert aws("ec2").describe_network_interfaces()["NetworkInterfaces"] == []
