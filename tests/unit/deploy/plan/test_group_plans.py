"""The plan of a cluster with several groups: one is added, changed, removed or renamed."""

from dataclasses import replace
from typing import Any

import pytest

from common.errors import Refused
from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.planner import plan_deploy
from deploy.plan.steps import DeleteTemplate, EnsureLaunchTemplate, Plan
from deploy.release.settings import Group
from tests.unit.deploy.builders import (
    NEW,
    UNCHANGED,
    a_desired_state,
    a_group,
    a_release,
    an_image,
    serving,
)

CPU, GPU = a_group(name="cpu", min=2, max=4), a_group(name="gpu", min=3, max=8)


def of(*groups: Group, **environment: Any) -> DesiredState:
    """Return the desired state of a release with these groups; each has its own image."""
    release = a_release()
    return a_desired_state(
        replace(release, settings=replace(release.settings, groups=groups)), **environment
    )


def planned(before: DesiredState, after: DesiredState) -> Plan:
    return plan_deploy(after, serving(before), UNCHANGED)


def kinds(plan: Plan) -> list[str]:
    return [step.kind for step in plan.steps]


def templates(plan: Plan) -> list[str]:
    return [s.what for s in plan.steps if isinstance(s, EnsureLaunchTemplate)]


def test_each_group_has_a_launch_template_of_its_own() -> None:
    plan = plan_deploy(of(CPU, GPU), ClusterState(), NEW)

    assert templates(plan) == [
        "launch template ray-worker-dev.cpu",
        "launch template ray-worker-dev.gpu",
        "launch template ray-head-dev",
    ]
    assert "… wait for 5 workers: cpu 2, gpu 3" in plan.words


def test_several_groups_in_the_desired_state_have_an_empty_plan() -> None:
    assert planned(of(CPU, GPU), of(CPU, GPU)).is_empty


def test_a_group_is_added_in_place() -> None:
    plan = planned(of(CPU), of(CPU, GPU))

    assert plan.strategy == "in place"
    assert templates(plan) == ["launch template ray-worker-dev.gpu"]
    assert kinds(plan) == [
        "release",
        "template",
        "autoscaler",
        "group",
        "update-autoscaler",
        "await-heads",
        "await-endpoint",
        "await-workers",
        "verify",
        "current",
    ]
    assert plan.previous == of(CPU).release


def test_another_image_of_a_group_replaces_its_workers_alone() -> None:
    plan = planned(of(CPU, GPU), of(CPU, replace(GPU, image=an_image("ami-next"))))

    assert plan.strategy == "workers"
    assert templates(plan) == ["launch template ray-worker-dev.gpu"]
    assert "~ replace 3 workers (gpu 3): at most 1 of gpu unavailable at a time, " in "\n".join(
        plan.words
    )


def test_each_group_has_a_share_of_its_own_that_may_be_unavailable() -> None:
    after = [replace(group, image=an_image("ami-next")) for group in (CPU, GPU)]

    plan = planned(of(CPU, GPU), of(*after, rollout={"max_unavailable": "67%"}))

    (line,) = (line for line in plan.words if "replace" in line)
    assert line.startswith(
        "~ replace 5 workers (cpu 2, gpu 3): at most 1 of cpu, 2 of gpu unavailable at a time"
    )


def test_a_removed_group_is_drained_before_the_autoscaler_forgets_it() -> None:
    plan = planned(of(CPU, GPU), of(CPU))

    assert plan.strategy == "workers"
    assert plan.removed == ("gpu",)
    assert kinds(plan) == [
        "release",
        "autoscaler",
        "group",
        "update-autoscaler",
        "await-heads",
        "await-endpoint",
        "await-workers",
        "drain-workers",
        "forget-groups",
        "await-workers",
        "verify",
        "bake-time",
        "delete-template",
        "current",
    ]
    assert "- drain the 3 workers of gpu, whose group is removed: for up to 300 s" in plan.words
    assert "~ autoscaler configuration without gpu" in plan.words
    assert "- launch template ray-worker-dev.gpu: no group has it" in plan.words
    assert any("gpu: none is launched any more" in line for line in plan.words)


def test_a_renamed_group_is_removed_and_added() -> None:
    plan = planned(of(CPU, GPU), of(CPU, replace(GPU, name="big")))

    assert templates(plan) == ["launch template ray-worker-dev.big"]
    assert kinds(plan).index("await-workers") < kinds(plan).index("drain-workers")
    assert "- drain the 3 workers of gpu, whose group is removed: for up to 300 s" in plan.words
    assert plan.removed == ("gpu",)


def test_an_added_group_is_drained_when_its_release_is_rolled_back() -> None:
    state = replace(serving(of(CPU, GPU)), release=of(CPU).release)

    plan = plan_deploy(of(CPU), state, UNCHANGED)

    assert "drain-workers" in kinds(plan)
    assert plan.removed == ("gpu",)


def without_workers(state: ClusterState, group: str) -> ClusterState:
    return replace(state, instances=tuple(i for i in state.instances if i.group != group))


def test_a_group_without_workers_may_have_a_launch_under_way() -> None:
    state = without_workers(serving(of(CPU, GPU)), "gpu")

    plan = plan_deploy(of(CPU), state, UNCHANGED)

    assert (
        "… wait until no worker of gpu is launched any more, whose group is removed" in plan.words
    )
    assert "forget-groups" in kinds(plan)


def test_of_several_removed_groups_the_empty_ones_are_not_drained() -> None:
    both = of(CPU, GPU, replace(GPU, name="big"))

    plan = plan_deploy(of(CPU), without_workers(serving(both), "big"), UNCHANGED)

    assert "- drain the 3 workers of gpu, whose group is removed: for up to 300 s" in plan.words
    assert "~ autoscaler configuration without big and gpu" in plan.words


def test_once_every_head_has_forgotten_a_group_only_its_template_is_left() -> None:
    state = serving(of(CPU))
    left = serving(of(CPU, GPU)).worker_templates

    plan = plan_deploy(of(CPU), replace(state, worker_templates=left), UNCHANGED)

    assert plan.removed == ()
    assert [s.name for s in plan.steps if isinstance(s, DeleteTemplate)] == ["ray-worker-dev.gpu"]
    assert "drain-workers" not in kinds(plan)


def test_a_removal_that_was_stopped_after_the_drain_can_be_rolled_back_still() -> None:
    before, after = serving(of(CPU, GPU)), of(CPU)
    document = after.autoscaler(
        before.foundation,  # type: ignore[arg-type]
        {"cpu": before.worker_templates[0].versions[0]},
        removed=("gpu",),
    )
    state = without_workers(before, "gpu")
    group, lease, uri = state.group, state.lease, document.uri("raykiln-dev-123456789012-us-east-1")
    assert group is not None
    assert lease is not None
    tags = dict(group.settings.tags) | {"raykiln:autoscaler": uri}
    settings = replace(group.settings, tags=tuple(sorted(tags.items())))

    plan = plan_deploy(
        after,
        replace(
            state,
            group=replace(group, settings=settings),
            lease=replace(lease, autoscaler=uri),
            instances=tuple(replace(i, autoscaler=i.autoscaler and uri) for i in state.instances),
            keys=state.keys | {document.key, after.release_document().key},
        ),
        UNCHANGED,
    )

    assert "update-autoscaler" not in kinds(plan)
    assert "forget-groups" in kinds(plan)
    assert plan.previous == of(CPU, GPU).release


def test_a_head_that_has_not_forgotten_a_group_yet_is_told_again() -> None:
    state = serving(of(CPU))
    left = serving(of(CPU, GPU)).worker_templates
    heads = tuple(replace(i, autoscaler="s3://bucket/old.yaml") for i in state.heads)

    plan = plan_deploy(
        of(CPU),
        replace(state, worker_templates=left, instances=(*heads, *state.workers)),
        UNCHANGED,
    )

    assert plan.removed == ("gpu",)


def test_with_another_ray_workers_of_a_removed_group_are_terminated_before_the_new_head_leads() -> (
    None
):
    after = of(CPU)
    head = replace(an_image("ami-next"), ray_version="2.61.0")

    plan = planned(of(CPU, GPU), replace(after, release=replace(after.release, head=head)))

    assert plan.strategy == "replace-all"
    order = kinds(plan)
    assert order.index("hand-over") < order.index("drain-workers") < order.index("await-heads")
    assert order.index("terminate-heads") < order.index("forget-groups")
    assert (
        "- terminate the 3 workers of gpu, whose group is removed: their Ray cannot join the new "
        "head" in plan.words
    )


def test_several_groups_that_are_removed_are_named_together() -> None:
    both = of(CPU, GPU, replace(GPU, name="big"))
    empty = without_workers(without_workers(serving(both), "big"), "gpu")

    drained = "- drain the 3 workers of big and the 3 workers of gpu, whose groups are removed"
    assert f"{drained}: for up to 300 s" in planned(both, of(CPU)).words
    assert (
        "… wait until no worker of big and gpu is launched any more, whose groups are removed"
        in plan_deploy(of(CPU), empty, UNCHANGED).words
    )


def test_workers_that_are_missing_are_named_by_group() -> None:
    plan = plan_deploy(of(CPU, GPU), without_workers(serving(of(CPU, GPU)), "gpu"), UNCHANGED)

    assert plan.words[0] == "… wait for 1 head: 0 of 3 workers of gpu"


def test_a_group_is_launched_in_the_subnets_of_its_zones() -> None:
    foundation = replace(
        serving(of(CPU)).foundation,  # type: ignore[type-var]
        subnet_zones=(("subnet-a", "us-east-1a"), ("subnet-b", "us-east-1b")),
    )
    everywhere, there = of(CPU), of(replace(CPU, zones=("us-east-1b",)))

    assert foundation is not None
    assert everywhere.subnets(foundation, everywhere.groups[0]) == ("subnet-a", "subnet-b")
    assert there.subnets(foundation, there.groups[0]) == ("subnet-b",)


def test_refuses_zones_without_a_subnet() -> None:
    with pytest.raises(Refused, match=r"workers\.cpu\.zones: no private subnet is in us-east-1c"):
        planned(of(CPU), of(replace(CPU, zones=("us-east-1c",))))
