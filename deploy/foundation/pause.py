"""Whether an environment is paused: a parameter of its stack. Touches AWS (CloudFormation).

The cluster's stack and the document pipeline's have the same parameter. A pause changes nothing
else in a stack: what the environment's file says otherwise is for a deploy.
"""

from dataclasses import replace

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from common.progress import Say, say_nothing
from common.waiting import Clock
from deploy.foundation.desired_stack import PAUSED
from deploy.foundation.stack import Stack, find_stack
from deploy.foundation.stack_changes import applied_stack, apply_stack


def set_paused(
    clients: Clients, name: str, paused: bool, *, clock: Clock, progress: Say = say_nothing
) -> Stack:
    """Note in the stack that it is paused, or not, and return it.

    Raises Refused when there is no such stack, or its template knows of no pause.
    """
    stack = find_stack(clients, name)
    if stack is None:
        raise Refused(f"there is no stack {name}", hint="is it deployed?")
    if PAUSED not in stack.parameters:
        raise Refused(
            f"the stack {name} was last deployed before there was a pause",
            hint="deploy once more, then pause",
        )
    applied = applied_stack(clients, stack)
    wanted = replace(applied, parameters=applied.parameters | {PAUSED: str(paused).lower()})
    return apply_stack(clients, wanted, clock=clock, progress=progress)


def refuse_paused(clients: Clients, environment: Environment) -> None:
    """Raise Refused when the environment's cluster is paused."""
    stack = find_stack(clients, environment.stack)
    if stack and stack.is_paused:
        raise paused_error(environment.name)


def paused_error(name: str) -> Refused:
    """Return what is said of a paused environment to who needs its cluster."""
    return Refused(
        f"{name} is paused: it has no head and no workers", hint=f"invoke resume --env {name}"
    )
