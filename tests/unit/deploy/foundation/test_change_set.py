"""What is asked of CloudFormation for a change, and how its answers are read."""

from typing import Any

import pytest

from common.errors import Denied, Refused, TimedOut
from deploy.foundation import change_set
from deploy.foundation.change_set import ChangeSet, execute, prepare, remove
from deploy.foundation.desired_stack import DesiredStack
from deploy.foundation.stack import Stack
from deploy.foundation.stack_plan import ResourceChange, StackPlan
from tests.unit.answers import Answers, refused
from tests.unit.localcloud.fakes import FakeClock

ARN, STACK = "arn:change-set", "arn:stack"
DESIRED = DesiredStack("raykiln-dev", "body", {"B": "2", "A": "1"}, {"team": "ml"})
CREATED = {"Id": ARN, "StackId": STACK}
EXISTING = Stack(STACK, "raykiln-dev", "CREATE_COMPLETE", "", {}, {}, {})


@pytest.fixture(autouse=True)
def one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def described(clients: Any, arn: str) -> Any:
        return clients("cloudformation").describe_change_set(ChangeSetName=arn)

    monkeypatch.setattr(change_set, "_described", described)


def a_change(action: str, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "ResourceChange": {
            "Action": action,
            "LogicalResourceId": name,
            "ResourceType": "AWS::EC2::VPC",
            **fields,
        }
    }


def complete(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"Status": "CREATE_COMPLETE", "Changes": list(changes)}


def prepared(stack: Stack | None = None, **answers: Any) -> tuple[ChangeSet | None, Any]:
    aws: Any = Answers(create_change_set=CREATED, delete_change_set={}, **answers)
    return prepare(aws, DESIRED, stack, clock=FakeClock()), aws


def test_a_new_stack_is_asked_for_in_full() -> None:
    found, aws = prepared(describe_change_set=complete(a_change("Add", "Vpc")))

    (name, request), described = aws.requests
    assert name == "cloudformation:create_change_set"
    assert request.pop("ChangeSetName").startswith("raykiln-")
    assert request == {
        "StackName": "raykiln-dev",
        "ChangeSetType": "CREATE",
        "TemplateBody": "body",
        "Parameters": [
            {"ParameterKey": "A", "ParameterValue": "1"},
            {"ParameterKey": "B", "ParameterValue": "2"},
        ],
        "Tags": [{"Key": "team", "Value": "ml"}],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    assert described == ("cloudformation:describe_change_set", {"ChangeSetName": ARN})
    change = ResourceChange("add", "Vpc", "AWS::EC2::VPC")
    assert found == ChangeSet(ARN, STACK, StackPlan("raykiln-dev", True, (change,)))


def test_of_an_existing_stack_the_change_sets_of_killed_runs_are_deleted_first() -> None:
    left = [
        {"ChangeSetName": "raykiln-1", "ChangeSetId": "arn:1"},
        {"ChangeSetName": "by-a-person", "ChangeSetId": "arn:2"},
    ]

    found, aws = prepared(
        EXISTING, list_change_sets={"Summaries": left}, describe_change_set=complete()
    )

    assert aws.requests[:2] == [
        ("cloudformation:list_change_sets", {"StackName": STACK}),
        ("cloudformation:delete_change_set", {"ChangeSetName": "arn:1"}),
    ]
    assert aws.requests[2][1]["ChangeSetType"] == "UPDATE"
    assert found
    assert found.plan == StackPlan("raykiln-dev", False, (), has_other_changes=True)


def test_changes_are_read_in_full_and_put_into_order() -> None:
    found, _ = prepared(
        describe_change_set=complete(
            a_change("Remove", "E", PhysicalResourceId="vpc-1"),
            a_change(
                "Modify",
                "D",
                Replacement="True",
                Details=[
                    {"Target": {"Attribute": "Tags"}},
                    {"Target": {"Attribute": "Properties", "Name": "CidrBlock"}},
                    {"Target": {"Attribute": "Properties", "Name": "CidrBlock"}},
                ],
            ),
            a_change("Modify", "C", Replacement="Conditional"),
            a_change("Modify", "B", Replacement="False"),
            a_change("Add", "A"),
        )
    )

    assert found
    kind = "AWS::EC2::VPC"
    assert found.plan.changes == (
        ResourceChange("add", "A", kind),
        ResourceChange("change", "B", kind),
        ResourceChange("may replace", "C", kind),
        ResourceChange("replace", "D", kind, properties=("CidrBlock", "Tags")),
        ResourceChange("remove", "E", kind, physical_id="vpc-1"),
    )


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
def test_a_change_set_that_is_empty_is_deleted_and_is_none(reason: str) -> None:
    found, aws = prepared(describe_change_set={"Status": "FAILED", "StatusReason": reason})

    assert found is None
    assert aws.requests[-1] == ("cloudformation:delete_change_set", {"ChangeSetName": ARN})


@pytest.mark.parametrize(
    ("fields", "words"), [({"StatusReason": "no such type"}, "no such type"), ({}, "")]
)
def test_what_cloudformation_refuses_is_deleted_and_named(
    fields: dict[str, str], words: str
) -> None:
    aws: Any = Answers(
        create_change_set=CREATED,
        describe_change_set={"Status": "FAILED", **fields},
        delete_change_set={},
    )

    with pytest.raises(Refused) as failed:
        prepare(aws, DESIRED, None, clock=FakeClock())

    assert failed.value.message == f"CloudFormation refused the stack raykiln-dev: {words}"
    assert failed.value.hint == "fix the environment's file or the template"
    assert aws.requests[-1] == ("cloudformation:delete_change_set", {"ChangeSetName": ARN})


def test_a_change_set_is_awaited_for_five_minutes() -> None:
    clock = FakeClock()
    began = clock.now()
    creating = {"Status": "CREATE_IN_PROGRESS"}
    aws: Any = Answers(create_change_set=CREATED, describe_change_set=creating)

    with pytest.raises(TimedOut, match=r"the change set.*CREATE_IN_PROGRESS"):
        prepare(aws, DESIRED, None, clock=clock)

    assert 300 <= clock.now() - began <= 302


def test_a_change_set_is_executed_and_deleted_by_its_arn() -> None:
    aws: Any = Answers(execute_change_set={}, delete_change_set=refused("ChangeSetNotFound"))

    execute(aws, ChangeSet(ARN, STACK, StackPlan("raykiln-dev", True, ())))
    remove(aws, ARN)

    assert aws.requests == [
        ("cloudformation:execute_change_set", {"ChangeSetName": ARN}),
        ("cloudformation:delete_change_set", {"ChangeSetName": ARN}),
    ]
    with pytest.raises(Denied, match="deleting the change set: AWS answered AccessDenied"):
        remove(Answers(delete_change_set=refused("AccessDenied")), ARN)  # type: ignore[arg-type]
