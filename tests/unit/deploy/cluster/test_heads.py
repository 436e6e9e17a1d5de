"""The heads: who leads, who could, and which one an operator means."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from common.errors import PipelineError, Refused
from deploy.cluster.head_group import (
    NO_HOOK,
    GroupSettings,
    HeadGroup,
    Hook,
    Member,
    find_group,
    group_changes,
    has_no_heads,
    unwanted,
)
from deploy.cluster.heads import Heads, find_heads
from deploy.cluster.state import Lease
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import an_environment

NAME = "ray-head-asg-dev"
LEASE = Lease("i-1", "10.0.0.1", 1, 1, released=False)
SETTINGS = GroupSettings("lt-1", 2, 0, 2, 4, ("subnet-a",), (), 300, (), Hook("ready", 300))


def member(name: str, version: int = 2, state: str = "InService", healthy: bool = True) -> Member:
    return Member(name, state, version, healthy)


def a_group(*members: Member, desired: int = 2) -> HeadGroup:
    return HeadGroup(NAME, replace(SETTINGS, desired=desired), members, being_deleted=False)


def heads(group: HeadGroup | None, *running: str, lease: Lease | None = LEASE) -> Heads:
    return Heads("dev", running, lease, group)


def test_the_leader_runs_and_holds_the_lease() -> None:
    both = heads(None, "i-1", "i-2")
    gone = heads(None, "i-2")

    assert (both.leader, both.last_leader, both.require_leader()) == ("i-1", "i-1", "i-1")
    assert (gone.leader, gone.last_leader) == ("", "i-1")
    assert heads(None, "i-1", lease=None).last_leader == ""


@pytest.mark.parametrize(
    ("others", "standby"),
    [
        ([member("i-2")], "i-2"),
        ([member("i-2", version=1)], ""),
        ([member("i-2", healthy=False)], ""),
        ([member("i-2", state="Pending:Wait")], ""),
        ([member("i-9")], ""),
        ([], ""),
    ],
)
def test_a_standby_could_lead_next(others: list[Member], standby: str) -> None:
    assert heads(a_group(member("i-1"), *others), "i-1", "i-2").standby == standby


def test_without_a_group_no_head_stands_by() -> None:
    assert heads(None, "i-1", "i-2").standby == ""


@pytest.mark.parametrize(("running", "words"), [(("i-2", "i-3"), "i-2, i-3"), ((), "none")])
def test_without_a_leader_the_running_heads_are_named(running: tuple[str, ...], words: str) -> None:
    with pytest.raises(PipelineError) as raised:
        heads(a_group(desired=1), *running).require_leader()

    assert raised.value.message == f"dev has no leader; running heads: {words}"
    assert raised.value.hint == "invoke status --env dev; docs/runbooks/no-leader.md"


def test_a_paused_cluster_has_no_leader_and_says_so() -> None:
    paused = heads(a_group(desired=0))

    with pytest.raises(Refused, match=r"^dev is paused: it has no head and no workers"):
        paused.require_leader()


def test_an_operator_means_the_leader_or_a_running_head() -> None:
    both = heads(None, "i-1", "i-2")

    assert (both.select(""), both.select("i-2")) == ("i-1", "i-2")
    with pytest.raises(Refused) as caught:
        both.select("i-9")
    assert caught.value.message == "i-9 is not a running head of dev"
    assert caught.value.hint == "running heads: i-1, i-2"


def test_the_running_heads_are_read_with_the_lease_and_the_group() -> None:
    def instance(name: str, role: str, state: str = "running") -> dict[str, Any]:
        return {
            "InstanceId": name,
            "State": {"Name": state},
            "InstanceType": "m6i.large",
            "ImageId": "ami-1",
            "Placement": {"AvailabilityZone": "us-east-1a"},
            "LaunchTime": datetime(2026, 11, 22, tzinfo=UTC),
            "Tags": [{"Key": "raykiln:role", "Value": role}],
        }

    instances = [
        instance("i-1", "head"),
        instance("i-2", "head", "pending"),
        instance("i-3", "worker"),
    ]
    group = {"MinSize": 0, "DesiredCapacity": 1, "MaxSize": 2}
    aws: Any = Answers(
        describe_instances={"Reservations": [{"Instances": instances}]},
        get_item={},
        describe_auto_scaling_groups={"AutoScalingGroups": [group]},
        describe_lifecycle_hooks={"LifecycleHooks": []},
    )

    found = find_heads(aws, an_environment())

    assert (found.environment, found.running, found.lease) == ("dev", ("i-1",), None)
    assert found.group
    assert found.group.name == NAME


# --- The group -----------------------------------------------------------------------------------


def found(hooks: Any, **group: Any) -> HeadGroup | None:
    given = {"MinSize": 0, "DesiredCapacity": 1, "MaxSize": 2, **group}
    aws: Any = Answers(
        describe_auto_scaling_groups={"AutoScalingGroups": [given]},
        describe_lifecycle_hooks=hooks,
    )
    answer = find_group(aws, NAME, "ready")
    assert aws.requests == [
        ("autoscaling:describe_auto_scaling_groups", {"AutoScalingGroupNames": [NAME]}),
        ("autoscaling:describe_lifecycle_hooks", {"AutoScalingGroupName": NAME}),
    ]
    return answer


HOOK = {
    "LifecycleHookName": "ready",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 600,
    "DefaultResult": "CONTINUE",
}


def test_a_group_is_read_with_its_settings_hook_and_members() -> None:
    assert found(
        {"LifecycleHooks": [HOOK | {"LifecycleHookName": "another"}, HOOK]},
        LaunchTemplate={"LaunchTemplateId": "lt-1", "Version": "7"},
        VPCZoneIdentifier="subnet-b,subnet-a",
        TargetGroupARNs=["arn:2", "arn:1"],
        HealthCheckGracePeriod=300,
        Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}],
        HealthCheckType="ELB",
        NewInstancesProtectedFromScaleIn=True,
        EnabledMetrics=[{"Metric": "GroupDesiredCapacity"}, {"Metric": "GroupInServiceInstances"}],
        SuspendedProcesses=[{"ProcessName": "Terminate"}, {"ProcessName": "AZRebalance"}],
        Status="Delete in progress",
        Instances=[
            {
                "InstanceId": "i-1",
                "LifecycleState": "InService",
                "HealthStatus": "Healthy",
                "LaunchTemplate": {"Version": "6"},
            },
            {"InstanceId": "i-2", "LifecycleState": "Pending", "HealthStatus": "Unhealthy"},
        ],
    ) == HeadGroup(
        name=NAME,
        settings=GroupSettings(
            template_id="lt-1",
            template_version=7,
            min_size=0,
            desired=1,
            max_size=2,
            subnet_ids=("subnet-a", "subnet-b"),
            target_group_arns=("arn:1", "arn:2"),
            grace_seconds=300,
            tags=(("a", "1"), ("b", "2")),
            hook=Hook("ready", 600, "CONTINUE"),
            health_check="ELB",
            metrics=True,
            protected=True,
            suspended=("AZRebalance", "Terminate"),
        ),
        members=(
            Member("i-1", "InService", 6, healthy=True),
            Member("i-2", "Pending", 0, healthy=False),
        ),
        being_deleted=True,
    )


@pytest.mark.parametrize(
    "hooks",
    [
        {"LifecycleHooks": []},
        {
            "LifecycleHooks": [
                HOOK | {"LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
            ]
        },
        refused("ValidationError", "AutoScalingGroup name not found"),
    ],
)
def test_a_group_that_was_made_by_hand_lacks_what_it_does_not_say(hooks: Any) -> None:
    assert found(
        hooks,
        LaunchTemplate={"LaunchTemplateId": "lt-1", "Version": "$Latest"},
        EnabledMetrics=[{"Metric": "GroupDesiredCapacity"}],
    ) == HeadGroup(
        name=NAME,
        settings=GroupSettings(
            template_id="lt-1",
            template_version=0,
            min_size=0,
            desired=1,
            max_size=2,
            subnet_ids=(),
            target_group_arns=(),
            grace_seconds=0,
            tags=(),
            hook=NO_HOOK,
            health_check="",
            metrics=False,
            protected=False,
            suspended=(),
        ),
        members=(),
        being_deleted=False,
    )


def test_without_a_group_there_is_none_to_read() -> None:
    aws: Any = Answers(describe_auto_scaling_groups={"AutoScalingGroups": []})

    assert find_group(aws, NAME, "ready") is None
    assert not has_no_heads(aws, NAME)


@pytest.mark.parametrize(
    ("group", "none"),
    [
        ({"DesiredCapacity": 0}, True),
        ({"DesiredCapacity": 0, "Instances": [{}]}, False),
        ({"DesiredCapacity": 1}, False),
    ],
)
def test_a_group_without_heads_has_none_and_is_to_have_none(
    group: dict[str, Any], none: bool
) -> None:
    aws: Any = Answers(describe_auto_scaling_groups={"AutoScalingGroups": [group]})

    assert has_no_heads(aws, NAME) is none


def test_what_differs_of_a_group_is_named() -> None:
    before = replace(SETTINGS, tags=(("a", "1"), ("former", "x"), ("theirs", "y")))
    after = replace(
        SETTINGS,
        desired=3,
        subnet_ids=("subnet-a", "subnet-b"),
        suspended=(),
        hook=NO_HOOK,
        tags=(("a", "2"),),
        former_tag_keys=("former",),
    )

    assert group_changes(after, before) == (
        "desired: 2 → 3",
        "subnet ids: subnet-a → subnet-a, subnet-b",
        "hook: ready (300 s, then ABANDON) → none",
        "suspended: AZRebalance → none",
        "tag a: 1 → 2",
        "tag former: x → none",
    )
    assert group_changes(SETTINGS, SETTINGS) == ()
    assert group_changes(SETTINGS, None) == ("2 heads",)
    assert group_changes(replace(SETTINGS, desired=1), None) == ("1 head",)


def test_members_that_terminate_do_not_count_and_a_pause_has_none_left() -> None:
    group = a_group(
        member("i-1"), member("i-2", 1, "Terminating:Wait"), member("i-3", 1), desired=0
    )

    assert [one.instance_id for one in group.living] == ["i-1", "i-3"]
    assert [one.instance_id for one in group.fresh(2)] == ["i-1"]
    assert [one.instance_id for one in group.stale(2)] == ["i-3"]
    assert not group.is_paused
    assert a_group(member("i-2", 1, "Terminated"), desired=0).is_paused
    assert not a_group(desired=1).is_paused


@pytest.mark.parametrize(
    ("members", "count", "goes"),
    [
        ([member("i-1", 1), member("i-2", 1, "Pending:Wait")], 1, ["i-2"]),
        ([member("i-1", 1, "Pending:Wait")], 1, ["i-1"]),
        ([member("i-1", 1)], 1, []),
        ([member("i-1", 1), member("i-2", 1)], 1, ["i-2"]),
        ([member("i-1", 1), member("i-4", 1), member("i-3", 3)], 1, ["i-3", "i-4"]),
        ([member("i-1", 2), member("i-3", 3)], 1, []),
    ],
)
def test_heads_that_never_served_go_first_and_those_without_which_there_is_no_room(
    members: list[Member], count: int, goes: list[str]
) -> None:
    assert [one.instance_id for one in unwanted(a_group(*members), count, 2, "i-1")] == goes
