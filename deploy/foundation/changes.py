"""Plan, apply and remove the foundation of an environment. Touches AWS (CloudFormation).

Every run first deals with what a killed one left: work under way is waited for, a stack that was
never finished is removed, a change set of ours is replaced. A plan leaves nothing behind.
"""

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.waiting import Clock
from deploy.foundation import change_set
from deploy.foundation.change_set import ChangeSet
from deploy.foundation.desired_stack import DesiredStack, desired_stack
from deploy.foundation.stack import Foundation, Stack, find_stack, foundation_of
from deploy.foundation.stack_plan import StackPlan
from deploy.foundation.stack_progress import Follower, Progress, failure, is_quiet, settled

# Created, failed and rolled back, or never executed: no update is possible.
HUSKS = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})
DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


def silent(words: str) -> None:
    """Show no progress."""


def plan_foundation(clients: Clients, environment: Environment, *, clock: Clock) -> StackPlan:
    """Return what a deploy would change; two calls when nothing would."""
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
    progress: Progress = silent,
    accept_losses: bool = False,
) -> Foundation:
    """Make the stack as wanted, and return it.

    Raises Refused when something else than ``plan`` would happen by now, or when data would be
    lost without ``accept_losses``; PipelineError, naming resource and reason, when it failed.
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
    clients: Clients, environment: Environment, *, clock: Clock, progress: Progress = silent
) -> bool:
    """Delete the stack with all that is in it; say whether there was one.

    The bucket must be empty by then. Raises PipelineError naming what could not be deleted.
    """
    stack = find_stack(clients, environment.stack)
    if stack is None:
        return False
    if left := _still(clients, stack, clock=clock, progress=progress):
        _delete(clients, left, clock=clock, progress=progress)
    return True


def _still(clients: Clients, stack: Stack, *, clock: Clock, progress: Progress) -> Stack | None:
    """Return the stack once nothing moves in it; None when it went meanwhile."""
    if not stack.is_moving:
        return stack
    follower = Follower(clients, stack.id, progress)
    follower.skip()
    what = f"the stack {stack.name}"
    return settled(clients, stack.id, follower=follower, clock=clock, what=what)


def _quiet(clients: Clients, name: str, *, clock: Clock) -> Stack | None:
    """Return the stack once nothing moves in it; None when it has to be created."""
    stack = find_stack(clients, name)
    if stack:
        stack = _still(clients, stack, clock=clock, progress=silent)
    if stack and stack.status in HUSKS:
        _delete(clients, stack, clock=clock, progress=silent)
        return None
    if stack and not stack.is_usable:
        follower = Follower(clients, stack.id, silent)
        follower.look()
        raise failure(stack, follower)
    return stack


def _prepared(clients: Clients, desired: DesiredStack, *, clock: Clock) -> Stack | ChangeSet:
    """Return the stack when it is as wanted, or the change set that would make it so."""
    stack = _quiet(clients, desired.name, clock=clock)
    if stack and _is_as_wanted(clients, stack, desired):
        return stack
    try:
        prepared = change_set.prepare(clients, desired, stack, clock=clock)
    except PipelineError:
        if stack is None and (husk := find_stack(clients, desired.name)):
            _delete(clients, husk, clock=clock, progress=silent)
        raise
    found = prepared or stack
    if found is None:
        raise PipelineError(f"CloudFormation finds nothing in the new stack {desired.name}")
    return found


def _is_as_wanted(clients: Clients, stack: Stack, desired: DesiredStack) -> bool:
    """Template, parameters and tags are those last applied, so that no change set is needed."""
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
            hint="look at a new plan: `invoke plan`",
        )
    if now.losses and not accept_losses:
        raise Refused(
            "this would cost data:\n" + "\n".join(f"  {change}" for change in now.losses),
            hint="take the change back, or say explicitly that the data may go",
        )


def _executed(
    clients: Clients, prepared: ChangeSet, *, clock: Clock, progress: Progress
) -> Foundation:
    follower = Follower(clients, prepared.stack_id, progress)
    follower.skip()
    change_set.execute(clients, prepared)
    what = f"the stack {prepared.plan.stack}"
    stack = settled(
        clients,
        prepared.stack_id,
        follower=follower,
        clock=clock,
        what=what,
        ended=lambda stack: is_quiet(stack) and stack.status != "REVIEW_IN_PROGRESS",
    )
    if stack is None:
        raise Refused(f"{what} was deleted meanwhile", hint="deploy again")
    if stack.status not in DONE:
        raise failure(stack, follower)
    return foundation_of(stack)


def _discard(clients: Clients, prepared: ChangeSet, *, clock: Clock) -> None:
    """Remove a change set that shall not be executed, and the husk of a stack that it made."""
    change_set.remove(clients, prepared.arn)
    if prepared.plan.is_new and (stack := find_stack(clients, prepared.stack_id)):
        _delete(clients, stack, clock=clock, progress=silent)


def _delete(clients: Clients, stack: Stack, *, clock: Clock, progress: Progress) -> None:
    follower = Follower(clients, stack.id, progress)
    follower.skip()
    with translated(f"deleting the stack {stack.name}"):
        clients("cloudformation").delete_stack(StackName=stack.id)
    left = settled(
        clients,
        stack.id,
        follower=follower,
        clock=clock,
        what=f"no stack {stack.name}",
        ended=lambda stack: stack.status == "DELETE_FAILED",
    )
    if left is not None:
        raise failure(left, follower)
