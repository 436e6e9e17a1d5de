"""The plan of a deploy: what is done, in which order, and when nothing is."""

import json
from dataclasses import replace

import pytest

from deploy.errors import Refused
from deploy.head_group import Member
from deploy.plan import plan_deploy
from deploy.release import Release
from deploy.state import ClusterState
from deploy.steps import Plan
from tests.unit.deploy.builders import (
    NEW,
    UNCHANGED,
    a_change,
    a_release,
    a_wanted,
    serving,
)


def kinds(plan: Plan) -> list[str]:
    return [step.kind for step in plan.steps]


def test_from_nothing_everything_is_made_in_the_order_in_which_one_needs_the_other() -> None:
    plan = plan_deploy(a_wanted(), ClusterState(), NEW)

    assert kinds(plan) == [
        "foundation",
        "secret",
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
    wanted = a_wanted()

    assert plan_deploy(wanted, serving(wanted), UNCHANGED).is_empty


def test_a_version_that_says_what_is_wanted_is_used_again_though_it_is_not_the_newest() -> None:
    wanted = a_wanted()
    state = serving(wanted)
    assert state.head_template is not None
    (version,) = state.head_template.versions
    newer = replace(version, number=8, content=replace(version.content, ami_id="ami-other"))

    plan = plan_deploy(
        wanted,
        replace(state, head_template=replace(state.head_template, versions=(newer, version))),
        UNCHANGED,
    )

    assert plan.is_empty


@pytest.mark.parametrize(
    "release",
    [
        a_release(head="ami-next"),
        a_release(worker="ami-next"),
        a_release(workers_max=9),
        a_release(head_type="m6i.xlarge"),
    ],
)
def test_what_would_replace_a_serving_head_is_refused_in_plain_words(release: Release) -> None:
    state = serving(a_wanted())

    with pytest.raises(Refused, match="i-head0 serves another release"):
        plan_deploy(a_wanted(release), state, UNCHANGED)


def test_the_refusal_names_what_differs() -> None:
    with pytest.raises(Refused, match=r"settings\.workers_max: 3 → 9"):
        plan_deploy(a_wanted(a_release(workers_max=9)), serving(a_wanted()), UNCHANGED)


def test_another_number_of_standbys_is_changed_in_place() -> None:
    wanted = a_wanted(head={"instance_type": "m6i.large", "standby": 1})

    plan = plan_deploy(wanted, serving(a_wanted()), UNCHANGED)

    assert kinds(plan) == ["group", "await-heads", "await-endpoint", "await-workers", "verify"]
    assert "desired: 1 → 2" in plan.words[0]


def test_a_head_that_never_served_gives_way_to_another_release() -> None:
    state = serving(a_wanted())
    assert state.group is not None
    waiting = Member("i-head0", "Pending:Wait", 7, healthy=True)

    plan = plan_deploy(
        a_wanted(a_release(head="ami-next")),
        replace(state, group=replace(state.group, members=(waiting,)), release=None),
        UNCHANGED,
    )

    assert kinds(plan)[-7:] == [
        "group",
        "end-head",
        "await-heads",
        "await-endpoint",
        "await-workers",
        "verify",
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

    assert json.loads(json.dumps(plan.as_json()))["steps"][1]["kind"] == "secret"
    assert all(line[0] in "+~-…" for line in plan.words)
