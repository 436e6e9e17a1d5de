"""The VPC: nothing leaves it, groups are enforced, names resolve."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localcloud import balancer
from localcloud.balancer import Balancers
from localcloud.network import Network, entered, namespaces
from localcloud.patches.elbv2.forwarding import ForwardingPlan, Frontend
from localcloud.paths import namespace_path
from localcloud.proxy import Proxy
from tests.cloud.harness import Cloud, eventually

Instance = dict[str, Any]

CONNECT = "timeout 2 bash -c 'exec 3<>/dev/tcp/{ip}/{port}' 2>&1 && echo connected; true"
SERVE = "systemd-run --quiet --collect python3 -m http.server {port}"
PUBLIC = "192.0.2.1"


def tcp(port: int, source: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    if source.startswith("sg-"):
        return rule | {"UserIdGroupPairs": [{"GroupId": source}]}
    return rule | {"IpRanges": [{"CidrIp": source}]}


def connects(cloud: Cloud, instance: Instance, ip: str, port: int) -> bool:
    return "connected" in cloud.on(instance["InstanceId"], CONNECT.format(ip=ip, port=port))


def test_a_packet_for_a_public_address_is_refused_counted_and_does_not_leave(
    cloud: Cloud, machine: Instance
) -> None:
    network = Network(cloud.place.name)
    before = network.counters()

    said = cloud.on(machine["InstanceId"], CONNECT.format(ip=PUBLIC, port=80))

    after = network.counters()
    assert "refused" in said.lower()
    assert after["refused"] > before["refused"]
    assert after["left"] == 0


def test_the_operator_cannot_leave_either(cloud: Cloud) -> None:
    network = Network(cloud.place.name)
    before = network.counters()["refused_operator"]

    assert not cloud.aws.dial(PUBLIC, 80).startswith("from")

    assert network.counters()["refused_operator"] >= before
    assert network.counters()["left"] == 0


def test_even_with_a_route_nothing_leaves(cloud: Cloud, machine: Instance) -> None:
    network = Network(cloud.place.name)
    before = network.counters()["refused_operator"]

    with cloud.route_to(PUBLIC):
        seen = cloud.aws.dial(PUBLIC, 80)

    assert not seen.startswith("from")
    assert network.counters()["refused_operator"] > before
    assert network.counters()["left"] == 0


def test_a_port_is_closed_until_a_rule_opens_it_and_again_when_the_rule_goes(cloud: Cloud) -> None:
    closed, opened = cloud.group("closed"), cloud.group("opened")
    server = cloud.booted(cloud.launch(SecurityGroupIds=[opened]))
    client = cloud.launch(SecurityGroupIds=[closed])
    cloud.on(server["InstanceId"], SERVE.format(port=8000))
    ip = server["PrivateIpAddress"]

    assert not connects(cloud, client, ip, 8000)

    rule = tcp(8000, closed)
    cloud.aws.ec2.authorize_security_group_ingress(GroupId=opened, IpPermissions=[rule])
    eventually("the rule", lambda: connects(cloud, client, ip, 8000))
    assert not cloud.aws.dial(ip, 8000).startswith("from")  # the operator is in no group

    cloud.aws.ec2.revoke_security_group_ingress(GroupId=opened, IpPermissions=[rule])
    eventually("the rule gone", lambda: not connects(cloud, client, ip, 8000))
    cloud.terminate(server["InstanceId"], client["InstanceId"])
    for group in (opened, closed):
        cloud.aws.ec2.delete_security_group(GroupId=group)


def test_a_machine_without_outbound_rules_reaches_only_metadata_and_api(cloud: Cloud) -> None:
    silent, server_group = cloud.group("silent"), cloud.group("server", tcp(22, "0.0.0.0/0"))
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    cloud.aws.ec2.revoke_security_group_egress(GroupId=silent, IpPermissions=[everything])
    server = cloud.booted(cloud.launch(SecurityGroupIds=[server_group]))
    client = cloud.booted(cloud.launch(SecurityGroupIds=[silent]))

    assert cloud.aws.dial(server["PrivateIpAddress"], 22).startswith("from")
    assert not connects(cloud, client, server["PrivateIpAddress"], 22)
    assert connects(cloud, client, "169.254.169.254", 80)
    assert connects(cloud, client, "ec2.us-east-1.amazonaws.com", 443)
    cloud.terminate(server["InstanceId"], client["InstanceId"])


def test_the_address_of_a_terminated_machine_is_silent_and_not_reused_at_once(
    cloud: Cloud,
) -> None:
    open_group = cloud.group("open", tcp(22, "0.0.0.0/0"))
    gone = cloud.launch(SecurityGroupIds=[open_group])
    cloud.terminate(gone["InstanceId"])
    successor = cloud.launch(SecurityGroupIds=[open_group])

    assert cloud.aws.dial(gone["PrivateIpAddress"], 22) == "TimeoutError"
    assert successor["PrivateIpAddress"] != gone["PrivateIpAddress"]
    cloud.terminate(successor["InstanceId"])


@pytest.fixture
def network() -> Iterator[Network]:
    """A VPC without a cloud."""
    network = Network(f"rk-network-{os.getpid()}")
    network.up()
    yield network
    network.down()


def test_an_address_is_of_the_newest_host_that_has_it(network: Network) -> None:
    network.attach("old", ["10.77.16.4", "10.77.32.4"])

    space = network.attach("new", ["10.77.16.4"])
    network.detach("old")

    assert network.space_holding("10.77.16.4") == space == f"{network.name}-new"
    assert network.space_holding("10.77.32.4") == network.name
    assert connected_to(network, "10.77.16.4") == errno.ECONNREFUSED
    assert connected_to(network, "10.77.32.4") == errno.EAGAIN  # nothing answers


def test_a_balancer_gets_the_addresses_of_one_that_is_being_deleted(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, balancers = "10.77.16.4", Balancers(network, tmp_path)
    stop = Proxy.stop

    def stop_late(proxy: Proxy) -> None:
        time.sleep(0.3 if proxy.runs else 0)
        stop(proxy)

    monkeypatch.setattr(Proxy, "stop", stop_late)

    for name in ("first", "second"):
        frontend = Frontend(address, 80, 350, False, False, ())
        plans = (ForwardingPlan(name, (address,), (frontend,)),)
        monkeypatch.setattr(balancer, "plans", partial(tuple, plans))
        balancers.reconcile(0.0)
        space = f"{network.name}-nlb-{name}"
        eventually(f"the {name} at {address}", partial(holds, network, address, space), 5)

    eventually("HAProxy", lambda: connected_to(network, address) == 0, 5)
    balancers.stop()
    assert namespaces(network.name) == [f"{network.name}-operator", network.name]


def test_a_host_that_could_not_be_attached_leaves_nothing_and_can_be_attached_again(
    network: Network,
) -> None:
    before = namespaces(network.name)

    with pytest.raises(OSError, match="invalid lladdr"):
        network.attach("host", ["10.77.16.4"], mac="not a mac")

    assert namespaces(network.name) == before
    assert network.space_holding("10.77.16.4") == network.name
    network.attach("host", ["10.77.16.4"])
    assert connected_to(network, "10.77.16.4") == errno.ECONNREFUSED


def holds(network: Network, address: str, space: str) -> bool:
    return network.space_holding(address) == space


def connected_to(network: Network, address: str) -> int:
    """Return what becomes of the router's connection to a host: 0, or an errno."""
    with entered(namespace_path(network.name)), socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex((address, 80))


def test_the_machine_trusts_the_api_without_settings(cloud: Cloud, machine: Instance) -> None:
    script = (
        "import ssl, socket; c = ssl.create_default_context(); n = 'ec2.us-east-1.amazonaws.com'; "
        "s = c.wrap_socket(socket.create_connection((n, 443)), server_hostname=n); "
        "print(s.version())"
    )

    assert "TLSv1.3" in cloud.on(machine["InstanceId"], f'python3 -c "{script}"')
    assert "AWS_CA_BUNDLE" in cloud.on(machine["InstanceId"], "systemctl show-environment")


def test_names_of_a_private_zone_follow_their_records(cloud: Cloud) -> None:
    zone = private_zone(cloud, "ray.internal")

    change(cloud, zone, "UPSERT", "one.ray.internal", "A", "10.77.1.1")
    eventually("the record", lambda: cloud.aws.resolve("one.ray.internal") == ["10.77.1.1"])
    change(cloud, zone, "UPSERT", "one.ray.internal", "A", "10.77.1.2")
    eventually("the change", lambda: cloud.aws.resolve("one.ray.internal") == ["10.77.1.2"])
    change(cloud, zone, "UPSERT", "two.ray.internal", "CNAME", "one.ray.internal")
    eventually("the alias", lambda: cloud.aws.resolve("two.ray.internal") == ["10.77.1.2"])
    change(cloud, zone, "DELETE", "one.ray.internal", "A", "10.77.1.2")
    eventually("the deletion", lambda: cloud.aws.resolve("one.ray.internal") == [])


def test_unknown_names_are_denied_at_once(cloud: Cloud, machine: Instance) -> None:
    took = cloud.on(
        machine["InstanceId"],
        "python3 -c 'import socket, time\nt = time.time()\n"
        'try: socket.getaddrinfo("missing.example", 80)\n'
        "except OSError: print(time.time() - t < 4)'",
    )

    assert took == "True"


def test_machines_find_each_other_by_internal_names(cloud: Cloud, machine: Instance) -> None:
    assert cloud.aws.resolve(machine["PrivateDnsName"]) == [machine["PrivateIpAddress"]]


def private_zone(cloud: Cloud, name: str) -> str:
    vpc = cloud.aws.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = cloud.aws.route53.create_hosted_zone(
        Name=name,
        CallerReference=name,
        HostedZoneConfig={"PrivateZone": True},
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc},
    )
    return str(made["HostedZone"]["Id"])


def change(cloud: Cloud, zone: str, action: str, name: str, kind: str, value: str) -> None:
    record = {"Name": name, "Type": kind, "TTL": 5, "ResourceRecords": [{"Value": value}]}
    cloud.aws.route53.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
    )
