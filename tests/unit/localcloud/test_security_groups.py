"""nft's rules are those of moto's groups."""

import re
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.security_groups import desired_rules
from tests.unit.localcloud.conftest import Clients

EVERYTHING = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@pytest.fixture
def ec2(aws: Clients) -> Any:
    return aws("ec2")


def a_group(ec2: Any, name: str, *rules: dict[str, Any]) -> str:
    group = str(ec2.create_security_group(GroupName=name, Description=name)["GroupId"])
    if rules:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(rules))
    return group


def an_address(ec2: Any, *groups: str) -> str:
    answer = ec2.run_instances(
        ImageId="ami-1",
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=list(groups),
    )
    return str(answer["Instances"][0]["PrivateIpAddress"])


def chain(way: str, address: str) -> list[str]:
    name = f"{way}_{address.replace('.', '_')}"
    found = re.search(rf"chain {name} \{{\n(.*?)\n\}}", desired_rules(), re.DOTALL)
    assert found
    return found[1].splitlines()


def members(name: str) -> str:
    found = re.search(rf"set {name.replace('-', '_')} \{{ (.*) \}}", desired_rules())
    assert found
    return found[1]


def tcp(first: int, last: int, **source: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last} | source


def test_traffic_that_no_rule_allows_is_dropped(ec2: Any) -> None:
    address = an_address(ec2, a_group(ec2, "closed"))

    assert chain("in", address) == ["counter drop"]


def test_a_new_group_allows_all_outbound_traffic(ec2: Any) -> None:
    address = an_address(ec2, a_group(ec2, "new"))

    assert chain("out", address) == ["ip daddr 0.0.0.0/0  accept", "counter drop"]


def test_a_range_of_ports_is_open_for_a_range_of_addresses(ec2: Any) -> None:
    rule = tcp(6379, 6380, IpRanges=[{"CidrIp": "10.77.0.0/16"}])
    address = an_address(ec2, a_group(ec2, "ray", rule))

    assert chain("in", address)[0] == "ip saddr 10.77.0.0/16 tcp dport 6379-6380 accept"


def test_a_rule_that_names_a_group_means_its_members(ec2: Any) -> None:
    workers = a_group(ec2, "workers")
    head = a_group(ec2, "head", tcp(22, 22, UserIdGroupPairs=[{"GroupId": workers}]))
    worker, head_address = an_address(ec2, workers), an_address(ec2, head)

    rule = chain("in", head_address)[0]

    assert rule == f"ip saddr @{workers.replace('-', '_')} tcp dport 22-22 accept"
    assert worker in members(workers)
    assert head_address not in members(workers)


def test_the_rules_of_all_groups_add_up(ec2: Any) -> None:
    groups = [
        a_group(ec2, f"g{port}", tcp(port, port, IpRanges=[{"CidrIp": "10.0.0.0/8"}]))
        for port in (22, 80)
    ]

    rules = chain("in", an_address(ec2, *groups))

    assert sorted(rules) == [
        "counter drop",
        "ip saddr 10.0.0.0/8 tcp dport 22-22 accept",
        "ip saddr 10.0.0.0/8 tcp dport 80-80 accept",
    ]


@pytest.mark.parametrize(
    ("protocol", "words"), [("-1", ""), ("icmp", "meta l4proto icmp"), ("50", "meta l4proto 50")]
)
def test_a_protocol_without_ports_is_open_as_a_whole(ec2: Any, protocol: str, words: str) -> None:
    rule = {
        "IpProtocol": protocol,
        "FromPort": -1,
        "ToPort": -1,
        "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
    }
    address = an_address(ec2, a_group(ec2, "whole", rule))

    assert chain("in", address)[0] == f"ip saddr 10.0.0.0/8 {words} accept"


def test_without_outbound_rules_nothing_leaves(ec2: Any) -> None:
    silent = a_group(ec2, "silent")
    ec2.revoke_security_group_egress(GroupId=silent, IpPermissions=[EVERYTHING])

    assert chain("out", an_address(ec2, silent)) == ["counter drop"]


def test_the_groups_apply_while_the_instance_is_shutting_down(ec2: Any) -> None:
    group = a_group(ec2, "ending")
    address = an_address(ec2, group)
    instance = ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]

    ec2.terminate_instances(InstanceIds=[instance])

    assert chain("in", address) == ["counter drop"]


def test_a_load_balancer_without_groups_is_not_restricted(ec2: Any, aws: Clients) -> None:
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    aws("elbv2").create_load_balancer(Name="free", Type="network", Subnets=[subnet])
    interface = ec2.describe_network_interfaces()["NetworkInterfaces"][0]

    assert interface["PrivateIpAddress"] in members("unrestricted")


@pytest.mark.parametrize(
    ("description", "is_taken"),
    [
        ("GCS, from 10.0.0.0/8 (6379)", True),
        ("Ray's own", False),
        ("a\u2026", False),
        ("a" * 256, False),
    ],
)
def test_descriptions_have_few_characters(ec2: Any, description: str, is_taken: bool) -> None:
    ranges = [{"CidrIp": "10.0.0.0/8", "Description": description}]
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": ranges}
    group = a_group(ec2, "first")

    for call, request in (
        ("create_security_group", {"GroupName": "second", "Description": description}),
        ("authorize_security_group_ingress", {"GroupId": group, "IpPermissions": [rule]}),
        ("authorize_security_group_egress", {"GroupId": group, "IpPermissions": [rule]}),
    ):
        ask = partial(getattr(ec2, call), **request)
        if is_taken:
            ask()
            continue
        with pytest.raises(ClientError, match="InvalidParameterValue"):
            ask()
