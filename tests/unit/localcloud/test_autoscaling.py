"""Auto Scaling groups: launching, sizes, deletion, moves, activities."""

from itertools import pairwise
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from localcloud.patches import shortages
from localcloud.patches.autoscaling import metrics
from tests.unit.localcloud.fakes import FakeDriver
from tests.unit.localcloud.groups import NAME, TERMINATING, Group


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

    def test_without_capacity_launches_fail_and_are_retried_with_a_backoff(
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

    def test_another_process_may_declare_a_shortage_in_a_file(
        self, group: Group, tmp_path: Path
    ) -> None:
        short = tmp_path / "shortages"
        shortages.follow(short)
        short.write_text("t3.* us-east-1a\nt3.* us-east-1b\n")
        group.create()
        group.settle(20)
        assert group.states == []
        short.unlink()

        group.settle(60)

        assert group.states == ["InService"]

    def test_launches_resume_when_there_is_capacity_again(self, group: Group) -> None:
        shortages.declare()
        group.create()
        group.settle(20)
        shortages.clear()

        group.settle(60)

        assert group.states == ["InService"]

    def test_a_failed_launch_reports_the_error(self, group: Group) -> None:
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

    def test_an_update_keeps_unnamed_settings(self, group: Group) -> None:
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

    def test_a_grace_period_that_is_not_given_is_zero(self, group: Group) -> None:
        group.create()

        described = group.described()
        assert described is not None
        assert described["HealthCheckGracePeriod"] == 0

    def test_impossible_bounds_are_refused(self, group: Group) -> None:
        with pytest.raises(ClientError, match="must be between the specified min size"):
            group.create(size=5)

    def test_unsupported_parameters_are_refused(self, group: Group) -> None:
        with pytest.raises(ClientError, match="does not support MaxInstanceLifetime"):
            group.create(MaxInstanceLifetime=86400)

        assert group.described() is None

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

    def test_an_empty_group_is_deleted_at_once(self, group: Group) -> None:
        group.create(size=0)

        group.api.delete_auto_scaling_group(AutoScalingGroupName=NAME)

        assert group.described() is None


class TestMoves:
    def test_standby_is_out_of_service_and_not_counted(self, group: Group) -> None:
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

    def test_a_detached_instance_keeps_running(self, group: Group) -> None:
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
    def test_a_launch_has_a_cause_and_an_end(self, group: Group) -> None:
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

    def test_activities_come_newest_first_and_in_pages(self, group: Group) -> None:
        group.create(size=3)
        group.settle()
        group.resize(2)
        group.settle()

        pages = group.api.get_paginator("describe_scaling_activities").paginate(
            AutoScalingGroupName=NAME, PaginationConfig={"PageSize": 3}
        )
        found = [activity["Description"] for page in pages for activity in page["Activities"]]
        assert [words.split(" ")[0] for words in found] == ["Terminating", *["Launching"] * 3]

    def test_a_page_may_have_fewer_activities_than_were_asked_for(self, group: Group) -> None:
        group.create(size=3)
        group.settle()

        first = group.api.describe_scaling_activities(AutoScalingGroupName=NAME, MaxRecords=4)
        second = group.api.describe_scaling_activities(
            AutoScalingGroupName=NAME, MaxRecords=4, NextToken=first["NextToken"]
        )

        assert (len(first["Activities"]), len(second["Activities"])) == (2, 1)
        assert "NextToken" not in second


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
