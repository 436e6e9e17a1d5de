"""The steps a plan is made of: data that can be printed or turned into JSON. Pure: no AWS."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from deploy.foundation.plan import StackPlan
from deploy.release import Role


@dataclass(frozen=True)
class Step:
    """One change; ``sign`` is + for new, ~ for changed, - for removed, … for waiting."""

    what: str
    why: str
    sign: str
    kind: ClassVar[str] = ""

    @property
    def words(self) -> str:
        """Return the step in one line."""
        return f"{self.sign} {self.what}: {self.why}" if self.why else f"{self.sign} {self.what}"


@dataclass(frozen=True)
class ChangeFoundation(Step):
    """Apply the CloudFormation stack."""

    stack: StackPlan
    kind: ClassVar[str] = "foundation"


@dataclass(frozen=True)
class MakeSecret(Step):
    """Make the token that Ray's processes show each other."""

    kind: ClassVar[str] = "secret"


@dataclass(frozen=True)
class StoreRelease(Step):
    """Store the release beside its predecessors."""

    kind: ClassVar[str] = "release"


@dataclass(frozen=True)
class PutTemplate(Step):
    """See to it that a launch template has a version with the wanted content."""

    role: Role
    kind: ClassVar[str] = "template"


@dataclass(frozen=True)
class StoreAutoscaler(Step):
    """Store the autoscaler's YAML under its content's name."""

    kind: ClassVar[str] = "autoscaler"


@dataclass(frozen=True)
class PutGroup(Step):
    """Make the head's group what is wanted."""

    kind: ClassVar[str] = "group"


@dataclass(frozen=True)
class EndHead(Step):
    """End a head that never came into service and is not what is wanted any more."""

    instance_id: str
    kind: ClassVar[str] = "end-head"


@dataclass(frozen=True)
class AwaitHeads(Step):
    """Wait until the heads are in service and one of them leads."""

    kind: ClassVar[str] = "await-heads"


@dataclass(frozen=True)
class AwaitEndpoint(Step):
    """Wait until every port of the load balancer leads to the leader."""

    kind: ClassVar[str] = "await-endpoint"


@dataclass(frozen=True)
class AwaitWorkers(Step):
    """Wait until the autoscaler has launched the workers that shall always be there."""

    kind: ClassVar[str] = "await-workers"


@dataclass(frozen=True)
class Verify(Step):
    """Check the cluster from outside, as its users see it."""

    kind: ClassVar[str] = "verify"


@dataclass(frozen=True)
class PointToRelease(Step):
    """Record the release as the one that the cluster serves."""

    kind: ClassVar[str] = "current"


@dataclass(frozen=True)
class Plan:
    """What would change, in order; empty when the cluster is what is wanted."""

    environment: str
    release: str
    steps: tuple[Step, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing is to be done."""
        return not self.steps

    @property
    def words(self) -> tuple[str, ...]:
        """Return the plan as lines."""
        return tuple(step.words for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return {
            "environment": self.environment,
            "release": self.release,
            "steps": [{"kind": step.kind, **asdict(step)} for step in self.steps],
        }


@dataclass(frozen=True)
class Done:
    """A step, what came of it, and how many seconds it took."""

    words: str
    outcome: str
    seconds: float
