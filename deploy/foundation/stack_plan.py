"""What would change in the foundation, in words. Pure: no AWS."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["add", "change", "replace", "may replace", "remove"]

STATEFUL = frozenset({"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Route53::HostedZone"})


@dataclass(frozen=True)
class ResourceChange:
    """What would happen to one resource; ``because`` names the properties that differ."""

    action: Action
    name: str
    type: str
    physical_id: str = ""
    because: tuple[str, ...] = ()

    @property
    def goes(self) -> bool:
        """The resource would not be there any more, or another in its place."""
        return self.action in ("replace", "may replace", "remove")

    @property
    def loses_state(self) -> bool:
        """Data would be left behind or be gone."""
        return self.type in STATEFUL and self.goes

    def __str__(self) -> str:
        what = f"{self.action} {self.name} ({self.type.removeprefix('AWS::')})"
        named = f"{what} {self.physical_id}" if self.physical_id else what
        return f"{named}: {', '.join(self.because)}" if self.because else named


@dataclass(frozen=True)
class StackPlan:
    """What would change in the stack, in the order of the template; empty when nothing would."""

    stack: str
    is_new: bool
    changes: tuple[ResourceChange, ...]
    # Tags or outputs alone may differ.
    has_other_changes: bool = False

    @property
    def is_empty(self) -> bool:
        """The stack is as wanted."""
        return not (self.is_new or self.changes or self.has_other_changes)

    @property
    def losses(self) -> tuple[ResourceChange, ...]:
        """The changes that would cost data."""
        return tuple(change for change in self.changes if change.loses_state)
