"""A group's unhealthy members: what counts, the grace period, replacement."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError
from moto.ec2.models.instances import Instance

from localcloud import behaviour
from tests.unit.localcloud.fakes import FakeDriver
from tests.unit.localcloud.groups import NAME, Group


class TestHealth:
    @pytest.fixture(params=["terminate_instances", "stop_instances"])
    def lose(self, request: pytest.FixtureRequest, group: Group) -> Callable[[str], None]:
        operation = getattr(group.ec2, request.param)
        return lambda instance_id: operation(InstanceIds=[instance_id])

    def test_an_instance_that_no_longer_runs_is_replaced_even_in_its_grace_period(
        self, group: Group, lose: Callable[[str], None]
    ) -> None:
        group.create(HealthCheckGracePeriod=3600)
        group.settle()
        first = group.ids[0]

        lose(first)
        group.settle()

        assert group.states == ["InService"]
        assert first not in group.ids
        assert group.instance(first)["State"]["Name"] == "terminated"
        causes = " ".join(activity["Cause"] for activity in group.activities())
        assert "EC2 health check indicating it has been terminated or stopped" in causes
        assert "an unhealthy instance needing to be replaced" in causes

    def test_a_crashed_machine_is_replaced(self, group: Group, driver: FakeDriver) -> None:
        group.create()
        group.settle()
        first = group.ids[0]

        driver.crash(first)
        group.settle()

        assert group.states == ["InService"]
        assert first not in group.ids

    def test_an_instance_set_to_unhealthy_is_replaced(self, group: Group) -> None:
        group.create()
        group.settle()
        first = group.ids[0]

        group.api.set_instance_health(InstanceId=first, HealthStatus="Unhealthy")
        group.settle()

        assert group.states == ["InService"]
        assert first not in group.ids
        causes = " ".join(activity["Cause"] for activity in group.activities())
        assert "in response to a user health-check" in causes

    def test_the_grace_period_is_respected_unless_the_call_says_otherwise(
        self, group: Group
    ) -> None:
        group.create(HealthCheckGracePeriod=600)
        group.settle()
        first = group.ids

        group.api.set_instance_health(InstanceId=first[0], HealthStatus="Unhealthy")
        group.settle()
        assert group.ids == first

        group.api.set_instance_health(
            InstanceId=first[0], HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
        )
        group.settle()
        assert group.ids != first

    def test_a_suspended_replacement_leaves_the_unhealthy_instance(self, group: Group) -> None:
        group.create()
        group.settle()
        first = group.ids
        group.api.suspend_processes(
            AutoScalingGroupName=NAME, ScalingProcesses=["ReplaceUnhealthy"]
        )

        group.api.set_instance_health(InstanceId=first[0], HealthStatus="Unhealthy")
        group.settle()

        assert group.ids == first
        assert group.instances[0]["HealthStatus"] == "Unhealthy"

    def test_an_impaired_instance_is_replaced_after_the_grace_period(
        self, group: Group, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        group.create(HealthCheckGracePeriod=60)
        group.settle()
        first = group.ids
        impaired = {"Status": "impaired"}
        monkeypatch.setattr(Instance, "system_status", property(lambda self: impaired))

        group.settle(20)
        assert group.ids == first
        group.settle(40)

        assert first[0] not in group.ids
        causes = " ".join(activity["Cause"] for activity in group.activities())
        assert "an EC2 instance status checks failure" in causes

    def test_members_are_described_by_instance(self, group: Group) -> None:
        group.create()
        group.settle()

        found = group.api.describe_auto_scaling_instances(InstanceIds=group.ids)

        (member,) = found["AutoScalingInstances"]
        assert member["AutoScalingGroupName"] == NAME
        assert member["LifecycleState"] == "InService"
        assert member["HealthStatus"] == "Healthy"
        assert member["LaunchTemplate"]["Version"] == "1"

    def test_with_awss_delays_a_loss_is_noticed_at_the_next_health_check(
        self, group: Group
    ) -> None:
        behaviour.install(behaviour.Behaviour(group_health=60.0))
        try:
            group.create()
            group.settle()
            first = group.ids
            group.ec2.terminate_instances(InstanceIds=first)
            group.settle(20)
            assert group.ids == first
            group.settle(60)
            assert group.ids != first
        finally:
            behaviour.install(behaviour.IDEALIZED)

    def test_the_health_of_an_unknown_instance_cannot_be_set(self, group: Group) -> None:
        with pytest.raises(ClientError, match="ValidationError"):
            group.api.set_instance_health(InstanceId="i-0123456789abcdef0", HealthStatus="Healthy")
