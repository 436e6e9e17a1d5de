"""Lifecycle hooks and termination: waiting, heartbeats, results, which instance goes first."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.groups import LAUNCHING, NAME, TERMINATING, Group


class TestLaunchHooks:
    def test_an_instance_waits_until_its_action_completes(self, group: Group) -> None:
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

    def test_abandoning_terminates_the_instance_and_launches_another(self, group: Group) -> None:
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

    def test_the_timeout_abandons_by_default(self, group: Group) -> None:
        group.create(size=0)
        group.hook(HeartbeatTimeout=60)
        group.resize(1)
        group.settle()
        first = group.ids[0]

        group.settle(60)

        assert first not in [i["InstanceId"] for i in group.instances if "Pend" in str(i)]
        failed = [a for a in group.activities() if a["StatusCode"] == "Cancelled"]
        assert "was abandoned: Heartbeat Timeout" in failed[0]["StatusMessage"]

    def test_the_timeout_may_continue(self, group: Group) -> None:
        group.create(size=0)
        group.hook(HeartbeatTimeout=60, DefaultResult="CONTINUE")
        group.resize(1)

        group.settle(80)

        assert group.states == ["InService"]

    def test_a_heartbeat_restarts_the_timeout(self, group: Group) -> None:
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

    def test_an_action_completes_by_the_token_sent_to_its_target(
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

    def test_an_instance_terminated_while_it_waits_is_replaced(self, group: Group) -> None:
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

    def test_abandoning_a_termination_also_terminates_the_instance(self, group: Group) -> None:
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

    def test_scaling_in_terminates_the_oldest_version_first(self, group: Group) -> None:
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
