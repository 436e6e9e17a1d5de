"""Auto Scaling groups: states, hooks, replacement, sizes, activities, notifications."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.ec2.models.instances import Instance

from localcloud import behaviour
from localcloud.patches import shortages
from localcloud.patches.autoscaling import metrics
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

SETTLED = 30.0  # seconds in which an instance boots and enters service
NAME = "heads"
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


class Group:
    """One group over two zones, and what a test asks of it."""

    def __init__(self, aws: Clients, clock: FakeClock) -> None:
        self.api, self.ec2, self.clock = aws("autoscaling"), aws("ec2"), clock
        self.vpc = self.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [self._subnet(n, f"us-east-1{zone}") for n, zone in enumerate("ab")]
        answer = self.ec2.create_launch_template(
            LaunchTemplateName="head",
            LaunchTemplateData={"ImageId": "ami-1", "InstanceType": "t3.large"},
        )
        self.template = answer["LaunchTemplate"]["LaunchTemplateId"]

    def _subnet(self, number: int, zone: str) -> str:
        answer = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=zone
        )
        return str(answer["Subnet"]["SubnetId"])

    def create(self, size: int = 1, most: int = 3, least: int = 0, **settings: Any) -> None:
        self.api.create_auto_scaling_group(
            AutoScalingGroupName=NAME,
            MinSize=least,
            MaxSize=most,
            DesiredCapacity=size,
            VPCZoneIdentifier=",".join(self.subnets),
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "1"},
            **settings,
        )

    def hook(self, transition: str = LAUNCHING, **settings: Any) -> None:
        self.api.put_lifecycle_hook(
            LifecycleHookName="ready",
            AutoScalingGroupName=NAME,
            LifecycleTransition=transition,
            **settings,
        )

    def complete(self, result: str = "CONTINUE", **which: str) -> None:
        self.api.complete_lifecycle_action(
            LifecycleHookName="ready",
            AutoScalingGroupName=NAME,
            LifecycleActionResult=result,
            **which,
        )

    def resize(self, size: int) -> None:
        self.api.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=size)

    def update(self, **settings: Any) -> None:
        self.api.update_auto_scaling_group(AutoScalingGroupName=NAME, **settings)

    def described(self) -> dict[str, Any] | None:
        found = self.api.describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])
        return next(iter(found["AutoScalingGroups"]), None)

    @property
    def instances(self) -> list[dict[str, Any]]:
        group = self.described()
        return group["Instances"] if group else []

    @property
    def states(self) -> list[str]:
        return sorted(instance["LifecycleState"] for instance in self.instances)

    @property
    def ids(self) -> list[str]:
        return [instance["InstanceId"] for instance in self.instances]

    def instance(self, instance_id: str) -> dict[str, Any]:
        found = self.ec2.describe_instances(InstanceIds=[instance_id])
        instance: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return instance

    def activities(self, **wanted: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.describe_scaling_activities(
            AutoScalingGroupName=NAME, **wanted
        )["Activities"]
        return found

    def settle(self, seconds: float = SETTLED) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def group(aws: Clients, clock: FakeClock) -> Group:
    return Group(aws, clock)


class TestLaunching:
    def test_an_instance_is_pending_until_it_runs_then_in_service(self, group: Group) -> None:
        group.create()
        group.clock.advance(1)
        assert group.states == ["Pending"]

        group.settle()

        assert group.states == ["InService"]

    def test_instances_are_spread_over_the_zones(self, group: Group) -> None:
        group.create(size=2)
        group.settle()

        zones = {instance["AvailabilityZone"] for instance in group.instances}
        assert zones == {"us-east-1a", "us-east-1b"}

    def test_the_version_that_was_launched_is_reported(self, group: Group) -> None:
        group.create()
        group.settle()
        group.ec2.create_launch_template_version(
            LaunchTemplateId=group.template,
            SourceVersion="1",
            LaunchTemplateData={"ImageId": "ami-2"},
        )
        latest = {"LaunchTemplateId": group.template, "Version": "$Latest"}
        group.update(LaunchTemplate=latest)
        group.resize(2)
        group.settle()

        found = {
            instance["LaunchTemplate"]["Version"]: group.instance(instance["InstanceId"])["ImageId"]
            for instance in group.instances
        }
        assert found == {"1": "ami-1", "2": "ami-2"}

    def test_the_groups_tags_reach_its_instances(self, group: Group) -> None:
        group.create(Tags=[{"Key": "role", "Value": "head", "PropagateAtLaunch": True}])
        tag = {
            "ResourceId": NAME,
            "ResourceType": "auto-scaling-group",
            "Key": "release",
            "Value": "r1",
            "PropagateAtLaunch": True,
        }
        kept = tag | {"Key": "owner", "Value": "ml", "PropagateAtLaunch": False}
        group.api.create_or_update_tags(Tags=[tag, kept])
        group.settle()

        tags = {t["Key"]: t["Value"] for t in group.instance(group.ids[0])["Tags"]}
        assert tags["role"] == "head"
        assert tags["release"] == "r1"
        assert tags["aws:autoscaling:groupName"] == NAME
        assert "owner" not in tags

    def test_without_capacity_in_one_zone_the_other_is_used(self, group: Group) -> None:
        shortages.declare("t3.large", "us-east-1a")

        group.create(size=2)
        group.settle()

        zones = [instance["AvailabilityZone"] for instance in group.instances]
        assert zones == ["us-east-1b", "us-east-1b"]

    def test_without_any_capacity_launches_fail_and_are_tried_less_and_less(
        self, group: Group
    ) -> None:
        shortages.declare()
        group.create()

        group.settle(100)

        activities = group.activities()
        assert [activity["StatusCode"] for activity in activities] == ["Failed"] * 4
        assert "sufficient t3.large capacity" in activities[0]["StatusMessage"]
        times = [activity["StartTime"].timestamp() for activity in reversed(activities)]
        assert [after - before for before, after in pairwise(times)] == [
            10,
            20,
            40,
        ]

    def test_capacity_that_returns_is_used(self, group: Group) -> None:
        shortages.declare()
        group.create()
        group.settle(20)
        shortages.clear()

        group.settle(60)

        assert group.states == ["InService"]

    def test_a_template_that_cannot_launch_says_why(self, group: Group) -> None:
        group.ec2.create_launch_template_version(
            LaunchTemplateId=group.template,
            LaunchTemplateData={"ImageId": "ami-1", "SecurityGroupIds": ["sg-gone"]},
        )
        group.create()
        group.update(LaunchTemplate={"LaunchTemplateId": group.template, "Version": "2"})

        group.settle()

        assert group.activities()[0]["StatusCode"] == "Failed"
        assert "sg-gone" in group.activities()[0]["StatusMessage"]

    def test_an_instance_that_does_not_boot_is_replaced(
        self, group: Group, driver: FakeDriver
    ) -> None:
        driver.boots_fail = True
        group.create()
        group.settle(10)
        driver.boots_fail = False

        group.settle(60)

        assert group.states == ["InService"]
        assert "Cancelled" in [activity["StatusCode"] for activity in group.activities()]


class TestLaunchHooks:
    def test_an_instance_waits_until_it_is_told_to_go_on(self, group: Group) -> None:
        group.create(size=0)
        group.hook()
        group.resize(1)
        group.settle(300)
        assert group.states == ["Pending:Wait"]

        group.complete(InstanceId=group.ids[0])
        group.settle()

        assert group.states == ["InService"]

    def test_a_hook_given_at_creation_holds_the_first_instance(self, group: Group) -> None:
        group.create(
            LifecycleHookSpecificationList=[
                {
                    "LifecycleHookName": "ready",
                    "LifecycleTransition": LAUNCHING,
                    "HeartbeatTimeout": 600,
                    "DefaultResult": "ABANDON",
                }
            ]
        )
        group.settle()

        assert group.states == ["Pending:Wait"]
        hook = group.api.describe_lifecycle_hooks(AutoScalingGroupName=NAME)["LifecycleHooks"][0]
        assert (hook["HeartbeatTimeout"], hook["DefaultResult"]) == (600, "ABANDON")
        assert hook["GlobalTimeout"] == 60000
        assert "NotificationTargetARN" not in hook

    def test_abandoning_ends_the_instance_and_launches_another(self, group: Group) -> None:
        group.create(size=0)
        group.hook()
        group.resize(1)
        group.settle()
        first = group.ids[0]

        group.complete("ABANDON", InstanceId=first)
        group.settle(60)

        assert group.instance(first)["State"]["Name"] == "terminated"
        assert group.states == ["Pending:Wait"]
        assert first not in group.ids
        failed = [a for a in group.activities() if a["StatusCode"] == "Cancelled"]
        assert "was abandoned: Lifecycle Action Completed" in failed[0]["StatusMessage"]

    def test_the_time_out_abandons_by_default(self, group: Group) -> None:
        group.create(size=0)
        group.hook(HeartbeatTimeout=60)
        group.resize(1)
        group.settle()
        first = group.ids[0]

        group.settle(60)

        assert first not in [i["InstanceId"] for i in group.instances if "Pend" in str(i)]
        failed = [a for a in group.activities() if a["StatusCode"] == "Cancelled"]
        assert "was abandoned: Heartbeat Timeout" in failed[0]["StatusMessage"]

    def test_the_time_out_may_continue(self, group: Group) -> None:
        group.create(size=0)
        group.hook(HeartbeatTimeout=60, DefaultResult="CONTINUE")
        group.resize(1)

        group.settle(80)

        assert group.states == ["InService"]

    def test_a_heartbeat_begins_the_time_anew(self, group: Group) -> None:
        group.create(size=0)
        group.hook(HeartbeatTimeout=60)
        group.resize(1)
        group.settle(50)
        first = group.ids

        group.api.record_lifecycle_action_heartbeat(
            LifecycleHookName="ready", AutoScalingGroupName=NAME, InstanceId=first[0]
        )
        group.settle(50)

        assert (group.states, group.ids) == (["Pending:Wait"], first)

    def test_an_action_completes_by_the_token_that_its_target_was_sent(
        self, group: Group, aws: Clients
    ) -> None:
        queue = aws("sqs").create_queue(QueueName="hooks")["QueueUrl"]
        arn = "arn:aws:sqs:us-east-1:123456789012:hooks"
        group.create(size=0)
        group.hook(NotificationTargetARN=arn, RoleARN="arn:aws:iam::123456789012:role/r")
        group.resize(1)
        group.settle()
        message = json.loads(aws("sqs").receive_message(QueueUrl=queue)["Messages"][0]["Body"])
        assert message["EC2InstanceId"] == group.ids[0]

        group.complete(LifecycleActionToken=message["LifecycleActionToken"])
        group.settle()

        assert group.states == ["InService"]

    def test_an_action_completes_once(self, group: Group) -> None:
        group.create(size=0)
        group.hook()
        group.resize(1)
        group.settle()
        instance = group.ids[0]
        group.complete(InstanceId=instance)

        with pytest.raises(ClientError, match="No active Lifecycle Action found"):
            group.complete(InstanceId=instance)

    def test_an_instance_that_dies_while_it_waits_is_replaced(self, group: Group) -> None:
        group.create(size=0)
        group.hook()
        group.resize(1)
        group.settle()
        first = group.ids[0]

        group.ec2.terminate_instances(InstanceIds=[first])
        group.settle(60)

        assert group.states == ["Pending:Wait"]
        assert first not in group.ids


class TestTermination:
    def test_a_terminating_hook_holds_the_instance_until_it_is_complete(self, group: Group) -> None:
        group.create()
        group.hook(TERMINATING)
        group.settle()
        first = group.ids[0]

        group.resize(0)
        group.settle()
        assert group.states == ["Terminating:Wait"]
        assert group.instance(first)["State"]["Name"] == "running"
        group.complete(InstanceId=first)
        group.settle()

        assert group.states == []
        assert group.instance(first)["State"]["Name"] == "terminated"

    def test_abandoning_a_termination_ends_the_instance_all_the_same(self, group: Group) -> None:
        group.create()
        group.hook(TERMINATING)
        group.settle()
        first = group.ids[0]
        group.resize(0)
        group.settle()

        group.complete("ABANDON", InstanceId=first)
        group.settle()

        assert group.instance(first)["State"]["Name"] == "terminated"

    def test_terminating_with_decrement_shrinks_the_group(self, group: Group) -> None:
        group.create(size=2)
        group.settle()
        gone, kept = group.ids

        answer = group.api.terminate_instance_in_auto_scaling_group(
            InstanceId=gone, ShouldDecrementDesiredCapacity=True
        )
        group.settle()

        assert group.ids == [kept]
        assert "shrinking the capacity from 2 to 1" in answer["Activity"]["Cause"]

    def test_terminating_without_decrement_launches_another(self, group: Group) -> None:
        group.create(size=2)
        group.settle()
        gone, kept = group.ids

        group.api.terminate_instance_in_auto_scaling_group(
            InstanceId=gone, ShouldDecrementDesiredCapacity=False
        )
        group.settle()

        assert len(group.ids) == 2
        assert kept in group.ids
        assert gone not in group.ids

    def test_terminating_with_decrement_below_the_minimum_is_refused(self, group: Group) -> None:
        group.create(size=1, least=1)
        group.settle()

        with pytest.raises(ClientError, match="desiredSize equals minSize"):
            group.api.terminate_instance_in_auto_scaling_group(
                InstanceId=group.ids[0], ShouldDecrementDesiredCapacity=True
            )

    def test_scaling_in_spares_protected_instances(self, group: Group) -> None:
        group.create(size=2)
        group.settle()
        first, second = group.ids
        group.api.set_instance_protection(
            InstanceIds=[first], AutoScalingGroupName=NAME, ProtectedFromScaleIn=True
        )

        group.resize(0)
        group.settle()

        assert group.ids == [first]
        assert second not in group.ids

    def test_scaling_in_takes_the_oldest_version_first(self, group: Group) -> None:
        group.create(size=1)
        group.settle()
        old = group.ids[0]
        group.ec2.create_launch_template_version(
            LaunchTemplateId=group.template, SourceVersion="1", LaunchTemplateData={}
        )
        group.update(LaunchTemplate={"LaunchTemplateId": group.template, "Version": "2"})
        group.resize(2)
        group.settle()

        group.resize(1)
        group.settle()

        assert old not in group.ids


class TestHealth:
    @pytest.fixture(params=["terminate_instances", "stop_instances"])
    def lose(self, request: pytest.FixtureRequest, group: Group) -> Callable[[str], None]:
        operation = getattr(group.ec2, request.param)
        return lambda instance_id: operation(InstanceIds=[instance_id])

    def test_an_instance_that_no_longer_runs_is_replaced_whatever_the_grace(
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

    def test_an_instance_said_to_be_unhealthy_is_replaced(self, group: Group) -> None:
        group.create()
        group.settle()
        first = group.ids[0]

        group.api.set_instance_health(InstanceId=first, HealthStatus="Unhealthy")
        group.settle()

        assert group.states == ["InService"]
        assert first not in group.ids
        causes = " ".join(activity["Cause"] for activity in group.activities())
        assert "in response to a user health-check" in causes

    def test_the_grace_period_is_respected_unless_told_otherwise(self, group: Group) -> None:
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

    def test_members_can_be_asked_for_by_instance(self, group: Group) -> None:
        group.create()
        group.settle()

        found = group.api.describe_auto_scaling_instances(InstanceIds=group.ids)

        (member,) = found["AutoScalingInstances"]
        assert member["AutoScalingGroupName"] == NAME
        assert member["LifecycleState"] == "InService"
        assert member["HealthStatus"] == "Healthy"
        assert member["LaunchTemplate"]["Version"] == "1"

    def test_with_awss_delays_a_loss_is_seen_at_the_next_look(self, group: Group) -> None:
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
            behaviour.install(behaviour.KIND)

    def test_an_unknown_instance_has_no_health_to_set(self, group: Group) -> None:
        with pytest.raises(ClientError, match="ValidationError"):
            group.api.set_instance_health(InstanceId="i-0123456789abcdef0", HealthStatus="Healthy")


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "words"), [(4, "above max value 3"), (0, "below min value 1")]
    )
    def test_a_size_out_of_bounds_is_refused(self, group: Group, size: int, words: str) -> None:
        group.create(size=1, least=1, most=3)

        with pytest.raises(ClientError, match=words):
            group.resize(size)

    def test_new_bounds_move_the_desired_capacity_into_them(self, group: Group) -> None:
        group.create(size=2)

        group.update(MinSize=0, MaxSize=1)

        described = group.described()
        assert described is not None
        assert described["DesiredCapacity"] == 1

    def test_an_update_leaves_what_it_does_not_name(self, group: Group) -> None:
        group.create(size=1, HealthCheckGracePeriod=42)

        group.update(DefaultCooldown=7)

        described = group.described()
        assert described is not None
        assert described["HealthCheckGracePeriod"] == 42
        assert described["DefaultCooldown"] == 7
        assert (described["MinSize"], described["MaxSize"], described["DesiredCapacity"]) == (
            0,
            3,
            1,
        )
        assert described["LaunchTemplate"]["Version"] == "1"

    def test_no_grace_period_is_none(self, group: Group) -> None:
        group.create()

        described = group.described()
        assert described is not None
        assert described["HealthCheckGracePeriod"] == 0

    def test_impossible_bounds_are_refused(self, group: Group) -> None:
        with pytest.raises(ClientError, match="must be between the specified min size"):
            group.create(size=5)

    def test_a_second_group_of_the_same_name_is_refused(self, group: Group) -> None:
        group.create()

        with pytest.raises(ClientError, match="AlreadyExists"):
            group.create()

    def test_an_unknown_group_is_an_error_not_a_crash(self, group: Group) -> None:
        with pytest.raises(ClientError, match="AutoScalingGroup name not found"):
            group.resize(1)

    def test_with_launch_suspended_nothing_is_launched(self, group: Group) -> None:
        group.create(size=0)
        group.api.suspend_processes(AutoScalingGroupName=NAME, ScalingProcesses=["Launch"])
        group.resize(1)
        group.settle()
        assert group.states == []

        group.api.resume_processes(AutoScalingGroupName=NAME, ScalingProcesses=["Launch"])
        group.settle()

        assert group.states == ["InService"]


class TestDeletion:
    def test_a_group_with_instances_is_not_deleted_without_force(self, group: Group) -> None:
        group.create()
        group.settle()

        with pytest.raises(ClientError, match="ResourceInUse"):
            group.api.delete_auto_scaling_group(AutoScalingGroupName=NAME)

    def test_a_forced_deletion_waits_for_the_instances_but_not_for_hooks(
        self, group: Group
    ) -> None:
        group.create()
        group.hook(TERMINATING)
        group.settle()
        first = group.ids[0]

        group.api.delete_auto_scaling_group(AutoScalingGroupName=NAME, ForceDelete=True)
        described = group.described()
        assert described is not None
        assert described["Status"] == "Delete in progress"
        group.settle()

        assert group.described() is None
        assert group.instance(first)["State"]["Name"] == "terminated"
        assert group.activities(IncludeDeletedGroups=True)

    def test_an_empty_group_is_gone_at_once(self, group: Group) -> None:
        group.create(size=0)

        group.api.delete_auto_scaling_group(AutoScalingGroupName=NAME)

        assert group.described() is None


class TestMoves:
    def test_standby_is_out_of_service_and_counts_no_more(self, group: Group) -> None:
        group.create(size=2)
        group.settle()
        group.api.enter_standby(
            AutoScalingGroupName=NAME,
            InstanceIds=group.ids[:1],
            ShouldDecrementDesiredCapacity=True,
        )
        group.settle()
        assert group.states == ["InService", "Standby"]

        standby = next(i for i in group.instances if i["LifecycleState"] == "Standby")
        group.api.exit_standby(AutoScalingGroupName=NAME, InstanceIds=[standby["InstanceId"]])
        group.settle()

        assert group.states == ["InService", "InService"]

    def test_a_detached_instance_lives_on_alone(self, group: Group) -> None:
        group.create(size=1)
        group.settle()
        first = group.ids

        group.api.detach_instances(
            AutoScalingGroupName=NAME, InstanceIds=first, ShouldDecrementDesiredCapacity=True
        )
        group.settle()

        assert group.ids == []
        assert group.instance(first[0])["State"]["Name"] == "running"

    def test_an_attached_instance_enters_service(self, group: Group) -> None:
        group.create(size=0)
        alone = group.ec2.run_instances(
            ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=group.subnets[0]
        )["Instances"][0]["InstanceId"]
        group.settle()

        group.api.attach_instances(AutoScalingGroupName=NAME, InstanceIds=[alone])
        group.settle()

        assert (group.ids, group.states) == ([alone], ["InService"])


class TestActivities:
    def test_a_launch_tells_why_and_how_it_ended(self, group: Group) -> None:
        group.create()
        group.settle()

        activity = group.activities()[0]
        assert activity["Description"] == f"Launching a new EC2 instance: {group.ids[0]}"
        assert activity["StatusCode"] == "Successful"
        assert activity["Progress"] == 100
        assert "changing the desired capacity from 0 to 1" in activity["Cause"]
        assert activity["EndTime"] > activity["StartTime"]

    def test_a_launch_in_a_hook_is_mid_lifecycle_action(self, group: Group) -> None:
        group.create(size=0)
        group.hook()
        group.resize(1)
        group.settle()

        activity = group.activities()[0]
        assert activity["StatusCode"] == "MidLifecycleAction"
        assert "EndTime" not in activity

    def test_activities_are_the_newest_first_and_come_in_pages(self, group: Group) -> None:
        group.create(size=3)
        group.settle()
        group.resize(2)
        group.settle()

        pages = group.api.get_paginator("describe_scaling_activities").paginate(
            AutoScalingGroupName=NAME, PaginationConfig={"PageSize": 3}
        )
        found = [activity["Description"] for page in pages for activity in page["Activities"]]
        assert [words.split(" ")[0] for words in found] == ["Terminating", *["Launching"] * 3]


class TestNotifications:
    @pytest.fixture
    def inbox(self, aws: Clients) -> Callable[[], list[dict[str, Any]]]:
        queue = aws("sqs").create_queue(QueueName="inbox")["QueueUrl"]
        topic = aws("sns").create_topic(Name="groups")["TopicArn"]
        aws("sns").subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint="arn:aws:sqs:us-east-1:123456789012:inbox",
            Attributes={"RawMessageDelivery": "true"},
        )

        def read() -> list[dict[str, Any]]:
            found = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            return [json.loads(message["Body"]) for message in found.get("Messages", [])]

        return read

    def test_events_that_a_topic_wants_are_published_to_it(
        self, group: Group, inbox: Callable[[], list[dict[str, Any]]]
    ) -> None:
        group.create(size=0)
        group.api.put_notification_configuration(
            AutoScalingGroupName=NAME,
            TopicARN="arn:aws:sns:us-east-1:123456789012:groups",
            NotificationTypes=[
                "autoscaling:EC2_INSTANCE_LAUNCH",
                "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
            ],
        )
        assert [m["Event"] for m in inbox()] == ["autoscaling:TEST_NOTIFICATION"]

        shortages.declare()
        group.resize(1)
        group.settle(5)
        shortages.clear()
        group.settle(60)
        group.resize(0)
        group.settle()

        events = [message["Event"] for message in inbox()]
        assert events == [
            "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
            "autoscaling:EC2_INSTANCE_LAUNCH",
        ]

    def test_a_configuration_can_be_read_and_deleted(self, group: Group) -> None:
        group.create(size=0)
        topic = "arn:aws:sns:us-east-1:123456789012:groups"
        group.api.put_notification_configuration(
            AutoScalingGroupName=NAME,
            TopicARN=topic,
            NotificationTypes=["autoscaling:EC2_INSTANCE_TERMINATE"],
        )
        assert group.api.describe_notification_configurations(AutoScalingGroupNames=[NAME])[
            "NotificationConfigurations"
        ] == [
            {
                "AutoScalingGroupName": NAME,
                "TopicARN": topic,
                "NotificationType": "autoscaling:EC2_INSTANCE_TERMINATE",
            }
        ]

        group.api.delete_notification_configuration(AutoScalingGroupName=NAME, TopicARN=topic)

        found = group.api.describe_notification_configurations()
        assert found["NotificationConfigurations"] == []


def test_enabling_metrics_without_names_enables_all(group: Group) -> None:
    group.create(size=0)
    group.api.enable_metrics_collection(AutoScalingGroupName=NAME, Granularity="1Minute")

    described = group.described()
    assert described is not None
    assert {metric["Metric"] for metric in described["EnabledMetrics"]} == set(metrics.ALL)

    group.api.disable_metrics_collection(AutoScalingGroupName=NAME)
    described = group.described()
    assert described is not None
    assert described["EnabledMetrics"] == []
