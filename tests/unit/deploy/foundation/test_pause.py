"""A pause is one parameter of a stack, and nothing else of it changes."""

from dataclasses import replace
from typing import Any

import pytest

from common.errors import Refused
from deploy.foundation import pause
from deploy.foundation.desired_stack import DesiredStack
from deploy.foundation.pause import refuse_paused, set_paused
from deploy.foundation.stack import Stack
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import a_foundation, an_environment
from tests.unit.deploy.foundation.test_stack import DESCRIBED, STACK
from tests.unit.localcloud.fakes import FakeClock

MISSING = refused("ValidationError", "does not exist")
RUNS = {**DESCRIBED, "Parameters": [{"ParameterKey": "Paused", "ParameterValue": "false"}]}


@pytest.mark.parametrize(("paused", "value"), [(True, "true"), (False, "false")])
def test_a_stack_is_applied_as_it_is_but_for_its_pause(
    monkeypatch: pytest.MonkeyPatch, paused: bool, value: str
) -> None:
    applied: list[Any] = []
    aws: Any = Answers(describe_stacks={"Stacks": [RUNS]}, get_template={"TemplateBody": "text"})
    clock, words = FakeClock(), list[str]()
    said = words.append

    def apply(clients: Any, desired: DesiredStack, **options: Any) -> Stack:
        applied.append((clients, desired, options))
        return STACK

    monkeypatch.setattr(pause, "apply_stack", apply)

    assert set_paused(aws, "raykiln-dev", paused, clock=clock, progress=said) == STACK

    desired = DesiredStack("raykiln-dev", "text", {"Paused": value}, {"team": "ml"})
    assert applied == [(aws, desired, {"clock": clock, "progress": said})]
    assert aws.requests[0] == ("cloudformation:describe_stacks", {"StackName": "raykiln-dev"})


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        (MISSING, "there is no stack raykiln-dev", "is it deployed?"),
        (
            {"Stacks": [{**DESCRIBED, "Parameters": []}]},
            "the stack raykiln-dev was last deployed before there was a pause",
            "deploy once more, then pause",
        ),
    ],
)
def test_a_stack_that_cannot_be_paused_is_named(answer: Any, message: str, hint: str) -> None:
    aws: Any = Answers(describe_stacks=answer)

    with pytest.raises(Refused) as failed:
        set_paused(aws, "raykiln-dev", True, clock=FakeClock())

    assert (failed.value.message, failed.value.hint) == (message, hint)


def test_who_needs_a_cluster_that_is_paused_is_refused() -> None:
    for answer in (MISSING, {"Stacks": [RUNS]}):
        refuse_paused(Answers(describe_stacks=answer), an_environment())  # type: ignore[arg-type]
    aws: Any = Answers(describe_stacks={"Stacks": [DESCRIBED]})

    with pytest.raises(Refused, match="dev is paused"):
        refuse_paused(aws, an_environment())

    assert aws.requests == [("cloudformation:describe_stacks", {"StackName": "raykiln-dev"})]


def test_the_role_of_the_documents_group_is_an_output_of_the_nodes_stack() -> None:
    found = replace(a_foundation(), nodes={"docsXgpuRole": "a-role"})

    assert found.documents_role("docs-gpu") == "a-role"
    assert a_foundation().documents_role("docs-gpu") == ""
