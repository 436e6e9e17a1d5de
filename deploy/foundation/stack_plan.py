"""What would change in the foundation. Pure: no AWS."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["add", "change", "replace", "may replace", "remove"]

STATEFUL = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::Route53::HostedZone",
        "AWS::S3::Bucket",
        "AWS::S3Vectors::Index",
        "AWS::S3Vectors::VectorBucket",
        "AWS::SecretsManager::Secret",
    }
)


@dataclass(frozen=True)
class ResourceChange:
    """What would happen to one resource; ``properties`` are those that differ."""

    action: Action
    name: str
    type: str
    physical_id: str = ""
    properties: tuple[str, ...] = ()

    @property
    def discards_resource(self) -> bool:
        """The resource would be deleted or replaced."""
        return self.action in ("replace", "may replace", "remove")

    @property
    def loses_state(self) -> bool:
        """Data would be left behind or deleted."""
        return self.type in STATEFUL and self.discards_resource

    def __str__(self) -> str:
        what = f"{self.action} {self.name} ({self.type.removeprefix('AWS::')})"
        named = f"{what} {self.physical_id}" if self.physical_id else what
        return f"{named}: {', '.join(self.properties)}" if self.properties else named


@dataclass(frozen=True)
class StackPlan:
    """What would change in the stack, by name; empty when nothing would."""

    stack: str
    is_new: bool
    changes: tuple[ResourceChange, ...]
    # Only tags or outputs may differ.
    has_other_changes: bool = False

    @property
    def is_empty(self) -> bool:
        """The stack is up to date."""
        return not (self.is_new or self.changes or self.has_other_changes)

    @property
    def replaces_nothing(self) -> bool:
        """What is there stays, if changed; so do the outputs."""
        return {change.action for change in self.changes} <= {"add", "change"}

    @property
    def losses(self) -> tuple[ResourceChange, ...]:
        """The changes that would lose data."""
        return tuple(change for change in self.changes if change.loses_state)


NOTHING = StackPlan("", is_new=False, changes=())


@dataclass(frozen=True)
class NodesPlan:
    """What a rollout changes in the stack of the nodes; either plan may be empty.

    ``widening`` comes before instances are replaced and removes nothing; ``narrowing`` comes last,
    and removes what only the instances that were replaced have needed.
    """

    widening: StackPlan = NOTHING
    narrowing: StackPlan = NOTHING


NO_NODES_PLAN = NodesPlan()
