"""Network load balancers: names, addresses, target groups, and where traffic goes."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from localcloud import behaviour, proxy
from localcloud.behaviour import Behaviour
from localcloud.patches.elbv2 import forwarding
from tests.unit.localcloud.balancers import GCS, GUARD, Balancer


def idle_timeouts() -> set[str]:
    """Return what HAProxy is told of idle connections, on both sides of every listener."""
    (plan,) = forwarding.plans()
    slots = {proxy.name_of(frontend): proxy.Slots() for frontend in plan.frontends}
    text = proxy.configuration(plan, slots, Path("/run/haproxy.sock"))
    timeouts = re.findall(r"^  timeout (client|server) (\w+)$", text, re.MULTILINE)
    assert [side for side, _ in timeouts] == ["client", "server"] * len(plan.frontends)
    return {seconds for _, seconds in timeouts}


class TestLoadBalancer:
    def test_it_is_named_as_a_network_load_balancer(self, balancer: Balancer) -> None:
        created = balancer.create()

        number = created["LoadBalancerArn"].rsplit("/", 1)[1]
        assert ":loadbalancer/net/head/" in created["LoadBalancerArn"]
        assert created["DNSName"] == f"head-{number}.elb.us-east-1.amazonaws.com"
        assert created["CanonicalHostedZoneId"] == "Z26RNL4JYFTOTI"
        assert created["SecurityGroups"] == [balancer.group]
        assert created["State"]["Code"] == "provisioning"

    def test_it_becomes_active(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.clock.advance(1)

        assert balancer.described()["State"]["Code"] == "active"

    @pytest.mark.usefixtures("like_aws")
    def test_provisioning_takes_as_long_as_the_behaviour_says(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.clock.advance(149)
        assert balancer.described()["State"]["Code"] == "provisioning"
        assert forwarding.plans() == ()

        balancer.clock.advance(2)

        assert balancer.described()["State"]["Code"] == "active"

    def test_it_alone_has_its_address_in_each_subnet(self, balancer: Balancer) -> None:
        balancer.create()
        instance = balancer.launch()

        networks = [ip_network("10.77.0.0/24"), ip_network("10.77.1.0/24")]
        pairs = zip(balancer.addresses, networks, strict=True)
        assert all(ip_address(address) in network for address, network in pairs)
        found = balancer.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]
        assert found["Instances"][0]["PrivateIpAddress"] not in balancer.addresses

    def test_it_keeps_its_tags(self, balancer: Balancer) -> None:
        balancer.create(Tags=[{"Key": "team", "Value": "ml"}])

        found = balancer.api.describe_tags(ResourceArns=[balancer.arn])["TagDescriptions"]
        assert found[0]["Tags"] == [{"Key": "team", "Value": "ml"}]

    def test_a_second_one_of_that_name_is_refused(self, balancer: Balancer) -> None:
        balancer.create()

        with pytest.raises(ClientError, match="DuplicateLoadBalancerName"):
            balancer.create()

    def test_its_security_groups_are_those_of_its_interfaces(self, balancer: Balancer) -> None:
        balancer.create()
        other = balancer.security_group("other")

        balancer.api.set_security_groups(LoadBalancerArn=balancer.arn, SecurityGroups=[other])

        found = balancer.ec2.describe_network_interfaces(
            Filters=[{"Name": "group-id", "Values": [other]}]
        )["NetworkInterfaces"]
        assert {i["PrivateIpAddress"] for i in found} == set(balancer.addresses)
        assert balancer.described()["SecurityGroups"] == [other]

    def test_one_created_without_security_groups_never_gets_any(self, balancer: Balancer) -> None:
        balancer.create(SecurityGroups=[])

        with pytest.raises(ClientError, match="created without any"):
            balancer.api.set_security_groups(
                LoadBalancerArn=balancer.arn, SecurityGroups=[balancer.group]
            )

    def test_deleting_it_releases_its_addresses(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.clock.advance(1)

        balancer.api.delete_load_balancer(LoadBalancerArn=balancer.arn)

        assert balancer.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
        assert forwarding.plans() == ()

    def test_a_protected_one_is_not_deleted(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.api.modify_load_balancer_attributes(
            LoadBalancerArn=balancer.arn,
            Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}],
        )

        with pytest.raises(ClientError, match="deletion protection"):
            balancer.api.delete_load_balancer(LoadBalancerArn=balancer.arn)

    def test_other_types_of_balancers_and_listeners_are_refused(self, balancer: Balancer) -> None:
        with pytest.raises(ClientError, match="only load balancers of type network"):
            balancer.create(Type="application")
        balancer.create()
        with pytest.raises(ClientError, match="TCP listeners only"):
            balancer.api.create_listener(
                LoadBalancerArn=balancer.arn, Protocol="UDP", Port=GCS, DefaultActions=[]
            )

    def test_two_listeners_on_one_port_are_refused(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.listen()

        with pytest.raises(ClientError, match="DuplicateListener"):
            balancer.api.create_listener(
                LoadBalancerArn=balancer.arn,
                Protocol="TCP",
                Port=GCS,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": balancer.targets}],
            )

    def test_a_target_group_names_the_balancer_that_uses_it(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.listen()
        group = balancer.api.describe_target_groups(LoadBalancerArn=balancer.arn)["TargetGroups"][0]
        assert group["TargetGroupArn"] == balancer.targets

        balancer.api.delete_load_balancer(LoadBalancerArn=balancer.arn)

        group = balancer.api.describe_target_groups(Names=["gcs"])["TargetGroups"][0]
        assert group.get("LoadBalancerArns", []) == []


class TestTargetGroup:
    def test_defaults_are_a_network_load_balancers(self, balancer: Balancer) -> None:
        created = balancer.api.create_target_group(
            Name="gcs", Protocol="TCP", Port=GCS, VpcId=balancer.vpc, HealthCheckProtocol="HTTP"
        )["TargetGroups"][0]

        assert created["HealthCheckPath"] == "/"
        assert created["Matcher"] == {"HttpCode": "200-399"}
        assert created["HealthCheckTimeoutSeconds"] == 6
        assert created["HealthCheckIntervalSeconds"] == 30
        assert (created["HealthyThresholdCount"], created["UnhealthyThresholdCount"]) == (5, 2)
        found = balancer.api.describe_target_group_attributes(
            TargetGroupArn=created["TargetGroupArn"]
        )["Attributes"]
        attributes = {each["Key"]: each["Value"] for each in found}
        assert attributes["preserve_client_ip.enabled"] == "true"
        assert attributes["deregistration_delay.timeout_seconds"] == "300"

    def test_its_health_check_can_be_changed(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.listen()

        balancer.api.modify_target_group(
            TargetGroupArn=balancer.targets,
            HealthCheckPath="/",
            Matcher={"HttpCode": "200,503"},
        )

        found = balancer.api.describe_target_groups(Names=["gcs"])["TargetGroups"][0]
        assert (found["HealthCheckPath"], found["Matcher"]) == ("/", {"HttpCode": "200,503"})


class TestForwarding:
    def test_a_listener_is_served_at_each_address(self, serving: tuple[Balancer, str]) -> None:
        balancer, leader = serving

        (found,) = forwarding.plans()
        assert found.addresses == balancer.addresses
        assert [(f.address, f.port) for f in found.frontends] == [
            (address, GCS) for address in balancer.addresses
        ]
        ip = balancer.driver.machines[leader].host.private_ip
        for frontend in found.frontends:
            assert frontend.servers == (forwarding.Server(leader, ip, GCS, "ready"),)

    def test_an_idle_connection_lasts_as_long_as_the_listener_says(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, _ = serving
        (listener,) = balancer.api.describe_listeners(LoadBalancerArn=balancer.arn)["Listeners"]
        assert idle_timeouts() == {"350s"}

        balancer.api.modify_listener_attributes(
            ListenerArn=listener["ListenerArn"],
            Attributes=[{"Key": "tcp.idle_timeout.seconds", "Value": "6000"}],
        )

        assert idle_timeouts() == {"6000s"}

    def test_only_healthy_targets_are_ready(self, serving: tuple[Balancer, str]) -> None:
        balancer, leader = serving
        standby = balancer.launch(subnet=1)
        balancer.driver.serve(standby, GUARD)
        balancer.register(standby)
        balancer.clock.advance(40)

        assert balancer.servers() == {leader: "ready", standby: "maint"}

    def test_with_nothing_healthy_nothing_is_ready(self, serving: tuple[Balancer, str]) -> None:
        balancer, leader = serving
        balancer.driver.silence(leader)
        balancer.clock.advance(40)

        assert balancer.servers() == {leader: "maint"}

    def test_aws_fails_open_when_nothing_is_healthy(self, serving: tuple[Balancer, str]) -> None:
        balancer, leader = serving
        balancer.driver.silence(leader)
        behaviour.install(Behaviour(fail_open=True))
        try:
            balancer.clock.advance(40)
            assert balancer.state(leader) == "unhealthy"
            assert balancer.servers() == {leader: "ready"}
        finally:
            behaviour.install(behaviour.IDEALIZED)

    def test_aws_does_not_fail_open_to_a_target_that_is_being_registered(
        self, balancer: Balancer, like_aws: None
    ) -> None:
        balancer.create()
        balancer.listen()
        balancer.clock.advance(160)
        leader = balancer.leader()
        balancer.register(leader)

        balancer.clock.advance(170)
        assert (balancer.state(leader), balancer.servers()) == ("initial", {leader: "maint"})
        balancer.clock.advance(40)
        assert (balancer.state(leader), balancer.servers()) == ("healthy", {leader: "ready"})

    def test_without_crossing_zones_each_address_serves_its_own(self, balancer: Balancer) -> None:
        balancer.create(crosses=False)
        balancer.listen()
        leader = balancer.leader(subnet=1)
        balancer.register(leader)
        balancer.clock.advance(30)

        (found,) = forwarding.plans()
        served = {f.address: [s.name for s in f.servers] for f in found.frontends}
        assert served == {found.addresses[0]: [], found.addresses[1]: [leader]}
        assert balancer.addresses == found.addresses[1:]

    def test_with_no_zone_healthy_the_name_has_all_addresses(self, balancer: Balancer) -> None:
        balancer.create(crosses=False)
        balancer.listen()
        balancer.clock.advance(10)

        assert len(balancer.addresses) == 2
