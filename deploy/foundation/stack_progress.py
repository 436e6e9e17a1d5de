"""Follow a stack while CloudFormation works on it, and say what went wrong.

Touches AWS, changes nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from common.clients import Clients, translated
from common.errors import PipelineError
from common.waiting import Clock, Seen, wait_for
from deploy.foundation.stack import Stack, find_stack

# A load balancer takes minutes, a NAT gateway too; deleting an endpoint's interfaces can take ten.
SECONDS = 3600.0
# What CloudFormation cancels because something else failed says nothing of the cause.
CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Event:
    """Something that happened to a resource of the stack, or to the stack itself."""

    id: str
    resource: str
    type: str
    status: str
    reason: str

    @property
    def is_cause(self) -> bool:
        """It failed, and not because something else did."""
        return self.status.endswith("_FAILED") and not self.reason.startswith(CONSEQUENCES)

    def __str__(self) -> str:
        words = f"{self.resource} ({self.type}) {self.status}"
        return f"{words}: {self.reason}" if self.reason else words


@dataclass
class Follower:
    """The events of a stack from now on, oldest first, each told once."""

    clients: Clients
    stack_id: str
    progress: Progress
    events: list[Event] = field(default_factory=list)
    last: str = ""

    def skip(self) -> None:
        """Take what has happened so far as told."""
        newest = next(self._newest_first(), None)
        self.last = newest.id if newest else ""

    def look(self) -> None:
        """Tell what is new."""
        new: list[Event] = []
        for event in self._newest_first():
            if event.id == self.last:
                break
            new.append(event)
        for event in reversed(new):
            self.progress(str(event))
        self.events += reversed(new)
        self.last = new[0].id if new else self.last

    def causes(self) -> tuple[Event, ...]:
        """Return the failures that brought the rest down; the stack's own word only without any."""
        found = [event for event in self.events if event.is_cause]
        own = [event for event in found if event.type == "AWS::CloudFormation::Stack"]
        return tuple(event for event in found if event not in own) or tuple(own)

    def _newest_first(self) -> Iterator[Event]:
        with translated(f"reading the events of {self.stack_id}"):
            pages = self.clients("cloudformation").get_paginator("describe_stack_events")
            for page in pages.paginate(StackName=self.stack_id):
                yield from (_event(found) for found in page["StackEvents"])


def is_quiet(stack: Stack) -> bool:
    """CloudFormation is not at work on it."""
    return not stack.is_moving


def settled(
    clients: Clients,
    stack_id: str,
    *,
    follower: Follower,
    clock: Clock,
    what: str,
    ended: Callable[[Stack], bool] = is_quiet,
) -> Stack | None:
    """Wait until CloudFormation has done with the stack; return it, or None when it is gone."""

    def look() -> Seen[tuple[Stack | None]]:
        stack = find_stack(clients, stack_id)
        follower.look()
        if stack and not ended(stack):
            last = str(follower.events[-1]) if follower.events else ""
            return Seen(None, last or stack.status)
        return Seen((stack,), "")

    return wait_for(what, look, clock=clock, seconds=SECONDS, every=2.0)[0]


def failure(stack: Stack, follower: Follower) -> PipelineError:
    """Return the error that names the resources at fault and what to do."""
    causes = follower.causes()
    words = "\n".join(f"  {event}" for event in causes) or f"  {stack.reason or 'no reason given'}"
    return PipelineError(
        f"the stack {stack.name} ended as {stack.status}\n{words}", hint=_hint(stack)
    )


def _hint(stack: Stack) -> str:
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        return (
            "mend what is named, then `aws cloudformation continue-update-rollback "
            f"--stack-name {stack.name}` and deploy again"
        )
    if stack.status == "DELETE_FAILED":
        return "remove what keeps the named resource in use, then destroy again"
    return "nothing half-made is left running; mend what is named and deploy again"


def _event(found: dict[str, Any]) -> Event:
    return Event(
        id=found["EventId"],
        resource=found["LogicalResourceId"],
        type=found["ResourceType"],
        status=found["ResourceStatus"],
        reason=found.get("ResourceStatusReason", ""),
    )
