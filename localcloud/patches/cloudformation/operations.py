"""Create, update, roll back and delete a stack, one piece of work at a time.

Each operation is a generator: it yields True when a resource is done and False while one is not
ready yet, so that a step of the world's clock does a bounded amount of work. Order, statuses and
what a rollback does follow "Stack failure options" (docs.aws.amazon.com/AWSCloudFormation/latest/
UserGuide/stack-failure-options.html). Calls the services' APIs in this process; never the network.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace

from localcloud.patches import internal
from localcloud.patches.cloudformation.pieces import TROUBLE, in_reverse, remove
from localcloud.patches.cloudformation.resources import Failed
from localcloud.patches.cloudformation.run import Run
from localcloud.patches.cloudformation.stack import DesiredState, Resource, Stack, timestamp


def begin(stack: Stack, operation: Iterator[bool]) -> None:
    """Hand an operation to the world's steps; the stack is in progress from now on."""
    stack.operation, stack.caller = operation, internal.caller()
    next(operation)


def create(stack: Stack, desired: DesiredState) -> Iterator[bool]:
    """Create a new stack; a failure deletes what was created."""
    stack.desired = desired
    stack.say("CREATE_IN_PROGRESS", "User Initiated")
    yield True
    run = Run(stack, desired)
    failed = yield from _carry_out(run)
    if not failed:
        stack.say("CREATE_COMPLETE")
    elif stack.disable_rollback:
        stack.say("CREATE_FAILED", failed)
    else:
        stack.say("ROLLBACK_IN_PROGRESS", failed + "Rollback requested by user.")
        yield from _roll_back(run, "ROLLBACK")


def update(stack: Stack, desired: DesiredState) -> Iterator[bool]:
    """Bring a stack to its desired state; a failure restores the previous one."""
    before, outputs = stack.desired, stack.outputs
    stack.desired, stack.updated = desired, timestamp()
    stack.say("UPDATE_IN_PROGRESS", "User Initiated")
    yield True
    run = Run(stack, desired)
    failed = yield from _carry_out(run)
    if failed:
        stack.desired, stack.outputs = before, outputs
        stack.say("UPDATE_ROLLBACK_IN_PROGRESS", failed)
        yield from _roll_back(run, "UPDATE_ROLLBACK")
        return
    stack.say("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    yield from _clean_up(stack, run)
    stack.say("UPDATE_COMPLETE")


def _carry_out(run: Run) -> Generator[bool, None, str]:
    """Create or change every resource, then read the outputs; return what failed, or nothing."""
    try:
        yield from run.resources()
        run.stack.outputs = run.outputs()
    except TROUBLE as error:
        return f"The following resource(s) failed to {error}. "
    return ""


def _clean_up(stack: Stack, run: Run) -> Iterator[bool]:
    kept = set(run.template.resources())
    gone = [resource for name, resource in stack.resources.items() if name not in kept]
    replaced = [_as_leftover(resource) for resource in run.leftovers]
    for resource in in_reverse([*gone, *replaced]):
        try:
            yield from remove(stack, resource)
        except Failed:
            stack.resources.pop(resource.logical_id, None)  # AWS, too, leaves it behind


def _as_leftover(resource: Resource) -> Resource:
    return replace(resource, deletion_policy=resource.replace_policy)


def _roll_back(run: Run, status: str) -> Iterator[bool]:
    """Undo what was done; the stack ends in ``status``_COMPLETE, or ``status``_FAILED."""
    stuck: list[str] = []
    for undo in reversed(run.undo):
        try:
            yield from undo()
        except TROUBLE as error:
            stuck.append(str(error))
    if stuck:
        reason = f"The following resource(s) failed to roll back: [{', '.join(stuck)}]."
        run.stack.say(f"{status}_FAILED", reason)
    else:
        run.stack.say(f"{status}_COMPLETE")


def delete(stack: Stack, retain: set[str]) -> Iterator[bool]:
    """Delete a stack, dependents first; what an undeletable resource depends on is not tried."""
    stack.say("DELETE_IN_PROGRESS", "User Initiated")
    yield True
    stuck: list[str] = []
    blocked: set[str] = set()
    for resource in in_reverse(list(stack.resources.values())):
        if resource.logical_id in retain:
            stack.note(
                resource.logical_id, resource.type_name, resource.physical_id, "DELETE_SKIPPED"
            )
            del stack.resources[resource.logical_id]
            continue
        if resource.logical_id in blocked:
            blocked |= resource.depends_on
            continue
        try:
            yield from remove(stack, resource)
        except Failed as error:
            stuck.append(str(error))
            blocked |= resource.depends_on
    if stuck:
        stack.say(
            "DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(stuck)}]. "
        )
        return
    stack.deleted = timestamp()
    stack.say("DELETE_COMPLETE")
