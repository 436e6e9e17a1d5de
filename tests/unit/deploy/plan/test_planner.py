"""The plan of a deploy: what is done, in which order, and when nothing is."""

import json
from dataclasses import replace
from typing import Any

import pytest

from common.errors import Refused
from deploy.cluster.head_group import Member
from deploy.cluster.state import ClusterState
from deploy.foundation.stack_plan import ResourceChange, StackPlan
from deploy.plan.planner import plan_deploy
from deploy.plan.steps import Plan, PutTemplate, RollWorkers, TerminateHeads
from deploy.release.release import Release
from tests.unit.deploy.builders import (
    NEW,
    UNCHANGED,
    a_change,
    a_release,
    a_wanted,
    an_instance,
    serving,
)

MADE = "rediss://master.state.cache.amazonaws.com:6379"
KEEPING = {"instance_type": "m6i.large", "state": "redis", "redis_node_type": "cache.t4g.small"}
GPU = {"resources": {"GPU": 1}, "max_workers": 0, "node_config": {"SubnetIds": ["subnet-a"]}}


def kinds(plan: Plan) -> list[str]:
    return [step.kind for step in plan.steps]


def test_from_nothing_everything_is_made_in_the_order_in_which_one_needs_the_other() -> None:
    plan = plan_deploy(a_wanted(), ClusterState(), NEW)

    assert kinds(plan) == [
        "secret",
        "foundation",
        "release",
        "template",
        "autoscaler",
        "template",
        "group",
        "await-heads",
        "await-endpoint",
        "await-workers",
        "verify",
        "current",
    ]
    assert [step.role for step in plan.steps if hasattr(step, "role")] == ["worker", "head"]


def test_a_cluster_that_is_what_is_wanted_needs_nothing() -> None:
    desired = a_wanted()

    assert plan_deploy(desired, serving(desired), UNCHANGED).is_empty


def test_a_version_that_says_what_is_wanted_is_used_again_though_it_is_not_the_newest() -> None:
    desired = a_wanted()
    state = serving(desired)
    assert state.head_template is not None
    (version,) = state.head_template.versions
    newer = replace(version, number=8, content=replace(version.content, ami_id="ami-other"))

    plan = plan_deploy(
        desired,
        replace(state, head_template=replace(state.head_template, versions=(newer, version))),
        UNCHANGED,
    )

    assert plan.is_empty


@pytest.mark.parametrize("change", [{"head": "ami-next"}, {"head_type": "m6i.xlarge"}])
def test_what_changes_the_head_is_handed_over_before_the_old_one_ends(
    change: dict[str, Any],
) -> None:
    plan = plan_deploy(a_wanted(a_release(**change)), serving(a_wanted()), UNCHANGED)

    assert plan.strategy == "hand-over"
    assert kinds(plan) == [
        "release",
        "template",
        "group",
        "await-standby",
        "hand-over",
        "await-heads",
        "await-endpoint",
        "await-workers",
        "verify",
        "end-heads",
        "watch-alarms",
        "defaults",
        "current",
    ]


def test_what_changes_the_workers_alone_leaves_the_head_where_it_is() -> None:
    plan = plan_deploy(a_wanted(a_release(worker="ami-next")), serving(a_wanted()), UNCHANGED)

    assert plan.strategy == "workers"
    assert kinds(plan) == [
        "release",
        "template",
        "autoscaler",
        "group",
        "follow-autoscaler",
        "await-heads",
        "await-endpoint",
        "roll-workers",
        "await-workers",
        "verify",
        "watch-alarms",
        "defaults",
        "current",
    ]


def test_other_limits_of_the_autoscaler_replace_nothing() -> None:
    plan = plan_deploy(a_wanted(a_release(workers_max=9)), serving(a_wanted()), UNCHANGED)

    assert plan.strategy == "in place"
    assert not {"hand-over", "roll-workers", "end-heads"} & set(kinds(plan))
    assert "follow-autoscaler" in kinds(plan)


def test_another_ray_takes_the_whole_cluster_along_in_one_go() -> None:
    next_ray = Release(
        replace(a_release().head, ami_id="ami-next", ray_version="2.61.0"),
        replace(a_release().worker, ami_id="ami-next-worker", ray_version="2.61.0"),
        a_release().settings,
    )

    plan = plan_deploy(a_wanted(next_ray), serving(a_wanted()), UNCHANGED)

    assert plan.strategy == "whole cluster"
    order = kinds(plan)
    assert order.index("hand-over") < order.index("roll-workers") < order.index("verify")
    assert order.index("verify") < order.index("end-heads")
    assert [step.at_once for step in plan.steps if isinstance(step, RollWorkers)] == [True]


def test_a_node_type_does_not_vanish_under_its_workers() -> None:
    with_gpu = a_release(autoscaler_override=json.dumps({"available_node_types": {"gpu": GPU}}))

    with pytest.raises(Refused, match="lose the node types gpu"):
        plan_deploy(a_wanted(a_release()), serving(a_wanted(with_gpu)), UNCHANGED)


def test_what_a_redis_is_to_be_told_of_is_known_only_once_it_is_made() -> None:
    added = ResourceChange("add", "State", "AWS::ElastiCache::ReplicationGroup")

    plan = plan_deploy(
        a_wanted(head=KEEPING),
        serving(a_wanted()),
        StackPlan("raykiln-dev", is_new=False, changes=(added,)),
    )

    assert plan.strategy == "hand-over"
    assert kinds(plan)[0] == "foundation"
    assert [step.role for step in plan.steps if isinstance(step, PutTemplate)] == ["worker", "head"]
    assert "roll-workers" in kinds(plan)


def test_a_redis_is_not_taken_from_under_a_head_that_serves() -> None:
    lost = ResourceChange("remove", "State", "AWS::ElastiCache::ReplicationGroup")
    change = StackPlan("raykiln-dev", is_new=False, changes=(lost,))
    unused = a_wanted(head=KEEPING | {"state": "none"})

    with pytest.raises(Refused, match=f"keep Ray's state in {MADE}"):
        plan_deploy(a_wanted(), serving(a_wanted(head=KEEPING), state_address=MADE), change)
    assert kinds(plan_deploy(a_wanted(), serving(unused, state_address=MADE), change))


def test_where_capacity_is_scarce_the_old_head_ends_first() -> None:
    desired = a_wanted(a_release(head="ami-next"), rollout={"launch": "after"})

    plan = plan_deploy(desired, serving(a_wanted()), UNCHANGED)

    order = kinds(plan)
    assert order.index("group") < order.index("end-heads") < order.index("await-heads")
    assert "hand-over" not in order
    assert "desired" not in plan.words[order.index("group")]


def test_a_plan_names_what_differs_and_what_it_would_go_back_to() -> None:
    before = a_wanted()

    plan = plan_deploy(a_wanted(a_release(head="ami-next")), serving(before), UNCHANGED)

    assert "head.ami_id: ami-head → ami-next" in plan.differences
    assert plan.previous == before.release


def test_going_back_before_the_hand_over_ends_the_new_head_and_moves_no_lease() -> None:
    old = a_wanted()
    state = serving(old)
    assert state.group is not None
    newcomer = Member("i-new", "InService", 8, healthy=True)
    group = replace(
        state.group,
        members=(*state.group.members, newcomer),
        settings=replace(state.group.settings, template_version=8, desired=2),
    )

    plan = plan_deploy(old, replace(state, group=group), UNCHANGED)

    assert "hand-over" not in kinds(plan)
    (ended,) = [step for step in plan.steps if isinstance(step, TerminateHeads)]
    assert (ended.which, ended.what) == ("retired", "head i-new")
    assert kinds(plan).index("verify") < kinds(plan).index("end-heads")


def test_a_roll_that_was_stopped_after_the_hand_over_goes_on_from_there() -> None:
    old, new = a_wanted(), a_wanted(a_release(head="ami-next"))
    state = serving(new)
    assert state.group is not None
    left = Member("i-old", "InService", 3, healthy=True)
    group = replace(
        state.group,
        members=(left, *state.group.members),
        settings=replace(state.group.settings, desired=2),
    )

    plan = plan_deploy(new, replace(state, group=group, release=old.release), UNCHANGED)

    assert "group" not in kinds(plan)
    assert [s.what for s in plan.steps if isinstance(s, TerminateHeads)] == ["head i-old"]
    assert kinds(plan)[-1] == "current"


def test_the_standby_that_is_to_lead_is_not_named_among_those_that_go() -> None:
    old, new = a_wanted(), a_wanted(a_release(head="ami-next"))
    state = serving(new)
    assert state.group is not None
    assert state.lease is not None
    leading = Member("i-old", "InService", 3, healthy=True)

    plan = plan_deploy(
        new,
        replace(
            state,
            group=replace(state.group, members=(leading, *state.group.members)),
            instances=(an_instance("i-old", "head"), *state.instances),
            lease=replace(state.lease, holder="i-old"),
            release=old.release,
        ),
        UNCHANGED,
    )

    assert "hand-over" in kinds(plan)
    assert [s.what for s in plan.steps if isinstance(s, TerminateHeads)] == ["head i-old"]


def test_another_number_of_standbys_is_changed_in_place() -> None:
    desired = a_wanted(head={"instance_type": "m6i.large", "standby": 1})

    plan = plan_deploy(desired, serving(a_wanted()), UNCHANGED)

    assert kinds(plan) == ["group", "await-heads", "await-endpoint", "await-workers", "verify"]
    assert "desired: 1 → 2" in plan.words[0]


def test_a_standby_that_is_not_wanted_any_more_ends_and_never_the_leader() -> None:
    state = serving(a_wanted(head={"instance_type": "m6i.large", "standby": 1}))

    plan = plan_deploy(a_wanted(), state, UNCHANGED)

    assert [s.what for s in plan.steps if isinstance(s, TerminateHeads)] == ["head i-head1"]


def test_a_head_that_never_served_gives_way_to_another_release() -> None:
    state = serving(a_wanted())
    assert state.group is not None
    waiting = Member("i-head0", "Pending:Wait", 7, healthy=True)

    plan = plan_deploy(
        a_wanted(a_release(head="ami-next")),
        replace(state, group=replace(state.group, members=(waiting,)), release=None),
        UNCHANGED,
    )

    assert kinds(plan)[-8:] == [
        "group",
        "end-heads",
        "await-heads",
        "await-endpoint",
        "await-workers",
        "verify",
        "defaults",
        "current",
    ]


def test_a_head_that_is_on_its_way_out_is_left_alone() -> None:
    state = serving(a_wanted())
    assert state.group is not None
    going = Member("i-old", "Terminating", 3, healthy=True)

    plan = plan_deploy(
        a_wanted(),
        replace(state, group=replace(state.group, members=(*state.group.members, going))),
        UNCHANGED,
    )

    assert plan.is_empty


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"lease": None}, "nobody leads"),
        ({"targets": ()}, "the load balancer does not reach the leader"),
        ({"instances": ()}, "nobody leads"),
    ],
)
def test_a_cluster_that_does_not_serve_is_waited_for_again(
    lacking: dict[str, object], words: str
) -> None:
    plan = plan_deploy(
        a_wanted(),
        replace(serving(a_wanted()), **lacking),  # type: ignore[arg-type]
        UNCHANGED,
    )

    assert kinds(plan) == ["await-heads", "await-endpoint", "await-workers", "verify"]
    assert words in plan.words[0]


def test_missing_workers_are_waited_for() -> None:
    state = serving(a_wanted())

    plan = plan_deploy(a_wanted(), replace(state, instances=state.heads), UNCHANGED)

    assert plan.words[0].endswith("0 of 1 workers")


def test_a_deploy_that_was_killed_before_it_was_verified_is_verified() -> None:
    plan = plan_deploy(a_wanted(), replace(serving(a_wanted()), release=None), UNCHANGED)

    assert kinds(plan) == ["await-heads", "await-endpoint", "await-workers", "verify", "current"]


@pytest.mark.parametrize("action", ["add", "change"])
def test_a_foundation_that_keeps_what_it_gives_leaves_the_rest_alone(action: str) -> None:
    plan = plan_deploy(a_wanted(), serving(a_wanted()), a_change(action))

    assert kinds(plan) == ["foundation", "await-heads", "await-endpoint", "await-workers", "verify"]


@pytest.mark.parametrize("action", ["replace", "may replace"])
def test_a_foundation_that_may_give_something_else_makes_the_rest_look_again(action: str) -> None:
    plan = plan_deploy(a_wanted(), serving(a_wanted()), a_change(action))

    assert "template" in kinds(plan)
    assert "group" in kinds(plan)


def test_a_plan_is_words_and_plain_data() -> None:
    plan = plan_deploy(a_wanted(), ClusterState(), NEW)

    assert json.loads(json.dumps(plan.as_json()))["steps"][0]["kind"] == "secret"
    assert all(line[0] in "+~-…" for line in plan.words)
