"""The plan of a deploy: its steps, their order, and when it is empty."""

import json
from dataclasses import replace
from typing import Any

import pytest

from common.errors import Refused
from deploy.cluster.head_group import Member
from deploy.cluster.state import ClusterState
from deploy.foundation.stack_plan import ResourceChange, StackPlan
from deploy.plan.desired_state import DesiredState
from deploy.plan.planner import plan_deploy
from deploy.plan.steps import (
    EnsureLaunchTemplate,
    HandOver,
    Plan,
    RollWorkers,
    TerminateHeads,
    Verify,
)
from deploy.release.settings import Volume
from tests.unit.deploy.builders import (
    NEW,
    UNCHANGED,
    a_change,
    a_desired_state,
    a_foundation,
    a_group,
    a_release,
    an_image,
    an_instance,
    serving,
)

REDIS = "rediss://master.state.cache.amazonaws.com:6379"
KEEPING = {"instance_type": "m6i.large", "state": "redis", "redis_node_type": "cache.t4g.small"}
GPU = {"resources": {"GPU": 1}, "max_workers": 0, "node_config": {"SubnetIds": ["subnet-a"]}}


def kinds(plan: Plan) -> list[str]:
    return [step.kind for step in plan.steps]


def test_an_initial_deploy_creates_everything_in_the_order_of_dependencies() -> None:
    plan = plan_deploy(a_desired_state(), ClusterState(), NEW)

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


def test_a_person_reads_what_an_initial_deploy_creates() -> None:
    assert plan_deploy(a_desired_state(), ClusterState(), NEW).words == (
        "+ secret /ray/dev/redis_password: generated, never shown",
        "+ stack raykiln-dev: tags or outputs",
        f"+ release {a_release().id}: head ami-head, worker ami-worker",
        "+ launch template ray-worker-dev: ami-worker, version 1",
        "+ autoscaler configuration: 1 to 3 workers of m6i.large",
        "+ launch template ray-head-dev: ami-head, version 1",
        "+ group ray-head-asg-dev: heads: 1",
        "… wait for 1 head: 0 of 1 in service",
        "… wait for ray-head.dev.ray.internal",
        "… wait for 1 worker",
        "… verify the cluster",
        f"~ current release: {a_release().id}",
    )


def test_a_person_reads_what_new_images_change() -> None:
    before, after = a_release(), a_release("ami-next", "ami-new")
    plan = plan_deploy(a_desired_state(after), serving(a_desired_state(before)), UNCHANGED)

    assert plan.words == (
        f"+ release {after.id}: head ami-next, worker ami-new",
        "~ launch template ray-worker-dev: image ami-worker → ami-new",
        "+ autoscaler configuration: 1 to 3 workers of m6i.large",
        "~ launch template ray-head-dev: image ami-head → ami-next",
        "~ group ray-head-asg-dev: known after the steps before it",
        "… wait for the new head to stand by",
        "~ hand the lease over: from i-head0",
        "… wait for 1 head",
        "… wait for ray-head.dev.ray.internal",
        "… wait for 1 worker",
        "… verify the cluster",
        "- head i-head0: not needed any more",
        "~ replace 1 worker: at most 1 unavailable at a time, drained for up to 300 s",
        "… wait for 1 worker",
        "… verify the cluster",
        "… bake time: 300 s without an alarm",
        "~ default version of ray-head-dev, ray-worker-dev",
        f"~ current release: {after.id}",
    )
    assert plan.as_json() | {"steps": []} == {
        "environment": "dev",
        "release": after.id,
        "strategy": "hand-over",
        "previous": before.id,
        "differences": [
            "groups.worker.image.ami_id: ami-worker → ami-new",
            "groups.worker.image.digest: digest of ami-worker → digest of ami-new",
            "head.ami_id: ami-head → ami-next",
            "head.digest: digest of ami-head → digest of ami-next",
        ],
        "steps": [],
    }
    (rolled,) = (step for step in plan.as_json()["steps"] if step["kind"] == "roll-workers")
    assert rolled == {
        "kind": "roll-workers",
        "what": "replace 1 worker",
        "why": "at most 1 unavailable at a time, drained for up to 300 s",
        "sign": "~",
        "at_once": False,
    }


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        ({"lease": None}, "no instance holds the head lease"),
        ({"targets": ()}, "the load balancer does not reach the leader"),
        ({"group": None}, "0 of 1 in service"),
    ],
)
def test_a_person_reads_what_a_cluster_lacks(changes: dict[str, Any], lacking: str) -> None:
    state = replace(serving(a_desired_state()), **changes)

    words = plan_deploy(a_desired_state(), state, UNCHANGED).words

    assert f"… wait for 1 head: {lacking}" in words


def test_workers_are_launched_with_what_their_group_asks_and_the_redis_of_their_cluster() -> None:
    volume = Volume(40, iops=6000, throughput=500, initialization_rate=300)
    group = a_group(volume=volume, capacity_reservation_id="cr-1")
    foundation = replace(a_foundation(), state_address=REDIS)

    content = a_desired_state(head=KEEPING).worker_content(foundation, group)

    assert f"redis: {REDIS}\n" in content.user_data
    assert (content.volume_gib, content.volume_iops, content.volume_throughput) == (40, 6000, 500)
    assert content.volume_initialization_rate == 300
    assert content.capacity_reservation_id == "cr-1"
    assert content.instance_type == ""  # the autoscaler names it at each launch
    assert content.ends_on_shutdown


def test_other_settings_make_another_version_of_a_template() -> None:
    after = a_desired_state(a_release(head_type="m6i.xlarge"))

    (step,) = (
        step
        for step in plan_deploy(after, serving(a_desired_state()), UNCHANGED).steps
        if isinstance(step, EnsureLaunchTemplate)
    )

    assert step.words == (
        "~ launch template ray-head-dev: a version with other settings than 7: a new one, or one "
        "that matches"
    )


def test_a_cluster_in_the_desired_state_has_an_empty_plan() -> None:
    desired = a_desired_state()

    assert plan_deploy(desired, serving(desired), UNCHANGED).is_empty


def test_reuses_a_matching_template_version_that_is_not_the_latest() -> None:
    desired = a_desired_state()
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
def test_a_changed_head_gets_the_lease_before_the_old_head_is_terminated(
    change: dict[str, Any],
) -> None:
    plan = plan_deploy(a_desired_state(a_release(**change)), serving(a_desired_state()), UNCHANGED)

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
        "terminate-heads",
        "bake-time",
        "defaults",
        "current",
    ]


def test_changed_workers_alone_leave_the_head_in_service() -> None:
    plan = plan_deploy(
        a_desired_state(a_release(worker="ami-next")), serving(a_desired_state()), UNCHANGED
    )

    assert plan.strategy == "workers"
    assert kinds(plan) == [
        "release",
        "template",
        "autoscaler",
        "group",
        "update-autoscaler",
        "await-heads",
        "await-endpoint",
        "roll-workers",
        "await-workers",
        "verify",
        "bake-time",
        "defaults",
        "current",
    ]


def test_changed_limits_of_the_autoscaler_replace_no_instance() -> None:
    plan = plan_deploy(
        a_desired_state(a_release(groups=(a_group(max=9),))), serving(a_desired_state()), UNCHANGED
    )

    assert plan.strategy == "in place"
    assert not {"hand-over", "roll-workers", "terminate-heads"} & set(kinds(plan))
    assert "update-autoscaler" in kinds(plan)


def test_another_ray_version_replaces_all_at_once() -> None:
    next_ray = replace(
        a_release(worker="ami-next-worker"),
        head=replace(an_image("ami-next"), ray_version="2.61.0"),
    )

    plan = plan_deploy(a_desired_state(next_ray), serving(a_desired_state()), UNCHANGED)

    assert plan.strategy == "replace-all"
    order = kinds(plan)
    assert order.index("hand-over") < order.index("roll-workers") < order.index("verify")
    assert order.index("verify") < order.index("terminate-heads")
    assert [step.at_once for step in plan.steps if isinstance(step, RollWorkers)] == [True]


def test_a_release_that_was_deployed_halfway_has_its_ray_on_the_head_that_leads() -> None:
    state = replace(serving(a_desired_state()), ray_versions=frozenset({"2.61.0"}))

    plan = plan_deploy(a_desired_state(a_release("ami-next")), state, UNCHANGED)

    assert state.release
    assert state.release.head.ray_version == "2.60.0"
    assert plan.strategy == "replace-all"
    assert [step.workers_stay for step in plan.steps if isinstance(step, HandOver)] == [False]
    (rolled,) = (step for step in plan.steps if isinstance(step, RollWorkers))
    assert (rolled.what, rolled.at_once) == ("replace workers of another version", True)


def test_only_the_last_verification_replaces_late_workers() -> None:
    next_images = a_release("ami-next", "ami-next-worker")

    plan = plan_deploy(a_desired_state(next_images), serving(a_desired_state()), UNCHANGED)

    assert plan.strategy == "hand-over"
    assert [step.workers_stay for step in plan.steps if isinstance(step, HandOver)] == [True]
    assert [step.last for step in plan.steps if isinstance(step, Verify)] == [False, True]


def overriding(**override: Any) -> DesiredState:
    """Return the desired state of a release with an ``autoscaler_file``."""
    return a_desired_state(a_release(autoscaler_override=json.dumps(override)))


def with_types(**types: Any) -> DesiredState:
    return overriding(available_node_types=types)


def test_refuses_to_remove_a_node_type_that_the_autoscaler_may_launch() -> None:
    before = with_types(gpu=GPU | {"max_workers": 1})

    with pytest.raises(Refused) as refused:
        plan_deploy(a_desired_state(), serving(before), UNCHANGED)

    assert refused.value.message == (
        "the autoscaler would lose the node types gpu, and stop scaling while workers of them run"
    )
    assert refused.value.hint == (
        "keep them in autoscaler_file with max_workers: 0, deploy, and remove them when no worker "
        "is left"
    )


def test_a_node_type_of_one_s_own_may_become_a_group() -> None:
    before = with_types(gpu=GPU | {"max_workers": 1})
    after = a_desired_state(a_release(groups=(a_group(), a_group(name="gpu"))))

    assert "update-autoscaler" in kinds(plan_deploy(after, serving(before), UNCHANGED))


def test_refuses_to_remove_a_node_type_while_workers_of_it_run() -> None:
    state = serving(with_types(gpu=GPU))
    worker = replace(an_instance("i-gpu", "worker"), node_type="gpu")
    state = replace(state, instances=(*state.instances, worker))

    with pytest.raises(Refused, match="lose the node types gpu"):
        plan_deploy(a_desired_state(), state, UNCHANGED)


def test_a_node_type_that_launches_nothing_goes_once_no_worker_is_left() -> None:
    plan = plan_deploy(a_desired_state(), serving(with_types(gpu=GPU)), UNCHANGED)

    assert "update-autoscaler" in kinds(plan)


def test_a_release_with_node_types_of_its_own_can_be_served_again() -> None:
    plan = plan_deploy(
        with_types(gpu=GPU | {"max_workers": 1}), serving(with_types(gpu=GPU)), UNCHANGED
    )

    assert "update-autoscaler" in kinds(plan)


@pytest.mark.parametrize("name", ["worker", "head"])
def test_an_override_of_a_type_that_raykiln_makes_can_be_removed(name: str) -> None:
    before = with_types(**{name: {"idle_timeout_s": 30}})

    plan = plan_deploy(a_desired_state(), serving(before), UNCHANGED)

    assert (plan.strategy, plan.previous) == ("in place", before.release)
    assert "update-autoscaler" in kinds(plan)


def test_refuses_a_stored_release_whose_configuration_ray_refuses() -> None:
    with pytest.raises(Refused, match="'max_worker' was unexpected") as refused:
        plan_deploy(overriding(max_worker=5), serving(a_desired_state()), UNCHANGED)

    assert refused.value.message.startswith(
        "Ray 2.60.0 would refuse the autoscaler configuration of release "
    )
    assert refused.value.hint == "choose another release, or correct what autoscaler_file names"


def test_what_is_served_already_is_not_refused_for_its_configuration() -> None:
    desired = overriding(max_worker=5)

    assert plan_deploy(desired, serving(desired), UNCHANGED).is_empty


def test_a_redis_that_does_not_exist_yet_makes_both_templates_known_later() -> None:
    added = ResourceChange("add", "State", "AWS::ElastiCache::ReplicationGroup")

    plan = plan_deploy(
        a_desired_state(head=KEEPING),
        serving(a_desired_state()),
        StackPlan("raykiln-dev", is_new=False, changes=(added,)),
    )

    assert plan.strategy == "hand-over"
    assert kinds(plan)[:2] == ["state-secret", "foundation"]
    assert [step.role for step in plan.steps if isinstance(step, EnsureLaunchTemplate)] == [
        "worker",
        "head",
    ]
    assert "roll-workers" in kinds(plan)


def test_refuses_to_delete_the_redis_of_a_head_in_service() -> None:
    lost = ResourceChange("remove", "State", "AWS::ElastiCache::ReplicationGroup")
    change = StackPlan("raykiln-dev", is_new=False, changes=(lost,))
    unused = a_desired_state(head=KEEPING | {"state": "none"})

    with pytest.raises(Refused, match=f"keep Ray's state in {REDIS}"):
        plan_deploy(
            a_desired_state(), serving(a_desired_state(head=KEEPING), state_address=REDIS), change
        )
    assert kinds(plan_deploy(a_desired_state(), serving(unused, state_address=REDIS), change))


def test_with_launch_after_the_old_head_is_terminated_first() -> None:
    desired = a_desired_state(a_release(head="ami-next"), rollout={"launch": "after"})

    plan = plan_deploy(desired, serving(a_desired_state()), UNCHANGED)

    order = kinds(plan)
    assert order.index("group") < order.index("terminate-heads") < order.index("await-heads")
    assert "hand-over" not in order
    assert "desired" not in plan.words[order.index("group")]


def test_a_plan_names_the_differences_and_the_previous_release() -> None:
    before = a_desired_state()

    plan = plan_deploy(a_desired_state(a_release(head="ami-next")), serving(before), UNCHANGED)

    assert "head.ami_id: ami-head → ami-next" in plan.differences
    assert plan.previous == before.release


def test_where_the_old_head_goes_first_a_standby_is_replaced_before_it_takes_the_lease() -> None:
    def handed_over(head: dict[str, Any]) -> list[str]:
        new = a_desired_state(a_release(head="ami-next"), rollout={"launch": "after"}, head=head)
        steps = plan_deploy(new, serving(a_desired_state(head=head)), UNCHANGED).steps
        over = ("terminate-heads", "await-standby", "hand-over")
        return [step.words for step in steps if step.kind in over]

    assert handed_over({"instance_type": "m6i.large"}) == [
        "- head i-head0: before its successor is launched"
    ]
    assert handed_over({"instance_type": "m6i.large", "standby": 1}) == [
        "- head i-head1: stale standby",
        "… wait for the new head to stand by",
        "~ hand the lease over: from i-head0",
        "- head i-head0: has handed the lease over",
    ]


def test_a_rollback_before_the_hand_over_terminates_the_new_head_and_keeps_the_lease() -> None:
    old = a_desired_state()
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
    (terminated,) = [step for step in plan.steps if isinstance(step, TerminateHeads)]
    assert (terminated.which, terminated.what) == ("stale or surplus", "head i-new")
    assert kinds(plan).index("verify") < kinds(plan).index("terminate-heads")


def test_a_rollout_stopped_after_the_hand_over_continues_from_there() -> None:
    old, new = a_desired_state(), a_desired_state(a_release(head="ami-next"))
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


def test_a_standby_of_the_desired_version_is_not_terminated() -> None:
    old, new = a_desired_state(), a_desired_state(a_release(head="ami-next"))
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


def test_the_number_of_standbys_is_changed_in_place() -> None:
    desired = a_desired_state(head={"instance_type": "m6i.large", "standby": 1})

    plan = plan_deploy(desired, serving(a_desired_state()), UNCHANGED)

    assert kinds(plan) == ["group", "await-heads", "await-endpoint", "await-workers", "verify"]
    assert "desired: 1 → 2" in plan.words[0]


def test_a_surplus_standby_is_terminated_and_never_the_leader() -> None:
    state = serving(a_desired_state(head={"instance_type": "m6i.large", "standby": 1}))

    plan = plan_deploy(a_desired_state(), state, UNCHANGED)

    assert [s.what for s in plan.steps if isinstance(s, TerminateHeads)] == ["head i-head1"]


def test_a_head_never_in_service_is_terminated_for_another_release() -> None:
    state = serving(a_desired_state())
    assert state.group is not None
    waiting = Member("i-head0", "Pending:Wait", 7, healthy=True)

    plan = plan_deploy(
        a_desired_state(a_release(head="ami-next")),
        replace(state, group=replace(state.group, members=(waiting,)), release=None),
        UNCHANGED,
    )

    assert kinds(plan)[-8:] == [
        "group",
        "terminate-heads",
        "await-heads",
        "await-endpoint",
        "await-workers",
        "verify",
        "defaults",
        "current",
    ]


def test_a_head_that_is_terminating_is_ignored() -> None:
    state = serving(a_desired_state())
    assert state.group is not None
    going = Member("i-old", "Terminating", 3, healthy=True)

    plan = plan_deploy(
        a_desired_state(),
        replace(state, group=replace(state.group, members=(*state.group.members, going))),
        UNCHANGED,
    )

    assert plan.is_empty


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"lease": None}, "no instance holds the head lease"),
        ({"targets": ()}, "the load balancer does not reach the leader"),
        ({"instances": ()}, "no instance holds the head lease"),
    ],
)
def test_waits_again_for_a_cluster_that_does_not_serve(
    lacking: dict[str, object], words: str
) -> None:
    plan = plan_deploy(
        a_desired_state(),
        replace(serving(a_desired_state()), **lacking),  # type: ignore[arg-type]
        UNCHANGED,
    )

    assert kinds(plan) == ["await-heads", "await-endpoint", "await-workers", "verify"]
    assert words in plan.words[0]


def test_waits_for_missing_workers() -> None:
    state = serving(a_desired_state())

    plan = plan_deploy(a_desired_state(), replace(state, instances=state.heads), UNCHANGED)

    assert plan.words[0].endswith("0 of 1 workers")


def test_a_deploy_killed_before_its_verification_is_verified() -> None:
    plan = plan_deploy(
        a_desired_state(), replace(serving(a_desired_state()), release=None), UNCHANGED
    )

    assert kinds(plan) == ["await-heads", "await-endpoint", "await-workers", "verify", "current"]


@pytest.mark.parametrize("action", ["add", "change"])
def test_a_foundation_that_keeps_its_outputs_changes_nothing_else(action: str) -> None:
    plan = plan_deploy(a_desired_state(), serving(a_desired_state()), a_change(action))

    assert kinds(plan) == ["foundation", "await-heads", "await-endpoint", "await-workers", "verify"]


@pytest.mark.parametrize("action", ["replace", "may replace"])
def test_a_foundation_whose_outputs_may_change_makes_the_rest_known_later(action: str) -> None:
    plan = plan_deploy(a_desired_state(), serving(a_desired_state()), a_change(action))

    assert "template" in kinds(plan)
    assert "group" in kinds(plan)


def test_a_plan_is_lines_and_json() -> None:
    plan = plan_deploy(a_desired_state(), ClusterState(), NEW)

    assert json.loads(json.dumps(plan.as_json()))["steps"][0]["kind"] == "secret"
    assert all(line[0] in "+~-…" for line in plan.words)


def test_a_worker_of_a_type_or_market_that_its_group_has_no_more_is_stale() -> None:
    state = serving(a_desired_state())
    group = a_group(instance_types=("m6i.large", "m6a.large"))
    (worker,) = state.workers
    content = {"worker": worker.content}

    both = a_desired_state(a_release(groups=(group,)))
    other = a_desired_state(a_release(groups=(a_group(instance_types=("m6a.large",)),)))
    spot = a_desired_state(a_release(groups=(a_group(markets=("spot",)),)))

    assert [d.is_current(worker, content) for d in (both, other, spot)] == [True, False, False]
    assert not both.is_current(worker, {"worker": "another digest"})
