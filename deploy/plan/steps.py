"""A plan and its steps: data that can be printed or turned into JSON. Pure: no AWS."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from deploy.foundation.stack_plan import StackPlan
from deploy.plan.strategy import Strategy
from deploy.release.release import Release
from deploy.release.settings import Role


@dataclass(frozen=True)
class Step:
    """One change or one wait.

    ``sign``: + for new, ~ for changed, - for removed, … for a wait. Journals keep ``kind``.
    """

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
class WidenNodes(Step):
    """Add what nodes of the desired release need besides the foundation."""

    kind: ClassVar[str] = "widen-nodes"


@dataclass(frozen=True)
class NarrowNodes(Step):
    """Remove what no node needs any more, once those that needed it are gone."""

    kind: ClassVar[str] = "narrow-nodes"


@dataclass(frozen=True)
class CreateSecret(Step):
    """Create the token with which Ray's processes authenticate to each other."""

    kind: ClassVar[str] = "secret"


@dataclass(frozen=True)
class CreateStateSecret(Step):
    """Create the password of the Redis that keeps Ray's state.

    ``source`` is the parameter that holds it until now; empty for a Redis that is created later.
    """

    source: str
    kind: ClassVar[str] = "state-secret"


@dataclass(frozen=True)
class StoreRelease(Step):
    """Store the release beside its predecessors."""

    kind: ClassVar[str] = "release"


@dataclass(frozen=True)
class EnsureLaunchTemplate(Step):
    """Ensure that a launch template has a version with the desired content.

    ``group`` is that of workers; heads have none.
    """

    role: Role
    group: str = ""
    kind: ClassVar[str] = "template"


@dataclass(frozen=True)
class StoreAutoscaler(Step):
    """Store the autoscaler's YAML under a key named by its content."""

    kind: ClassVar[str] = "autoscaler"


@dataclass(frozen=True)
class EnsureGroup(Step):
    """Create the heads' group, or change it to the desired settings."""

    kind: ClassVar[str] = "group"


@dataclass(frozen=True)
class TerminateHeads(Step):
    """Terminate heads that are not needed any more.

    ``which``: stale heads that were never in service or leave no room for others; stale or surplus
    heads, but not the leader; or the stale leader itself, before its successor exists. ``ids``: the
    unwanted ones, which go even if they have come into service since.
    """

    which: Literal["unwanted", "stale or surplus", "leader"]
    ids: tuple[str, ...] = ()
    kind: ClassVar[str] = "terminate-heads"


@dataclass(frozen=True)
class UpdateAutoscaler(Step):
    """Have the heads that stay use the desired autoscaler configuration."""

    kind: ClassVar[str] = "update-autoscaler"


@dataclass(frozen=True)
class AwaitStandby(Step):
    """Wait until ``count`` heads of the desired version are in service; any head may lead."""

    count: int
    kind: ClassVar[str] = "await-standby"


@dataclass(frozen=True)
class HandOver(Step):
    """Hand the head lease over to a head of the desired version.

    ``workers_stay``: those that are alive join it, since it runs the same Ray.
    """

    workers_stay: bool
    kind: ClassVar[str] = "hand-over"


@dataclass(frozen=True)
class AwaitHeads(Step):
    """Wait until the heads are in service and one of them holds the lease."""

    kind: ClassVar[str] = "await-heads"


@dataclass(frozen=True)
class AwaitEndpoint(Step):
    """Wait until every port of the load balancer reaches the leader."""

    kind: ClassVar[str] = "await-endpoint"


@dataclass(frozen=True)
class AwaitWorkers(Step):
    """Wait until each group has its minimum of workers, and they are alive in Ray."""

    kind: ClassVar[str] = "await-workers"


@dataclass(frozen=True)
class RollWorkers(Step):
    """Replace the stale workers, and wait for the new ones.

    ``at_once``: their Ray cannot join the new head, so they are not drained.
    """

    at_once: bool
    kind: ClassVar[str] = "roll-workers"


@dataclass(frozen=True)
class DrainWorkers(Step):
    """Drain and terminate all workers of the groups that are removed; wait until none is left.

    ``at_once``: as of RollWorkers.
    """

    groups: tuple[str, ...]
    at_once: bool
    kind: ClassVar[str] = "drain-workers"


@dataclass(frozen=True)
class ForgetGroups(Step):
    """Have the heads use the autoscaler configuration without the groups that are removed."""

    groups: tuple[str, ...]
    kind: ClassVar[str] = "forget-groups"


@dataclass(frozen=True)
class DeleteTemplate(Step):
    """Delete a launch template with all its versions."""

    name: str
    kind: ClassVar[str] = "delete-template"


@dataclass(frozen=True)
class Verify(Step):
    """Check the cluster from outside, as its users see it: the acceptance list.

    ``last``: no step after it replaces workers, so that none of another version may be left.
    """

    last: bool
    kind: ClassVar[str] = "verify"


@dataclass(frozen=True)
class BakeTime(Step):
    """Wait for the bake time to pass without an alarm in ALARM."""

    kind: ClassVar[str] = "bake-time"


@dataclass(frozen=True)
class SetDefaultVersions(Step):
    """Make the versions in use the default versions of their launch templates."""

    kind: ClassVar[str] = "defaults"


@dataclass(frozen=True)
class RecordRelease(Step):
    """Record the release as the one that the cluster serves."""

    kind: ClassVar[str] = "current"


@dataclass(frozen=True)
class Plan:
    """The steps to the desired state, in order; none when the cluster is in that state."""

    environment: str
    release: str
    steps: tuple[Step, ...]
    strategy: Strategy = "nothing"
    # The release that a failed rollout is rolled back to.
    previous: Release | None = None
    differences: tuple[str, ...] = ()
    # Groups that are not the release's, which the autoscaler must know until they have no workers.
    removed: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """There is nothing to do."""
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
            "strategy": self.strategy,
            "previous": self.previous.id if self.previous else "",
            "differences": list(self.differences),
            "steps": [{"kind": step.kind, **asdict(step)} for step in self.steps],
        }


@dataclass(frozen=True)
class Done:
    """A finished step: its outcome, and the seconds it took."""

    words: str
    outcome: str
    seconds: float
