"""Target health by probes: thresholds, reasons, draining; and a group whose members are targets."""

import pytest
from botocore.exceptions import ClientError

from localcloud.patches.elbv2.health import matches
from tests.unit.localcloud.balancers import GCS, GUARD, Balancer
from tests.unit.localcloud.conftest import Clients


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

    def test_a_target_is_unhealthy_after_as_many_failures_as_the_threshold(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        balancer.driver.silence(leader)

        balancer.clock.advance(20)
        assert balancer.state(leader) == "healthy"
        balancer.clock.advance(12)

        assert balancer.state(leader) == "unhealthy"

    def test_one_good_check_between_failures_resets_the_count(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        for _ in range(3):
            balancer.driver.silence(leader)
            balancer.clock.advance(20)
            balancer.driver.serve(leader, GUARD, "/leader")
            balancer.clock.advance(10)

        assert balancer.state(leader) == "healthy"

    def test_a_black_hole_fails_by_the_timeout(self, serving: tuple[Balancer, str]) -> None:
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

    def test_a_tcp_check_sends_no_request(self, balancer: Balancer) -> None:
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
    def test_registration_takes_as_long_as_the_behaviour_says(self, balancer: Balancer) -> None:
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

    def test_a_terminated_instance_is_deregistered(self, serving: tuple[Balancer, str]) -> None:
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

    def test_without_a_delay_it_is_deregistered_at_once(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving

        balancer.deregister(leader)

        assert balancer.health() == {}

    def test_a_target_that_stops_running_stops_draining(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        balancer.attribute("deregistration_delay.timeout_seconds", "300")
        balancer.deregister(leader)

        balancer.driver.crash(leader)
        balancer.clock.advance(2)

        assert balancer.health() == {}

    def test_a_target_registered_again_while_it_drains_starts_over(
        self, serving: tuple[Balancer, str]
    ) -> None:
        balancer, leader = serving
        balancer.attribute("deregistration_delay.timeout_seconds", "60")
        balancer.deregister(leader)

        balancer.register(leader)
        balancer.clock.advance(70)

        assert balancer.state(leader) == "healthy"


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
