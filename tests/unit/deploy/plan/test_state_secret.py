"""Where the password of a Redis comes from, and when it still is Ray's token."""

from dataclasses import replace
from typing import Any

import pytest

from common.errors import Refused
from deploy.cluster.launch_template import Template
from deploy.cluster.secret import Secret
from deploy.cluster.state import ClusterState
from deploy.plan.state_secret import create_state_secret
from deploy.plan.steps import CreateStateSecret
from node.contract import STATE_SECRET_KEY
from tests.unit.deploy.builders import a_desired_state, serving

TOKEN, PASSWORD = "/ray/dev/redis_password", "/ray/dev/state_password"
MADE = "rediss://master.state.cache.amazonaws.com:6379"
GIVEN = "state.example.com:6379"
OURS = {"state": "redis", "redis_node_type": "cache.t4g.small"}
IDLE = {"redis_node_type": "cache.t4g.small"}
THEIRS = {"state": "redis", "redis": GIVEN}


def source(head: dict[str, str], state: ClusterState) -> str | None:
    """Return whose copy the password will be, "" if it is generated; None without a step."""
    steps = create_state_secret(a_desired_state(head=a_head(head)), state)
    (step,) = steps or (None,)
    if step is None:
        return None
    assert isinstance(step, CreateStateSecret)
    assert step.what == f"secret {PASSWORD}"
    return step.source


def a_head(more: dict[str, str]) -> dict[str, str]:
    return {"instance_type": "m6i.large", **more}


def keeping(head: dict[str, str], **changes: Any) -> ClusterState:
    """Return a cluster in service whose Redis does not have its own secret."""
    made = MADE if "redis_node_type" in head else ""
    state = serving(a_desired_state(head=a_head(head)), state_address=made, **changes)
    return replace(state, state_secret=None)


def from_before(state: ClusterState) -> ClusterState:
    """Have the heads be told as before a Redis had its own password."""
    assert state.head_template
    (version,) = state.head_template.versions
    lines = version.content.user_data.splitlines(keepends=True)
    told = "".join(line for line in lines if STATE_SECRET_KEY not in line)
    assert told != version.content.user_data
    before = replace(version, content=replace(version.content, user_data=told))
    template = Template("lt-head", "ray-head-dev", (before,), before.number)
    return replace(state, head_template=template)


def test_without_a_redis_there_is_no_password() -> None:
    assert source({}, ClusterState()) is None


@pytest.mark.parametrize("head", [OURS, IDLE])
def test_a_redis_that_is_created_gets_one_of_its_own(head: dict[str, str]) -> None:
    assert source(head, ClusterState()) == ""
    assert source(head, serving(a_desired_state())) == ""


def test_an_existing_password_is_not_touched() -> None:
    kept = replace(keeping(OURS), state_secret=Secret(PASSWORD, 3))

    assert source(OURS, kept) is None
    assert source(THEIRS, replace(ClusterState(), state_secret=Secret(PASSWORD, 1))) is None


@pytest.mark.parametrize("head", [OURS, IDLE])
def test_a_redis_that_was_created_with_the_token_keeps_it_as_its_password(
    head: dict[str, str],
) -> None:
    assert source(head, keeping(head)) == TOKEN


def test_a_given_redis_keeps_the_password_that_its_heads_have_used() -> None:
    assert source(THEIRS, from_before(keeping(THEIRS))) == TOKEN


def test_a_password_moves_with_its_name() -> None:
    before = keeping(OURS, state_secret="/ray/dev/former")

    assert source(OURS, before) == "/ray/dev/former"


def test_a_given_redis_whose_password_is_unknown_is_refused() -> None:
    with pytest.raises(Refused, match=f"no secret {PASSWORD} .* the Redis {GIVEN}") as raised:
        source(THEIRS, ClusterState())

    assert "aws ssm put-parameter --cli-input-json file://" in raised.value.hint
    other = from_before(keeping(THEIRS | {"redis": f"{GIVEN}0"}))
    with pytest.raises(Refused, match=GIVEN):
        source(THEIRS, other)


def test_no_password_is_made_up_for_a_redis_whose_own_was_deleted() -> None:
    with pytest.raises(Refused, match=f"no secret {PASSWORD} .* the Redis {MADE}"):
        source(OURS, keeping(OURS, state_secret=PASSWORD))
    with pytest.raises(Refused, match=f"no secret {PASSWORD} .* the Redis {GIVEN}"):
        source(THEIRS, keeping(THEIRS))


def test_a_redis_has_the_token_until_stack_and_heads_have_its_own_secret() -> None:
    assert keeping(OURS).redis_has_token
    assert keeping(IDLE).redis_has_token
    assert from_before(keeping(OURS, state_secret=PASSWORD)).redis_has_token
    assert from_before(keeping(THEIRS)).redis_has_token


def test_a_redis_with_a_secret_of_its_own_has_not() -> None:
    assert not keeping(OURS, state_secret=PASSWORD).redis_has_token
    assert not keeping(IDLE, state_secret=PASSWORD).redis_has_token
    assert not keeping(THEIRS).redis_has_token
    assert not serving(a_desired_state()).redis_has_token
    assert not ClusterState().redis_has_token


def test_heads_that_are_gone_do_not_count() -> None:
    state = from_before(keeping(THEIRS))
    assert state.group

    assert not replace(state, group=replace(state.group, members=())).redis_has_token
