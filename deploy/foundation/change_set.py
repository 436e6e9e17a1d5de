"""The change set: what CloudFormation says would change. Touches AWS."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.errors import Refused
from common.waiting import Clock, Seen, wait_for
from deploy.foundation.desired_stack import DesiredStack
from deploy.foundation.stack import Stack
from deploy.foundation.stack_plan import Action, ResourceChange, StackPlan

PREFIX = "raykiln-"
# CloudFormation's two ways to say that a change set is empty; it calls the change set failed.
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
ACTIONS: dict[tuple[str, str], Action] = {
    ("Add", ""): "add",
    ("Modify", "False"): "change",
    ("Modify", "True"): "replace",
    ("Modify", "Conditional"): "may replace",
    ("Remove", ""): "remove",
}


@dataclass(frozen=True)
class ChangeSet:
    """A change set that is ready to be executed."""

    arn: str
    stack_id: str
    plan: StackPlan


def prepare(
    clients: Clients, desired: DesiredStack, stack: Stack | None, *, clock: Clock
) -> ChangeSet | None:
    """Create the change set, replacing one left by a killed run; None when nothing would change."""
    if stack:
        _remove_leftovers(clients, stack)
    with translated(f"preparing the stack {desired.name}"):
        created = clients("cloudformation").create_change_set(
            StackName=desired.name,
            ChangeSetName=f"{PREFIX}{uuid4().hex}",
            ChangeSetType="UPDATE" if stack else "CREATE",
            TemplateBody=desired.template,
            Parameters=_pairs(desired.parameters, "ParameterKey", "ParameterValue"),
            Tags=_pairs(desired.tags, "Key", "Value"),
            Capabilities=[desired.capability],
        )
    found = _finished(clients, created["Id"], clock=clock)
    if found["Status"] == "FAILED":
        remove(clients, created["Id"])
        if any(words in found.get("StatusReason", "") for words in NOTHING_TO_DO):
            return None
        raise Refused(
            f"CloudFormation refused the stack {desired.name}: {found.get('StatusReason', '')}",
            hint="fix the environment's file or the template",
        )
    # CloudFormation lists them in any order, and a plan is compared with the one before it.
    changes = tuple(
        sorted(
            (_change(entry["ResourceChange"]) for entry in found["Changes"]),
            key=lambda change: change.name,
        )
    )
    plan = StackPlan(desired.name, stack is None, changes, has_other_changes=not changes)
    return ChangeSet(created["Id"], created["StackId"], plan)


def execute(clients: Clients, change_set: ChangeSet) -> None:
    """Execute the change set; CloudFormation rolls a failed creation back by itself."""
    with translated(f"changing the stack {change_set.plan.stack}"):
        clients("cloudformation").execute_change_set(ChangeSetName=change_set.arn)


def remove(clients: Clients, arn: str) -> None:
    """Delete a change set that is not to be executed."""
    with translated("deleting the change set"):
        try:
            clients("cloudformation").delete_change_set(ChangeSetName=arn)
        except ClientError as error:
            if error_code(error) != "ChangeSetNotFound":
                raise


def _remove_leftovers(clients: Clients, stack: Stack) -> None:
    """Delete the change sets that killed runs left."""
    with translated(f"looking for old change sets of {stack.name}"):
        pages = clients("cloudformation").get_paginator("list_change_sets")
        found = [s for page in pages.paginate(StackName=stack.id) for s in page["Summaries"]]
    for summary in found:
        if summary["ChangeSetName"].startswith(PREFIX):
            remove(clients, summary["ChangeSetId"])


def _finished(clients: Clients, arn: str, *, clock: Clock) -> dict[str, Any]:
    """Wait until CloudFormation has created the change set; return it with all its changes."""

    def look() -> Seen[dict[str, Any]]:
        found = _described(clients, arn)
        done = found["Status"] in ("CREATE_COMPLETE", "FAILED")
        return Seen(found if done else None, str(found["Status"]))

    return wait_for("the change set", look, clock=clock, seconds=300)


def _described(clients: Clients, arn: str) -> dict[str, Any]:
    with translated("reading the change set"):
        pages = clients("cloudformation").get_paginator("describe_change_set")
        found: dict[str, Any] = pages.paginate(ChangeSetName=arn).build_full_result()
    return found


def _change(found: dict[str, Any]) -> ResourceChange:
    return ResourceChange(
        action=ACTIONS[found["Action"], found.get("Replacement", "")],
        name=found["LogicalResourceId"],
        type=found["ResourceType"],
        physical_id=found.get("PhysicalResourceId", ""),
        properties=_properties(found),
    )


def _properties(found: dict[str, Any]) -> tuple[str, ...]:
    targets = [detail["Target"] for detail in found.get("Details", [])]
    return tuple(sorted({target.get("Name") or target["Attribute"] for target in targets}))


def _pairs(values: dict[str, str], key: str, value: str) -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in sorted(values.items())]
