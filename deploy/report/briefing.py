"""What an operator should know about a plan beforehand. Reads AWS (S3, EC2), asks Ray.

The strategy, what differs, what would be interrupted, the time without a head, the change in cost.
An empty plan sends no request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import PipelineError
from deploy.cluster.ray_api import RayApi
from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.interruptions import Running, interrupted_by, what_runs
from deploy.plan.prices import Fleet, cost_change
from deploy.plan.steps import DrainWorkers, EnsureLaunchTemplate, Plan, RollWorkers
from deploy.plan.strategy import ROLLS, stale_workers
from deploy.release.package_changes import ImageChange, image_changes
from deploy.release.rollout_journal import Journal, read_journals
from deploy.release.settings import Settings
from deploy.report.outage import NO_OUTAGE, Outage, moves_lease, outage
from deploy.rollout.prepare import Prepared

STRATEGIES = {
    "nothing": "nothing to change",
    "in place": "in place: no instance in service is replaced",
    "initial": "initial: nothing serves yet, everything is created",
    "workers": "workers only: the head stays",
    "hand-over": "head hand-over, with the same Ray",
    "replace-all": "replace-all, because the Ray versions differ",
}
IMAGE = {"ami_id": "image", "digest": "image's content", "ray_version": "Ray"}
SAME = "not the release, but what its instances are launched with"
JOURNALS = 10  # the newest, which are searched for hand-overs
DIGEST = 12  # digits shown


@dataclass(frozen=True)
class Briefing:
    """A plan, and what it would mean."""

    plan: Plan
    strategy: str
    differences: tuple[str, ...] = ()
    software: tuple[ImageChange, ...] = ()
    interrupted: tuple[str, ...] = ()
    without_head: Outage = NO_OUTAGE
    cost: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Return the briefing as lines, the steps last."""
        if self.plan.is_empty:
            return (f"{self.plan.environment}: {self.strategy}",)
        return (
            f"{self.plan.environment}: release {self.plan.release}; {self.strategy}",
            *_part("what differs", self.differences),
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
    running, node_ids = Running(), frozenset[str]()
    journals: tuple[Journal, ...] = ()
    if moves_lease(plan) or _rolls_workers(plan):
        running, node_ids = _what_runs(prepared, _replaced_addresses(plan, desired, prepared.state))
    if moves_lease(plan):
        environment = desired.environment
        clients = prepared.rollout.clients
        journals = read_journals(clients, environment.bucket, environment.name, JOURNALS)
    before = prepared.state.release
    software: tuple[ImageChange, ...] = ()
    if before and not plan.is_empty:
        software = image_changes(prepared.rollout.clients, before, desired.release)
    return briefing_of(plan, desired, prepared.state, running, node_ids, journals, software)


def briefing_of(
    plan: Plan,
    desired: DesiredState,
    state: ClusterState,
    running: Running,
    node_ids: frozenset[str],
    journals: tuple[Journal, ...],
    software: tuple[ImageChange, ...] = (),
) -> Briefing:
    """Return what the plan means. Pure.

    ``node_ids`` are Ray's ids of the nodes that would be replaced. Journals come newest first.
    """
    if plan.is_empty:
        return Briefing(plan, STRATEGIES[plan.strategy])
    return Briefing(
        plan,
        _strategy(plan, desired, state),
        _differences(plan, state),
        software,
        _interrupted(plan, desired, state, running, node_ids),
        outage(plan, journals),
        _cost(desired, state),
    )


def _replaced_addresses(plan: Plan, desired: DesiredState, state: ClusterState) -> frozenset[str]:
    """Return the addresses of the nodes that would be replaced."""
    leader = state.leader if moves_lease(plan) else None
    return stale_addresses(plan, desired, state) | ({leader.address} if leader else set())


def _keeps_state(plan: Plan, desired: DesiredState, state: ClusterState) -> bool:
    """Say whether the next head reads what this one stores: the same Redis, the same Ray."""
    if plan.strategy != "hand-over" or not state.foundation:
        return False
    return state.keeps_state_in(desired.redis(state.foundation))


def stale_addresses(plan: Plan, desired: DesiredState, state: ClusterState) -> frozenset[str]:
    """Return the addresses of the workers that would be replaced."""
    if not _rolls_workers(plan):
        return frozenset()
    later = {step.group for step in plan.steps if isinstance(step, EnsureLaunchTemplate)}
    known = {group.name for group in desired.groups} - later
    return frozenset(worker.address for worker in stale_workers(desired, state, known=known))


def _part(title: str, lines: Sequence[str]) -> tuple[str, ...]:
    return (f"{title}:", *(f"  {line}" for line in lines)) if lines else ()


def _rolls_workers(plan: Plan) -> bool:
    return any(isinstance(step, RollWorkers | DrainWorkers) for step in plan.steps)


def _what_runs(prepared: Prepared, addresses: frozenset[str]) -> tuple[Running, frozenset[str]]:
    """Return what runs, and Ray's ids of the nodes at these addresses."""
    try:
        api: RayApi = prepared.rollout.api()
        nodes = api.nodes() if addresses else ()
    except PipelineError as error:
        return Running(unknown=error.message), frozenset()
    return what_runs(api), frozenset(node.id for node in nodes if node.address in addresses)


def _strategy(plan: Plan, desired: DesiredState, state: ClusterState) -> str:
    words = STRATEGIES[plan.strategy]
    if plan.strategy == "replace-all" and state.release:
        words += f": {state.release.head.ray_version} → {desired.release.head.ray_version}"
    if plan.strategy == "hand-over":
        words += "; then the workers" if _rolls_workers(plan) else "; the workers stay"
    return words


def _differences(plan: Plan, state: ClusterState) -> tuple[str, ...]:
    if plan.differences:
        return tuple(map(readable, plan.differences))
    return (SAME,) if plan.strategy in ROLLS and state.release else ()


def readable(difference: str) -> str:
    """Return one of a plan's differences in plain words."""
    key, _, change = difference.partition(": ")
    part, _, name = key.partition(".")
    if part == "groups":
        part, _, name = name.partition(".")
        if not name.startswith("image."):
            return f"group {part}, {name.replace('_', ' ')}: {change}"
        name = name.removeprefix("image.")
    if name.startswith("tags."):
        values = ("none" if value == "None" else value for value in change.split(" → "))
        return f"tag {name.removeprefix('tags.')}: {' → '.join(values)}"
    if part == "settings":
        return f"{name.replace('_', ' ')}: {change}"
    if name == "digest":
        change = " → ".join(digest[:DIGEST] for digest in change.split(" → "))
    return f"{part} {IMAGE.get(name, name.replace('_', ' '))}: {change}"


def _interrupted(
    plan: Plan,
    desired: DesiredState,
    state: ClusterState,
    running: Running,
    node_ids: frozenset[str],
) -> tuple[str, ...]:
    if moves_lease(plan):
        kept = _keeps_state(plan, desired, state)
        return interrupted_by(running, "kept" if kept else "hand-over", node_ids)
    if _rolls_workers(plan):
        seconds = desired.environment.rollout.drain_seconds
        return interrupted_by(running, "workers", node_ids, deadline_seconds=seconds)
    return ()


def _cost(desired: DesiredState, state: ClusterState) -> tuple[str, ...]:
    """Say how the cost of heads, and of the minimum of workers, changes."""
    region, after = desired.environment.region, desired.release.settings
    before = state.release.settings if state.release else None
    heads = state.group.settings.min_size if state.group else 0
    roles: dict[str, tuple[Fleet | None, Fleet | None]] = {
        "head": (
            _heads(before, heads, region) if before and heads else None,
            _heads(after, desired.head_count, region),
        ),
    }
    names = dict.fromkeys(
        g.name for settings in (before, after) if settings for g in settings.groups
    )
    for name in names:
        role = "workers, minimum" if len(names) == 1 else f"workers of {name}, minimum"
        roles[role] = (_workers(before, name, region), _workers(after, name, region))
    lines = tuple(f"{role}: {cost_change(*pair)}" for role, pair in roles.items() if _differ(*pair))
    return lines or ("none",)


def _differ(before: Fleet | None, after: Fleet | None) -> bool:
    return before != after and any(fleet and fleet.count for fleet in (before, after))


def _heads(settings: Settings, count: int, region: str) -> Fleet:
    return Fleet(settings.head_type, count, settings.head_volume.gib, region)


def _workers(settings: Settings | None, name: str, region: str) -> Fleet | None:
    group = settings.group_named(name) if settings else None
    return Fleet(group.instance_types[0], group.min, group.volume.gib, region) if group else None
