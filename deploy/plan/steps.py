"""The steps a plan is made of: data that can be printed or turned into JSON. Pure: no AWS."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from deploy.foundation.stack_plan import StackPlan
from deploy.release.release import Release, Role


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
class CreateSecret(Step):
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
class TerminateHeads(Step):
    """End heads that are not what is wanted any more.

    ``which``: those that never came into service (unborn), those that do not lead (retired), or
    the leader itself, before another is there (leader).
    """

    which: Literal["unborn", "retired", "leader"]
    kind: ClassVar[str] = "end-heads"


@dataclass(frozen=True)
class UpdateAutoscaler(Step):
    """Have heads that stay work by the wanted autoscaler configuration."""

    kind: ClassVar[str] = "follow-autoscaler"


@dataclass(frozen=True)
class AwaitStandby(Step):
    """Wait until so many heads of the wanted version are in service, whoever leads."""

    count: int
    kind: ClassVar[str] = "await-standby"


@dataclass(frozen=True)
class HandOver(Step):
    """Hand the head lease to a head of the wanted version."""

    kind: ClassVar[str] = "hand-over"


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
    """Wait until Ray has the workers that shall always be there."""

    kind: ClassVar[str] = "await-workers"


@dataclass(frozen=True)
class RollWorkers(Step):
    """End workers that are not what is wanted, and wait for others in their place.

    ``at_once``: their Ray cannot join any more, so nothing is drained.
    """

    at_once: bool
    kind: ClassVar[str] = "roll-workers"


@dataclass(frozen=True)
class Verify(Step):
    """Check the cluster from outside, as its users see it."""

    kind: ClassVar[str] = "verify"


@dataclass(frozen=True)
class WatchAlarms(Step):
    """See that no alarm rings for a while."""

    kind: ClassVar[str] = "watch-alarms"


@dataclass(frozen=True)
class SetDefaults(Step):
    """Make the versions in use the launch templates' default."""

    kind: ClassVar[str] = "defaults"


@dataclass(frozen=True)
class PointToRelease(Step):
    """Record the release as the one that the cluster serves."""

    kind: ClassVar[str] = "current"


# How a plan reaches its release: see docs/rollout.md.
Strategy = Literal["nothing", "in place", "first", "workers", "hand-over", "whole cluster"]
# Those in which another head takes over, workers are drained, and anything that serves is replaced.
HANDS_OVER: frozenset[Strategy] = frozenset({"hand-over", "whole cluster"})
DRAINS: frozenset[Strategy] = frozenset({"workers", "hand-over"})
ROLLS: frozenset[Strategy] = HANDS_OVER | DRAINS


@dataclass(frozen=True)
class Plan:
    """What would change, in order; empty when the cluster is what is wanted."""

    environment: str
    release: str
    steps: tuple[Step, ...]
    strategy: Strategy = "nothing"
    # What a roll goes back to when it fails.
    previous: Release | None = None
    differences: tuple[str, ...] = ()

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
            "manner": self.strategy,
            "previous": self.previous.id if self.previous else "",
            "differences": list(self.differences),
            "steps": [{"kind": step.kind, **asdict(step)} for step in self.steps],
        }


@dataclass(frozen=True)
class Done:
    """A step, what came of it, and how many seconds it took."""

    words: str
    outcome: str
    seconds: float
