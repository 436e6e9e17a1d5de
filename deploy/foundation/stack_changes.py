"""Plan, apply and remove a stack. Touches AWS (CloudFormation).

Every run first handles what a killed run left: it waits for an operation in progress, deletes a
stack that was never created in full, and replaces our change set. A plan leaves nothing behind.
"""

import json
from collections.abc import Callable

from common.clients import Clients, translated
from common.errors import PipelineError, Refused
from common.progress import Say, say_nothing
from common.waiting import Clock
from deploy.foundation import change_set
from deploy.foundation.change_set import ChangeSet
from deploy.foundation.desired_stack import DesiredStack
from deploy.foundation.stack import Stack, find_stack
from deploy.foundation.stack_plan import StackPlan
from deploy.foundation.stack_progress import (
    EventFollower,
    is_settled,
    stack_failure,
    wait_until_settled,
)

# The creation failed, was rolled back, or never started: no update is possible.
NEVER_CREATED = frozenset(
    {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}
)
DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


def plan_stack(clients: Clients, desired: DesiredStack, *, clock: Clock) -> StackPlan:
    """Return what applying would change; takes two calls when nothing would."""
    prepared = _prepared(clients, desired, clock=clock)
    if isinstance(prepared, Stack):
        return StackPlan(desired.name, is_new=False, changes=())
    _discard(clients, prepared, clock=clock)
    return prepared.plan


def apply_stack(
    clients: Clients,
    desired: DesiredStack,
    *,
    clock: Clock,
    progress: Say = say_nothing,
    refuse: Callable[[StackPlan], None] = lambda plan: None,
) -> Stack:
    """Bring the stack to its desired state.

    ``refuse`` may raise Refused when it sees what would change. Raises PipelineError, naming
    resource and reason, when it failed.
    """
    prepared = _prepared(clients, desired, clock=clock)
    if isinstance(prepared, Stack):
        return prepared
    try:
        refuse(prepared.plan)
    except Refused:
        _discard(clients, prepared, clock=clock)
        raise
    return _executed(clients, prepared, clock=clock, progress=progress)


def remove_stack(clients: Clients, name: str, *, clock: Clock, progress: Say = say_nothing) -> bool:
    """Delete the stack with all its resources; say whether there was one.

    Raises PipelineError naming what could not be deleted.
    """
    stack = find_stack(clients, name)
    if stack is None:
        return False
    if left := _settled(clients, stack, clock=clock, progress=progress):
        _delete(clients, left, clock=clock, progress=progress)
    return True


def settled_stack(
    clients: Clients, name: str, *, clock: Clock, progress: Say = say_nothing
) -> Stack | None:
    """Return the stack once no operation is in progress; None when there is none, or no more."""
    stack = find_stack(clients, name)
    return _settled(clients, stack, clock=clock, progress=progress) if stack else None


def _settled(clients: Clients, stack: Stack, *, clock: Clock, progress: Say) -> Stack | None:
    """Return the stack once no operation is in progress; None when it was deleted meanwhile."""
    if not stack.in_progress:
        return stack
    follower = EventFollower.from_now(clients, stack.id, progress)
    return wait_until_settled(follower, f"the stack {stack.name}", clock=clock)


def usable_stack(clients: Clients, name: str, *, clock: Clock) -> Stack | None:
    """Return the stack once it can be updated; None when it has to be created.

    Deletes one whose creation failed. Raises PipelineError for one that a person must repair.
    """
    stack = settled_stack(clients, name, clock=clock)
    if stack and stack.status in NEVER_CREATED:
        _delete(clients, stack, clock=clock, progress=say_nothing)
        return None
    if stack and not stack.is_usable:
        follower = EventFollower(clients, stack.id, say_nothing)
        follower.look()
        raise stack_failure(stack, follower)
    return stack


def _prepared(clients: Clients, desired: DesiredStack, *, clock: Clock) -> Stack | ChangeSet:
    """Return the stack when it is up to date, or the change set that would bring it there."""
    stack = usable_stack(clients, desired.name, clock=clock)
    if stack:
        desired = desired.beside(stack.parameters, stack.tags)
    if stack and is_up_to_date(clients, stack, desired):
        return stack
    try:
        prepared = change_set.prepare(clients, desired, stack, clock=clock)
    except PipelineError:
        if stack is None and (empty := find_stack(clients, desired.name)):
            _delete(clients, empty, clock=clock, progress=say_nothing)
        raise
    found = prepared or stack
    if found is None:
        raise PipelineError(f"CloudFormation finds nothing in the new stack {desired.name}")
    return found


def is_up_to_date(clients: Clients, stack: Stack, desired: DesiredStack) -> bool:
    """Say whether template, parameters and tags are those last applied: no change set is needed."""
    if stack.status not in DONE:
        return False
    if stack.parameters != desired.parameters or stack.tags != desired.tags:
        return False
    return applied_stack(clients, stack).template == desired.template


def applied_stack(clients: Clients, stack: Stack) -> DesiredStack:
    """Return what was last applied to a stack: its template, parameters and tags."""
    with translated(f"reading the template of {stack.name}"):
        found = clients("cloudformation").get_template(StackName=stack.id, TemplateStage="Original")
    body = found["TemplateBody"]
    if not isinstance(body, str):  # botocore parses a template in JSON
        body = json.dumps(body, separators=(",", ":"))
    return DesiredStack(stack.name, body, stack.parameters, stack.tags)


def _executed(clients: Clients, prepared: ChangeSet, *, clock: Clock, progress: Say) -> Stack:
    follower = EventFollower.from_now(clients, prepared.stack_id, progress)
    change_set.execute(clients, prepared)
    what = f"the stack {prepared.plan.stack}"
    stack = wait_until_settled(
        follower,
        what,
        clock=clock,
        ended=lambda stack: is_settled(stack) and stack.status != "REVIEW_IN_PROGRESS",
    )
    if stack is None:
        raise Refused(f"{what} was deleted meanwhile", hint="deploy again")
    if stack.status not in DONE:
        raise stack_failure(stack, follower)
    return stack


def _discard(clients: Clients, prepared: ChangeSet, *, clock: Clock) -> None:
    """Delete a change set that is not to be executed, and the empty stack that it created."""
    change_set.remove(clients, prepared.arn)
    if prepared.plan.is_new and (stack := find_stack(clients, prepared.stack_id)):
        _delete(clients, stack, clock=clock, progress=say_nothing)


def _delete(clients: Clients, stack: Stack, *, clock: Clock, progress: Say) -> None:
    follower = EventFollower.from_now(clients, stack.id, progress)
    with translated(f"deleting the stack {stack.name}"):
        clients("cloudformation").delete_stack(StackName=stack.id)
    left = wait_until_settled(
        follower,
        f"no stack {stack.name}",
        clock=clock,
        ended=lambda stack: stack.status == "DELETE_FAILED",
    )
    if left is not None:
        raise stack_failure(left, follower)
