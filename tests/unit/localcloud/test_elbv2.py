"""Network load balancers: addresses, target health by probes, draining, where traffic goes."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.elbv2.models import elbv2_backends

from localcloud import behaviour
from localcloud.behaviour import Behaviour
from localcloud.patches.elbv2 import plan
from localcloud.patches.elbv2.health import matches
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

GCS, GUARD = 6379, 8479


class Balancer:
    """A load balancer over two zones with one listener, and targets that a test launches."""

    def __init__(self, aws: Clients, clock: FakeClock, driver: FakeDriver) -> None:
        self.api, self.ec2 = aws("elbv2"), aws("ec2")
        self.clock, self.driver = clock, driver
        self.vpc = self.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [self._subnet(n, f"us-east-1{zone}") for n, zone in enumerate("ab")]
        self.group = self.security_group("balancer")
        self.arn = ""
        self.targets = ""

    def _subnet(self, number: int, zone: str) -> str:
        answer = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=zone
        )
        return str(answer["Subnet"]["SubnetId"])

    def security_group(self, name: str) -> str:
        answer = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)
        return str(answer["GroupId"])

    def create(self, crosses: bool = True, **settings: Any) -> dict[str, Any]:
        wanted = {"SecurityGroups": [self.group], "Subnets": self.subnets} | settings
        answer = self.api.create_load_balancer(
            Name="head", Type="network", Scheme="internal", **wanted
        )["LoadBalancers"][0]
        self.arn = answer["LoadBalancerArn"]
        self.api.modify_load_balancer_attributes(
            LoadBalancerArn=self.arn,
            Attributes=[
                {"Key": "load_balancing.cross_zone.enabled", "Value": str(crosses).lower()}
            ],
        )
        created: dict[str, Any] = answer
        return created

    def listen(self, delay: int = 0, **check: Any) -> None:
        wanted: dict[str, Any] = {
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPort": str(GUARD),
            "HealthCheckPath": "/leader",
            "HealthCheckIntervalSeconds": 10,
            "HealthCheckTimeoutSeconds": 4,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 3,
        }
        self.targets = self.api.create_target_group(
            Name="gcs", Protocol="TCP", Port=GCS, VpcId=self.vpc, **wanted | check
        )["TargetGroups"][0]["TargetGroupArn"]
        self.attribute("deregistration_delay.timeout_seconds", str(delay))
        self.api.create_listener(
            LoadBalancerArn=self.arn,
            Protocol="TCP",
            Port=GCS,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.targets}],
        )

    def attribute(self, key: str, value: str) -> None:
        self.api.modify_target_group_attributes(
            TargetGroupArn=self.targets, Attributes=[{"Key": key, "Value": value}]
        )

    def launch(self, subnet: int = 0) -> str:
        """Launch an instance, and wait until it runs."""
        answer = self.ec2.run_instances(
            ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=self.subnets[subnet]
        )
        instance_id = str(answer["Instances"][0]["InstanceId"])
        self.clock.advance(10)
        return instance_id

    def leader(self, subnet: int = 0) -> str:
        """Launch an instance whose guard answers that it leads."""
        instance_id = self.launch(subnet)
        self.driver.serve(instance_id, GUARD, "/leader")
        return instance_id

    def register(self, *ids: str) -> None:
        self.api.register_targets(TargetGroupArn=self.targets, Targets=[{"Id": i} for i in ids])

    def deregister(self, *ids: str) -> None:
        self.api.deregister_targets(TargetGroupArn=self.targets, Targets=[{"Id": i} for i in ids])

    def health(self, *ids: str) -> dict[str, dict[str, str]]:
        named = {"Targets": [{"Id": i} for i in ids]} if ids else {}
        found = self.api.describe_target_health(TargetGroupArn=self.targets, **named)
        described = found["TargetHealthDescriptions"]
        return {each["Target"]["Id"]: each["TargetHealth"] for each in described}

    def state(self, instance_id: str) -> str:
        return self.health(instance_id)[instance_id]["State"]

    def described(self) -> dict[str, Any]:
        found = self.api.describe_load_balancers(LoadBalancerArns=[self.arn])
        balancer: dict[str, Any] = found["LoadBalancers"][0]
        return balancer

    @property
    def addresses(self) -> tuple[str, ...]:
        """What the resolver answers for its name."""
        backend = elbv2_backends["123456789012"]["us-east-1"]
        found: tuple[str, ...] = backend.load_balancers[self.arn].addresses
        return found

    def servers(self) -> dict[str, str]:
        """Return the state of each target in the data plane."""
        return {s.name: s.state for p in plan.plans() for f in p.frontends for s in f.servers}


@pytest.fixture
def balancer(aws: Clients, clock: FakeClock, driver: FakeDriver) -> Balancer:
    return Balancer(aws, clock, driver)


@pytest.fixture
def serving(balancer: Balancer) -> tuple[Balancer, str]:
    """A load balancer with one healthy target."""
    balancer.create()
    balancer.listen()
    leader = balancer.leader()
    balancer.register(leader)
    balancer.clock.advance(30)
    assert balancer.state(leader) == "healthy"
    return balancer, leader


@pytest.fixture
def like_aws() -> Iterator[None]:
    behaviour.install(behaviour.LIKE_AWS)
    yield
    behaviour.install(behaviour.KIND)


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
    def test_provisioning_takes_as_long_as_it_is_told_to(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.clock.advance(149)
        assert balancer.described()["State"]["Code"] == "provisioning"
        assert plan.plans() == ()

        balancer.clock.advance(2)

        assert balancer.described()["State"]["Code"] == "active"

    def test_it_has_an_address_in_each_subnet_that_is_nobody_elses(
        self, balancer: Balancer
    ) -> None:
        balancer.create()
        instance = balancer.launch()

        networks = [ip_network("10.77.0.0/24"), ip_network("10.77.1.0/24")]
        pairs = zip(balancer.addresses, networks, strict=True)
        assert all(ip_address(address) in network for address, network in pairs)
        found = balancer.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]
        assert found["Instances"][0]["PrivateIpAddress"] not in balancer.addresses

    def test_its_tags_stay_with_it(self, balancer: Balancer) -> None:
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

    def test_deleting_it_gives_its_addresses_back(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.clock.advance(1)

        balancer.api.delete_load_balancer(LoadBalancerArn=balancer.arn)

        assert balancer.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
        assert plan.plans() == ()

    def test_a_protected_one_is_not_deleted(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.api.modify_load_balancer_attributes(
            LoadBalancerArn=balancer.arn,
            Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}],
        )

        with pytest.raises(ClientError, match="deletion protection"):
            balancer.api.delete_load_balancer(LoadBalancerArn=balancer.arn)

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


class TestHealth:
    def test_a_target_is_healthy_after_as_many_checks_as_the_threshold(
        self, balancer: Balancer
    ) -> None:
        balancer.create()
        balancer.listen()
        leader = balancer.leader()
        balancer.register(leader)

        balancer.clock.advance(5)
        assert balancer.health(leader)[leader] == {
            "State": "initial",
            "Reason": "Elb.InitialHealthChecking",
            "Description": "Initial health checks in progress",
        }
        balancer.clock.advance(10)

        assert balancer.health(leader)[leader] == {"State": "healthy"}

    def test_checks_come_from_the_balancers_address_at_the_targets_interval(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, _ = serving
        balancer.driver.probed.clear()

        balancer.clock.advance(60)

        assert len(balancer.driver.probed) == 6
        assert {(each[0], each[2], each[3]) for each in balancer.driver.probed} == {
            (balancer.addresses[0], GUARD, "/leader")
        }

    def test_a_standby_is_unhealthy(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.listen()
        standby = balancer.launch()
        balancer.driver.serve(standby, GUARD)
        balancer.register(standby)

        balancer.clock.advance(40)

        assert balancer.health(standby)[standby] == {
            "State": "unhealthy",
            "Reason": "Target.FailedHealthChecks",
            "Description": "Health checks failed",
        }

    def test_a_target_is_given_up_after_as_many_failures_as_the_threshold(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        balancer.driver.silence(leader)

        balancer.clock.advance(20)
        assert balancer.state(leader) == "healthy"
        balancer.clock.advance(12)

        assert balancer.state(leader) == "unhealthy"

    def test_one_good_check_between_failures_begins_the_count_anew(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        for _ in range(3):
            balancer.driver.silence(leader)
            balancer.clock.advance(20)
            balancer.driver.serve(leader, GUARD, "/leader")
            balancer.clock.advance(10)

        assert balancer.state(leader) == "healthy"

    def test_a_black_hole_fails_by_the_time_out(self, serving: tuple[Balancer, str]) -> None:
        balancer, leader = serving
        balancer.driver.machines[leader].cut_off = True

        balancer.clock.advance(38)

        assert balancer.state(leader) == "unhealthy"

    def test_a_target_that_recovers_is_healthy_again(self, serving: tuple[Balancer, str]) -> None:
        balancer, leader = serving
        balancer.driver.silence(leader)
        balancer.clock.advance(40)
        balancer.driver.serve(leader, GUARD, "/leader")

        balancer.clock.advance(22)

        assert balancer.state(leader) == "healthy"

    def test_a_tcp_check_asks_for_no_page(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.listen(
            HealthCheckProtocol="TCP", HealthCheckPort="traffic-port", HealthCheckPath="/"
        )
        instance = balancer.launch()
        balancer.driver.serve(instance, GCS)
        balancer.register(instance)

        balancer.clock.advance(20)

        assert balancer.state(instance) == "healthy"
        assert {(each[2], each[3]) for each in balancer.driver.probed} == {(GCS, None)}

    @pytest.mark.usefixtures("like_aws")
    def test_registration_takes_as_long_as_it_is_told_to(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.listen()
        leader = balancer.leader()
        balancer.register(leader)

        balancer.clock.advance(175)
        assert balancer.health(leader)[leader]["Reason"] == "Elb.RegistrationInProgress"
        balancer.clock.advance(30)

        assert balancer.state(leader) == "healthy"

    def test_a_target_group_that_nothing_forwards_to_is_not_in_use(
        self, balancer: Balancer
    ) -> None:
        balancer.targets = balancer.api.create_target_group(
            Name="gcs", Protocol="TCP", Port=GCS, VpcId=balancer.vpc
        )["TargetGroups"][0]["TargetGroupArn"]
        instance = balancer.launch()
        balancer.register(instance)
        balancer.clock.advance(1)

        assert balancer.health(instance)[instance]["Reason"] == "Target.NotInUse"

    def test_a_stopped_target_is_not_used_until_it_runs_again(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        balancer.ec2.stop_instances(InstanceIds=[leader])
        balancer.clock.advance(10)
        assert balancer.health(leader)[leader] == {
            "State": "unused",
            "Reason": "Target.InvalidState",
            "Description": "Target is in the stopped state",
        }

        balancer.ec2.start_instances(InstanceIds=[leader])
        balancer.clock.advance(40)

        assert balancer.state(leader) == "healthy"

    def test_a_terminated_instance_is_a_target_no_longer(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving

        balancer.ec2.terminate_instances(InstanceIds=[leader])
        balancer.clock.advance(1)

        assert balancer.health() == {}

    def test_an_instance_that_does_not_run_is_not_registered(self, balancer: Balancer) -> None:
        balancer.create()
        balancer.listen()
        instance = balancer.launch()
        balancer.ec2.stop_instances(InstanceIds=[instance])
        balancer.clock.advance(10)

        with pytest.raises(ClientError, match="InvalidTarget"):
            balancer.register(instance)

    @pytest.mark.parametrize(
        ("codes", "status", "passes"),
        [
            ("200", 200, True),
            ("200", 204, False),
            ("200-399", 302, True),
            ("200-399", 503, False),
            ("200,202", 202, True),
            ("200,202", 201, False),
        ],
    )
    def test_the_matcher_says_which_codes_pass(self, codes: str, status: int, passes: bool) -> None:
        assert matches(codes, status) is passes


class TestDraining:
    def test_a_healthy_target_drains_for_the_deregistration_delay(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        balancer.attribute("deregistration_delay.timeout_seconds", "60")

        balancer.deregister(leader)
        assert balancer.state(leader) == "draining"
        assert balancer.servers() == {leader: "drain"}
        balancer.clock.advance(61)

        assert balancer.health(leader)[leader]["Reason"] == "Target.NotRegistered"
        assert balancer.servers() == {}

    def test_without_a_delay_it_is_gone_at_once(self, serving: tuple[Balancer, str]) -> None:
        balancer, leader = serving

        balancer.deregister(leader)

        assert balancer.health() == {}

    def test_a_target_that_stops_running_drains_no_more(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        balancer.attribute("deregistration_delay.timeout_seconds", "300")
        balancer.deregister(leader)

        balancer.driver.crash(leader)
        balancer.clock.advance(2)

        assert balancer.health() == {}

    def test_a_target_registered_again_while_it_drains_begins_anew(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        balancer.attribute("deregistration_delay.timeout_seconds", "60")
        balancer.deregister(leader)

        balancer.register(leader)
        balancer.clock.advance(70)

        assert balancer.state(leader) == "healthy"


class TestPlan:
    def test_a_listener_is_served_at_each_address(self, serving: tuple[Balancer, str]) -> None:
        balancer, leader = serving

        (found,) = plan.plans()
        assert found.addresses == balancer.addresses
        assert [(f.address, f.port) for f in found.frontends] == [
            (address, GCS) for address in balancer.addresses
        ]
        ip = balancer.driver.machines[leader].host.private_ip
        for frontend in found.frontends:
            assert frontend.servers == (plan.Server(leader, ip, GCS, "ready"),)

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
            behaviour.install(behaviour.KIND)

    def test_without_crossing_zones_each_address_serves_its_own(self, balancer: Balancer) -> None:
        balancer.create(crosses=False)
        balancer.listen()
        leader = balancer.leader(subnet=1)
        balancer.register(leader)
        balancer.clock.advance(30)

        (found,) = plan.plans()
        served = {f.address: [s.name for s in f.servers] for f in found.frontends}
        assert served == {found.addresses[0]: [], found.addresses[1]: [leader]}
        assert balancer.addresses == found.addresses[1:]

    def test_with_no_zone_healthy_the_name_has_all_addresses(self, balancer: Balancer) -> None:
        balancer.create(crosses=False)
        balancer.listen()
        balancer.clock.advance(10)

        assert len(balancer.addresses) == 2


def test_a_groups_instances_are_registered_in_service_and_deregistered_when_they_go(
    balancer: Balancer, aws: Clients
) -> None:
    balancer.create()
    balancer.listen()
    scaling = aws("autoscaling")
    balancer.ec2.create_launch_template(
        LaunchTemplateName="head", LaunchTemplateData={"ImageId": "ami-1"}
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="heads",
        MinSize=0,
        MaxSize=2,
        DesiredCapacity=1,
        VPCZoneIdentifier=",".join(balancer.subnets),
        LaunchTemplate={"LaunchTemplateName": "head", "Version": "1"},
        TargetGroupARNs=[balancer.targets],
        HealthCheckType="ELB",
        HealthCheckGracePeriod=60,
    )
    balancer.clock.advance(10)
    (first,) = balancer.health()
    balancer.driver.serve(first, GUARD, "/leader")
    balancer.clock.advance(60)
    assert balancer.state(first) == "healthy"

    balancer.driver.silence(first)
    balancer.clock.advance(50)
    (second,) = balancer.health()
    assert second != first
    found = scaling.describe_scaling_activities(AutoScalingGroupName="heads")["Activities"]
    assert any("ELB system health check failure" in activity["Cause"] for activity in found)

    balancer.driver.serve(second, GUARD, "/leader")
    balancer.clock.advance(30)
    balancer.attribute("deregistration_delay.timeout_seconds", "60")
    scaling.set_desired_capacity(AutoScalingGroupName="heads", DesiredCapacity=0)
    balancer.clock.advance(30)
    found = scaling.describe_scaling_activities(AutoScalingGroupName="heads")["Activities"]
    assert found[0]["StatusCode"] == "WaitingForELBConnectionDraining"
    balancer.clock.advance(60)
    assert balancer.health() == {}
