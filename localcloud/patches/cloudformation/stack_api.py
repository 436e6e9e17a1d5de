"""Stacks: created, updated, deleted, described.

Follows the CloudFormation API reference
(docs.aws.amazon.com/AWSCloudFormation/latest/APIReference). An operation only begins here; the
world's steps do the work.
"""

from moto.cloudformation.exceptions import AlreadyExistsException
from moto.core.responses import ActionResult, EmptyResult

from localcloud.patches.cloudformation import changes, operations, views
from localcloud.patches.cloudformation.change_set_api import find_change_set
from localcloud.patches.cloudformation.functions import refuse
from localcloud.patches.cloudformation.requests import (
    Response,
    body_of,
    check_updatable,
    desired_state,
    find_stack,
    keep,
    live,
    new_stack,
    stacks_of,
)
from localcloud.patches.cloudformation.resources import check_types
from localcloud.patches.cloudformation.template import parse


def create_stack(self: Response) -> ActionResult:
    """Begin to create a stack without a change set."""
    name = self._get_param("StackName")
    stack = live(self, name)
    if stack is not None and stack.status != "DELETE_COMPLETE":
        raise AlreadyExistsException(f"Stack [{name}] already exists")
    desired = desired_state(self, None)
    stack = new_stack(self, name)
    stack.capabilities = self._get_param("Capabilities", [])
    stack.protected = bool(self._get_bool_param("EnableTerminationProtection", False))
    keeps = self._get_param("OnFailure") == "DO_NOTHING"
    stack.disable_rollback = keeps or bool(self._get_bool_param("DisableRollback", False))
    changes.changes_of(stack, desired)  # raises on mistakes in the template's expressions
    keep(self, stack)
    operations.begin(stack, operations.create(stack, desired))
    return ActionResult({"StackId": stack.stack_id})


def update_stack(self: Response) -> ActionResult:
    """Begin to update a stack without a change set."""
    stack = find_stack(self)
    check_updatable(stack)
    desired = desired_state(self, stack)
    pending = changes.changes_of(stack, desired)
    same = changes.outputs_of(stack, desired) == changes.outputs_of(stack, stack.desired)
    if not pending and same and desired.tags == stack.desired.tags:
        raise refuse("No updates are to be performed.")
    operations.begin(stack, operations.update(stack, desired))
    return ActionResult({"StackId": stack.stack_id})


def delete_stack(self: Response) -> ActionResult:
    """Begin to delete a stack; one that does not exist is not an error."""
    stack = live(self, self._get_param("StackName"))
    if stack is None or stack.status == "DELETE_COMPLETE":
        return EmptyResult()
    if stack.protected:
        raise refuse(
            f"Stack [{stack.stack_id}] cannot be deleted while TerminationProtection is enabled"
        )
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise refuse(f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
    retain = set(self._get_param("RetainResources", []))
    operations.begin(stack, operations.delete(stack, retain))
    return EmptyResult()


def update_termination_protection(self: Response) -> ActionResult:
    """Set whether the stack may be deleted."""
    stack = find_stack(self)
    stack.protected = bool(self._get_bool_param("EnableTerminationProtection", False))
    return ActionResult({"StackId": stack.stack_id})


def describe_stacks(self: Response) -> ActionResult:
    """Return one stack, or all that are not deleted."""
    if self._get_param("StackName"):
        return ActionResult({"Stacks": [views.stack(find_stack(self))]})
    held = [s for s in stacks_of(self).values() if s.status != "DELETE_COMPLETE"]
    return ActionResult({"Stacks": [views.stack(one) for one in held]})


def list_stacks(self: Response) -> ActionResult:
    """Return summaries, of deleted stacks too, filtered by status."""
    statuses = self._get_param("StackStatusFilter", [])
    held = [s for s in stacks_of(self).values() if not statuses or s.status in statuses]
    return ActionResult({"StackSummaries": [views.summary(one) for one in held]})


def describe_stack_events(self: Response) -> ActionResult:
    """Return a stack's events, newest first."""
    stack = find_stack(self)
    return ActionResult(
        {"StackEvents": [views.event(stack, one) for one in reversed(stack.events)]}
    )


def describe_stack_resources(self: Response) -> ActionResult:
    """Return the resources of a stack, or the one named."""
    stack, name = find_stack(self), self._get_param("LogicalResourceId")
    return ActionResult({"StackResources": views.resources(stack, name)})


def describe_stack_resource(self: Response) -> ActionResult:
    """Return one resource of a stack."""
    stack, name = find_stack(self), self._get_param("LogicalResourceId")
    found = views.resources(stack, name)
    if not found:
        raise refuse(f"Resource {name} does not exist for stack {stack.name}")
    detail = {**found[0], "LastUpdatedTimestamp": found[0]["Timestamp"]}
    return ActionResult({"StackResourceDetail": detail})


def list_stack_resources(self: Response) -> ActionResult:
    """Return summaries of a stack's resources."""
    found = views.resources(find_stack(self), None)
    held = [{**one, "LastUpdatedTimestamp": one["Timestamp"]} for one in found]
    return ActionResult({"StackResourceSummaries": held})


def get_template(self: Response) -> ActionResult:
    """Return the template as it was given."""
    if self._get_param("ChangeSetName"):
        return ActionResult({"TemplateBody": find_change_set(self)[1].desired.body})
    return ActionResult({"TemplateBody": find_stack(self).desired.body})


def validate_template(self: Response) -> ActionResult:
    """Refuse a template that could not be a stack; return its parameters."""
    tree = parse(body_of(self, None))
    check_types(tree)
    return ActionResult(views.template(tree))


def get_template_summary(self: Response) -> ActionResult:
    """Return what a template contains."""
    named = self._get_param("StackName")
    tree = find_stack(self).desired.tree if named else parse(body_of(self, None))
    types = sorted({resource["Type"] for resource in tree["Resources"].values()})
    return ActionResult({**views.template(tree), "ResourceTypes": types})


ACTIONS = (
    create_stack,
    update_stack,
    delete_stack,
    update_termination_protection,
    describe_stacks,
    list_stacks,
    describe_stack_events,
    describe_stack_resources,
    describe_stack_resource,
    list_stack_resources,
    get_template,
    validate_template,
    get_template_summary,
)
