"""What an operator should know about a plan beforehand. Reads AWS (S3, EC2, SSM), asks Ray.

The strategy, where the images came from, what differs, what would be interrupted, the time without
a head, the change in cost. An empty plan sends no request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from common.errors import PipelineError
from deploy.cluster.ray_api import RayApi
from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.interruptions import Running, interrupted_by, what_runs
from deploy.plan.steps import Plan
from deploy.plan.strategy import ROLLS, versions_before
from deploy.release.origin import origins
from deploy.release.package_changes import ImageChange, image_changes
from deploy.release.rollout_journal import Journal, read_journals
from deploy.report.cost import cost_of
from deploy.report.outage import NO_OUTAGE, Outage, moves_lease, outage
from deploy.report.readable import readable
from deploy.report.replaced import group_lines, replaced_addresses, rolls_workers
from deploy.rollout.prepare import Prepared

STRATEGIES = {
    "nothing": "nothing to change",
    "in place": "in place: no instance in service is replaced",
    "initial": "initial: no head serves yet, what is missing is created",
    "workers": "workers only: the head stays",
    "hand-over": "head hand-over, with the same Ray",
    "replace-all": "replace-all, because the Ray versions differ",
}
# Ray's ids of the nodes that would be replaced, by group of workers; the leader's by its role.
NodeIds = Mapping[str, frozenset[str]]
SAME = "not the release, but what its instances are launched with"
JOURNALS = 10  # the newest, which are searched for hand-overs


@dataclass(frozen=True)
class Briefing:
    """A plan, and what it would mean."""

    plan: Plan
    strategy: str
    differences: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    software: tuple[ImageChange, ...] = ()
    interrupted: tuple[str, ...] = ()
    without_head: Outage = NO_OUTAGE
    cost: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Return the briefing as lines, the steps last."""
        if self.plan.is_empty:
            return (f"{self.plan.environment}: {self.strategy}",)
        return (
            f"{self.plan.environment}: release {self.plan.release}; {self.strategy}",
            *_part("images", self.images),
            *_part("what differs", self.differences),
            *_part("groups of workers", self.groups),
            *_part("in their software", [line for one in self.software for line in one.words]),
            *_part("what would be interrupted", self.interrupted),
            *_part("time without a head", (self.without_head.words,)),
            *_part("change in cost", self.cost),
            *_part("steps", self.plan.words),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain data, and what it would mean in words and numbers."""
        return {
            **self.plan.as_json(),
            "strategy_words": self.strategy,
            "images": list(self.images),
            "groups": list(self.groups),
            "software": {one.role: one.packages for one in self.software},
            "interrupted": list(self.interrupted),
            "without_head": {
                "words": self.without_head.words,
                "seconds": self.without_head.seconds,
            },
            "cost": list(self.cost),
        }


def brief(prepared: Prepared) -> Briefing:
    """Read what runs on the cluster, and in its journals how long hand-overs take."""
    plan, desired = prepared.rollout.plan, prepared.rollout.desired
    running = Running()
    node_ids: NodeIds = {}
    journals: tuple[Journal, ...] = ()
    if moves_lease(plan) or rolls_workers(plan):
        running, node_ids = _what_runs(prepared, replaced_addresses(plan, desired, prepared.state))
    if moves_lease(plan):
        environment = desired.environment
        clients = prepared.rollout.clients
        journals = read_journals(clients, environment.bucket, environment.name, JOURNALS)
    before = prepared.state.release
    software: tuple[ImageChange, ...] = ()
    if before and not plan.is_empty:
        bucket = desired.environment.images_bucket
        software = image_changes(prepared.rollout.clients, bucket, before, desired.release)
    found = briefing_of(plan, desired, prepared.state, running, node_ids, journals, software)
    if plan.is_empty:
        return found
    clients, environment = prepared.rollout.clients, desired.environment
    return replace(found, images=origins(clients, environment, desired.release))


def briefing_of(
    plan: Plan,
    desired: DesiredState,
    state: ClusterState,
    running: Running,
    node_ids: NodeIds,
    journals: tuple[Journal, ...],
    software: tuple[ImageChange, ...] = (),
) -> Briefing:
    """Return what the plan means. Pure.

    Journals come newest first.
    """
    if plan.is_empty:
        return Briefing(plan, STRATEGIES[plan.strategy])
    return Briefing(
        plan,
        _strategy(plan, desired, state),
        _differences(plan, state),
        group_lines(plan, desired, state),
        software,
        _interrupted(plan, desired, state, running, node_ids),
        outage(plan, journals),
        cost_of(desired, state),
    )


def _keeps_state(plan: Plan, desired: DesiredState, state: ClusterState) -> bool:
    """Say whether the next head reads what this one stores: the same Redis, the same Ray."""
    if plan.strategy != "hand-over" or not state.foundation:
        return False
    return state.keeps_state_in(desired.redis(state.foundation))


def _part(title: str, lines: Sequence[str]) -> tuple[str, ...]:
    return (f"{title}:", *(f"  {line}" for line in lines)) if lines else ()


def _what_runs(
    prepared: Prepared, addresses: Mapping[str, frozenset[str]]
) -> tuple[Running, NodeIds]:
    """Return what runs, and Ray's ids of the nodes at these addresses, by group."""
    try:
        api: RayApi = prepared.rollout.api()
        nodes = api.nodes() if addresses else ()
    except PipelineError as error:
        return Running(unknown=error.message), {}
    return what_runs(api), {
        group: frozenset(node.id for node in nodes if node.address in here)
        for group, here in addresses.items()
    }


def _strategy(plan: Plan, desired: DesiredState, state: ClusterState) -> str:
    words = STRATEGIES[plan.strategy]
    if plan.strategy == "replace-all" and (before := versions_before(state)):
        words += f": {', '.join(sorted(before))} → {desired.release.head.ray_version}"
    if plan.strategy == "hand-over":
        words += "; then the workers" if rolls_workers(plan) else "; the workers stay"
    return words


def _differences(plan: Plan, state: ClusterState) -> tuple[str, ...]:
    if plan.differences:
        return tuple(map(readable, plan.differences))
    return (SAME,) if plan.strategy in ROLLS and state.release else ()


def _interrupted(
    plan: Plan, desired: DesiredState, state: ClusterState, running: Running, node_ids: NodeIds
) -> tuple[str, ...]:
    replaced = frozenset[str]().union(*node_ids.values())
    if moves_lease(plan):
        kept = _keeps_state(plan, desired, state)
        return interrupted_by(running, "kept" if kept else "hand-over", replaced)
    if not rolls_workers(plan):
        return ()
    seconds = desired.environment.rollout.drain_seconds
    if running.unknown or len(node_ids) < 2:
        return interrupted_by(running, "workers", replaced, deadline_seconds=seconds)
    return tuple(
        f"{group}: {line}"
        for group, ids in sorted(node_ids.items())
        for line in interrupted_by(running, "workers", ids, deadline_seconds=seconds)
    )
