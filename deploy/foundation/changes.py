"""Plan, apply and remove the foundation of an environment. Touches AWS (CloudFormation).

Every run first handles what a killed run left: it waits for an operation in progress, deletes a
stack that was never created in full, and replaces our change set. A plan leaves nothing behind.
"""

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.progress import Say, say_nothing
from common.waiting import Clock
from deploy.foundation import change_set
from deploy.foundation.change_set import ChangeSet
from deploy.foundation.desired_stack import DesiredStack, desired_stack
from deploy.foundation.stack import Foundation, Stack, find_stack, foundation_of
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


def plan_foundation(clients: Clients, environment: Environment, *, clock: Clock) -> StackPlan:
    """Return what a deploy would change; takes two calls when nothing would."""
    desired = desired_stack(environment)
    prepared = _prepared(clients, desired, clock=clock)
    if isinstance(prepared, Stack):
        return StackPlan(desired.name, is_new=False, changes=())
    _discard(clients, prepared, clock=clock)
    return prepared.plan


def apply_foundation(
    clients: Clients,
    environment: Environment,
    plan: StackPlan,
    *,
    clock: Clock,
    progress: Say = say_nothing,
    accept_losses: bool = False,
) -> Foundation:
    """Bring the stack to its desired state, and return its foundation.

    Raises Refused when the changes are no longer those of ``plan``, or when data would be lost
    without ``accept_losses``; PipelineError, naming resource and reason, when it failed.
    """
    desired = desired_stack(environment)
    prepared = _prepared(clients, desired, clock=clock)
    if isinstance(prepared, Stack):
        return foundation_of(prepared)
    try:
        _refuse_surprises(prepared.plan, plan, accept_losses=accept_losses)
    except Refused:
        _discard(clients, prepared, clock=clock)
        raise
    return _executed(clients, prepared, clock=clock, progress=progress)


def remove_foundation(
    clients: Clients, environment: Environment, *, clock: Clock, progress: Say = say_nothing
) -> bool:
    """Delete the stack with all its resources; say whether there was one.

    The bucket must be empty. Raises PipelineError naming what could not be deleted.
    """
    stack = find_stack(clients, environment.stack)
    if stack is None:
        return False
    if left := _settled(clients, stack, clock=clock, progress=progress):
        _delete(clients, left, clock=clock, progress=progress)
    return True


def _settled(clients: Clients, stack: Stack, *, clock: Clock, progress: Say) -> Stack | None:
    """Return the stack once no operation is in progress; None when it was deleted meanwhile."""
    if not stack.in_progress:
        return stack
    follower = EventFollower.from_now(clients, stack.id, progress)
    return wait_until_settled(follower, f"the stack {stack.name}", clock=clock)


def _usable_stack(clients: Clients, name: str, *, clock: Clock) -> Stack | None:
    """Return the stack once it can be updated; None when it has to be created."""
    stack = find_stack(clients, name)
    if stack:
        stack = _settled(clients, stack, clock=clock, progress=say_nothing)
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
    stack = _usable_stack(clients, desired.name, clock=clock)
    if stack and _is_up_to_date(clients, stack, desired):
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


def _is_up_to_date(clients: Clients, stack: Stack, desired: DesiredStack) -> bool:
    """Template, parameters and tags are those last applied: no change set is needed."""
    if stack.status not in DONE:
        return False
    if stack.parameters != desired.parameters or stack.tags != desired.tags:
        return False
    with translated(f"reading the template of {stack.name}"):
        found = clients("cloudformation").get_template(StackName=stack.id, TemplateStage="Original")
    return bool(found["TemplateBody"] == desired.template)


def _refuse_surprises(now: StackPlan, shown: StackPlan, *, accept_losses: bool) -> None:
    if now != shown:
        raise Refused(
            f"the stack {now.stack} has changed since the plan was made",
            hint="see the new plan: `invoke plan`",
        )
    if now.losses and not accept_losses:
        raise Refused(
            "this would lose data:\n" + "\n".join(f"  {change}" for change in now.losses),
            hint="revert the change, or confirm explicitly that the data may be lost",
        )


def _executed(clients: Clients, prepared: ChangeSet, *, clock: Clock, progress: Say) -> Foundation:
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
    return foundation_of(stack)


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
