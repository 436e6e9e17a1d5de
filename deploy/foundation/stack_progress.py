"""Follow a stack while CloudFormation changes it, and report what failed.

Touches AWS, changes nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from common.clients import Clients, translated
from common.errors import PipelineError
from common.progress import Say
from common.waiting import Clock, Seen, wait_for
from deploy.foundation.stack import Stack, find_stack

# Load balancers and NAT gateways take minutes; deleting an endpoint's interfaces can take ten.
TIMEOUT = 3600.0  # seconds
# What CloudFormation cancels because something else failed says nothing about the cause.
CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")


@dataclass(frozen=True)
class StackEvent:
    """One event of the stack, or of one of its resources."""

    id: str
    resource: str
    type: str
    status: str
    reason: str

    @property
    def is_cause(self) -> bool:
        """It failed, and not because something else failed."""
        return self.status.endswith("_FAILED") and not self.reason.startswith(CONSEQUENCES)

    def __str__(self) -> str:
        words = f"{self.resource} ({self.type}) {self.status}"
        return f"{words}: {self.reason}" if self.reason else words


@dataclass
class EventFollower:
    """Reports the events of a stack, oldest first, each once."""

    clients: Clients
    stack_id: str
    progress: Say
    events: list[StackEvent] = field(default_factory=list)
    last: str = ""

    @classmethod
    def from_now(cls, clients: Clients, stack_id: str, progress: Say) -> "EventFollower":
        """Return one that skips the events so far."""
        follower = cls(clients, stack_id, progress)
        newest = next(follower._newest_first(), None)
        follower.last = newest.id if newest else ""
        return follower

    def look(self) -> None:
        """Report the new events."""
        new: list[StackEvent] = []
        for event in self._newest_first():
            if event.id == self.last:
                break
            new.append(event)
        for event in reversed(new):
            self.progress(str(event))
        self.events += reversed(new)
        self.last = new[0].id if new else self.last

    def causes(self) -> tuple[StackEvent, ...]:
        """Return the failures that caused the rest; the stack's own event if there are none."""
        found = [event for event in self.events if event.is_cause]
        own = [event for event in found if event.type == "AWS::CloudFormation::Stack"]
        return tuple(event for event in found if event not in own) or tuple(own)

    def _newest_first(self) -> Iterator[StackEvent]:
        with translated(f"reading the events of {self.stack_id}"):
            pages = self.clients("cloudformation").get_paginator("describe_stack_events")
            for page in pages.paginate(StackName=self.stack_id):
                yield from (_event(found) for found in page["StackEvents"])


def is_settled(stack: Stack) -> bool:
    """CloudFormation is not changing it."""
    return not stack.in_progress


def wait_until_settled(
    follower: EventFollower,
    what: str,
    *,
    clock: Clock,
    ended: Callable[[Stack], bool] = is_settled,
) -> Stack | None:
    """Wait until CloudFormation has settled the stack; return it, or None when it was deleted."""

    def look() -> Seen[tuple[Stack | None]]:
        stack = find_stack(follower.clients, follower.stack_id)
        follower.look()
        if stack and not ended(stack):
            last = str(follower.events[-1]) if follower.events else ""
            return Seen(None, last or stack.status)
        return Seen((stack,), "")

    return wait_for(what, look, clock=clock, seconds=TIMEOUT, every=2.0)[0]


def stack_failure(stack: Stack, follower: EventFollower) -> PipelineError:
    """Return the error that names the failed resources and what to do."""
    causes = follower.causes()
    words = "\n".join(f"  {event}" for event in causes) or f"  {stack.reason or 'no reason given'}"
    return PipelineError(
        f"the stack {stack.name} ended as {stack.status}\n{words}", hint=_hint(stack)
    )


def _hint(stack: Stack) -> str:
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        return (
            "fix what is named, then `aws cloudformation continue-update-rollback "
            f"--stack-name {stack.name}` and deploy again"
        )
    if stack.status == "DELETE_FAILED":
        return "delete what still uses the named resource, then destroy again"
    return "no partial resources are left running; fix what is named and deploy again"


def _event(found: dict[str, Any]) -> StackEvent:
    return StackEvent(
        id=found["EventId"],
        resource=found["LogicalResourceId"],
        type=found["ResourceType"],
        status=found["ResourceStatus"],
        reason=found.get("ResourceStatusReason", ""),
    )
