"""The resolver's records of private zones and load balancers."""

from typing import Any

import pytest

from localcloud.resolver import desired_records, settings_for
from tests.unit.localcloud.conftest import Clients


@pytest.fixture
def zone(aws: Clients) -> str:
    vpc = aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = aws("route53").create_hosted_zone(
        Name="ray.internal",
        CallerReference="1",
        HostedZoneConfig={"PrivateZone": True},
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc},
    )
    return str(made["HostedZone"]["Id"])


def upsert(aws: Clients, zone: str, **record: Any) -> None:
    change = {"Action": "UPSERT", "ResourceRecordSet": record}
    aws("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})


def values(*each: str) -> list[dict[str, str]]:
    return [{"Value": value} for value in each]


def test_addresses_texts_and_other_names(aws: Clients, zone: str) -> None:
    both = values("10.77.1.1", "10.77.1.2")
    upsert(aws, zone, Name="Head.ray.internal", Type="A", TTL=5, ResourceRecords=both)
    other = values("head.ray.internal")
    upsert(aws, zone, Name="h.ray.internal", Type="CNAME", TTL=5, ResourceRecords=other)
    text = values('"v=1"')
    upsert(aws, zone, Name="t.ray.internal", Type="TXT", TTL=5, ResourceRecords=text)

    records = desired_records()

    assert records.addresses["head.ray.internal"] == ("10.77.1.1", "10.77.1.2")
    assert records.aliases == {"h.ray.internal": "head.ray.internal"}
    assert records.texts == {"t.ray.internal": '"v=1"'}
    assert records.zones == ("ray.internal",)


def test_an_alias_to_a_load_balancer_is_its_addresses(aws: Clients, zone: str) -> None:
    subnets = aws("ec2").describe_subnets()["Subnets"][:2]
    balancer = aws("elbv2").create_load_balancer(
        Name="head", Type="network", Subnets=[subnet["SubnetId"] for subnet in subnets]
    )["LoadBalancers"][0]
    target = {
        "DNSName": balancer["DNSName"],
        "HostedZoneId": balancer["CanonicalHostedZoneId"],
        "EvaluateTargetHealth": True,
    }
    upsert(aws, zone, Name="head.ray.internal", Type="A", AliasTarget=target)

    records = desired_records()

    interfaces = aws("ec2").describe_network_interfaces()["NetworkInterfaces"]
    addresses = {interface["PrivateIpAddress"] for interface in interfaces}
    assert set(records.addresses["head.ray.internal"]) == addresses
    assert set(records.addresses[balancer["DNSName"].lower()]) == addresses


def test_public_zones_are_ignored(aws: Clients) -> None:
    aws("route53").create_hosted_zone(Name="example.com", CallerReference="1")

    assert desired_records().zones == ()


def test_only_records_other_than_addresses_need_a_restart(aws: Clients, zone: str) -> None:
    before = settings_for(desired_records())
    one = values("10.77.1.1")
    upsert(aws, zone, Name="head.ray.internal", Type="A", TTL=5, ResourceRecords=one)
    assert settings_for(desired_records()) == before

    other = values("head.ray.internal")
    upsert(aws, zone, Name="h.ray.internal", Type="CNAME", TTL=5, ResourceRecords=other)

    assert settings_for(desired_records()) != before
