"""What CloudFormation remembers of a stack: resources, status, events, change sets. Pure: no AWS.

Statuses and reasons follow "Stack status codes" and "View stack events" of the CloudFormation
User Guide (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html).
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from localcloud import world
from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.template import Template
from localcloud.times import naive

STACK_TYPE = "AWS::CloudFormation::Stack"

Operation = Iterator[bool]  # yields True after each piece of work, False while it has to wait


def timestamp() -> datetime:
    """Return the world's time as the API reports it."""
    return naive(world.now())


@dataclass(frozen=True)
class Resource:
    """A resource that exists, with the properties it was last given."""

    logical_id: str
    type_name: str
    physical_id: str
    properties: Tree
    tags: tuple[tuple[str, str], ...]
    depends_on: frozenset[str]
    deletion_policy: str
    replace_policy: str


@dataclass(frozen=True)
class Event:
    """One line of a stack's history."""

    event_id: str
    when: datetime
    logical_id: str
    physical_id: str
    type_name: str
    status: str
    reason: str | None


@dataclass(frozen=True)
class DesiredState:
    """The desired state of a stack: a template, its parameters and the stack's tags."""

    body: str
    tree: Tree
    parameters: dict[str, str]
    tags: dict[str, str]


@dataclass
class ChangeSet:
    """A set of changes, computed in advance, to be executed or not."""

    change_set_id: str
    name: str
    kind: str  # CREATE or UPDATE
    description: str | None
    desired: DesiredState
    capabilities: list[str]
    created: datetime
    changes: list[Tree]
    status: str = "CREATE_COMPLETE"
    status_reason: str | None = None
    execution_status: str = "AVAILABLE"


@dataclass
class Stack:
    """A stack; ``operation`` is what the control plane is doing to it, step by step."""

    name: str
    stack_id: str
    region: str
    account: str
    created: datetime
    status: str = "REVIEW_IN_PROGRESS"
    status_reason: str | None = None
    desired: DesiredState = field(default_factory=lambda: DesiredState("", {}, {}, {}))
    description: str | None = None
    capabilities: list[str] = field(default_factory=list)
    resources: dict[str, Resource] = field(default_factory=dict)
    states: dict[str, Event] = field(default_factory=dict)  # the last event of each resource
    outputs: list[Tree] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    operation: Operation | None = None
    caller: Any = None  # in whose name the operation creates and deletes
    disable_rollback: bool = False
    protected: bool = False
    updated: datetime | None = None
    deleted: datetime | None = None

    def say(self, status: str, reason: str | None = None) -> None:
        """Set the stack's own status, and record it in the events."""
        self.status, self.status_reason = status, reason
        self._record(self.name, self.stack_id, STACK_TYPE, status, reason)

    def note(
        self, logical_id: str, type_name: str, physical: str, status: str, reason: str | None = None
    ) -> None:
        """Record a resource's new status."""
        event = self._record(logical_id, physical, type_name, status, reason)
        self.states[logical_id] = event

    def _record(
        self, logical_id: str, physical_id: str, kind: str, status: str, reason: str | None
    ) -> Event:
        event = Event(str(uuid.uuid4()), timestamp(), logical_id, physical_id, kind, status, reason)
        self.events.append(event)
        return event

    def keep(self, resource: Resource, **changes: Any) -> Resource:
        """Remember a resource as it now is."""
        kept = replace(resource, **changes)
        self.resources[kept.logical_id] = kept
        return kept


def template_of(stack: Stack, desired: DesiredState, parameters: dict[str, Any]) -> Template:
    """Return ``desired`` as a template to be evaluated for ``stack``."""
    from localcloud.patches import internal  # a boto3 client, off the path of pure readers

    with internal.in_the_name_of(None):  # most templates do not ask for them
        zones = internal.call("ec2", "describe_availability_zones")["AvailabilityZones"]
    pseudo: dict[str, Any] = {
        "AWS::AccountId": stack.account,
        "AWS::Partition": "aws",
        "AWS::Region": stack.region,
        "AWS::StackId": stack.stack_id,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NotificationARNs": [],
    }
    names = sorted(zone["ZoneName"] for zone in zones)
    return Template(desired.tree, parameters, pseudo, names)
