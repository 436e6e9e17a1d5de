"""What a person should know of a plan before it is carried out. Reads AWS (S3, EC2), asks Ray.

How the cluster comes to its release, what differs, what would be interrupted, for how long there
would be no head, what it costs. A plan that has nothing to do asks nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import PipelineError
from deploy.cluster.ray_api import RayApi
from deploy.cluster.state import ClusterState
from deploy.plan.chain import stale_workers
from deploy.plan.desired_state import DesiredState
from deploy.plan.interruptions import Running, interrupted_by, what_runs
from deploy.plan.prices import Fleet, cost_change
from deploy.plan.steps import ROLLS, HandOver, Plan, PutTemplate, RollWorkers, TerminateHeads
from deploy.release.package_changes import ImageChange, image_changes
from deploy.release.release import Settings
from deploy.release.rollout_journal import Entry, Journal, read_journals
from deploy.rollout.prepare import Prepared

STRATEGIES = {
    "nothing": "nothing to change",
    "in place": "in place: no instance that serves is replaced",
    "first": "nothing serves yet: everything is made",
    "workers": "workers only: the head stays",
    "hand-over": "head hand-over, with the same Ray",
    "whole cluster": "whole cluster, because the Ray versions differ",
}
IMAGE = {"ami_id": "image", "digest": "image's content", "ray_version": "Ray"}
SAME = "nothing in the release, but in what its instances are launched with"
JOURNALS = 10  # the newest, in which hand-overs are looked for
DIGEST = 12  # digits that are shown


@dataclass(frozen=True)
class Outage:
    """For how long there would be no head that serves; ``seconds`` is None when nobody knows."""

    words: str
    seconds: float | None


NO_OUTAGE = Outage("none", 0.0)


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
        """Return it as lines, the exact steps last."""
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
        """Return it as plain data: the plan's, and what it would mean in words and numbers."""
        return {
            **self.plan.as_json(),
            "manner_words": self.strategy,
            "software": {one.role: one.packages for one in self.software},
            "interrupted": list(self.interrupted),
            "without_head": {
                "words": self.without_head.words,
                "seconds": self.without_head.seconds,
            },
            "cost": list(self.cost),
        }


def brief(prepared: Prepared) -> Briefing:
    """Ask the cluster what a plan would end, and its journals how long that takes."""
    plan, desired = prepared.rollout.plan, prepared.rollout.desired
    running, node_ids = Running(), frozenset[str]()
    journals: tuple[Journal, ...] = ()
    if moves_lease(plan) or _rolls_workers(plan):
        running, node_ids = _asked(prepared, _addresses_that_go(plan, desired, prepared.state))
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
    """Return what the plan means, from what runs, Ray's ids of the nodes that go, and journals.

    Pure. Journals come newest first.
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


def moves_lease(plan: Plan) -> bool:
    """Another head will lead, which starts Ray anew."""
    return _hands_over(plan) or _ends_leader(plan)


def _addresses_that_go(plan: Plan, desired: DesiredState, state: ClusterState) -> frozenset[str]:
    """Return the addresses of the nodes that would be replaced."""
    leader = state.leader if moves_lease(plan) else None
    return stale_addresses(plan, desired, state) | ({leader.address} if leader else set())


def _keeps_state(plan: Plan, desired: DesiredState, state: ClusterState) -> bool:
    """Say whether the next head finds what this one stores: the same Redis, the same Ray."""
    if plan.strategy != "hand-over" or not state.foundation:
        return False
    return state.keeps_state_in(desired.redis(state.foundation))


def stale_addresses(plan: Plan, desired: DesiredState, state: ClusterState) -> frozenset[str]:
    """Return the addresses of the workers that would be replaced."""
    if not _rolls_workers(plan):
        return frozenset()
    new = any(isinstance(step, PutTemplate) and step.role == "worker" for step in plan.steps)
    return frozenset(worker.address for worker in stale_workers(desired, state, known=not new))


def outage(plan: Plan, journals: Iterable[Journal]) -> Outage:
    """Say for how long there would be no head, by what the last hand-overs took."""
    if _hands_over(plan):
        took = [seconds for j in journals if (seconds := hand_over_seconds(j)) is not None]
        if not took:
            return Outage("not known yet: no hand-over is on record here", None)
        return Outage(f"about {took[0]:.0f} s, {_record(took)}", took[0])
    if _ends_leader(plan):
        return Outage(
            'as long as a new head takes to boot, since rollout.launch is "after"; not known yet',
            None,
        )
    if plan.strategy == "first":
        return Outage("nothing serves yet", None)
    return NO_OUTAGE


def hand_over_seconds(journal: Journal) -> float | None:
    """Return how long a finished rollout was without a head that could be reached, at most.

    That is from the hand-over's beginning until the load balancer led to the new head.
    """
    if journal.verdict != "done":
        return None
    began = _first(journal, "hand-over")
    ended = _first(journal, "await-endpoint")
    return ended.ended - began.began if began and ended else None


def _part(title: str, lines: Sequence[str]) -> tuple[str, ...]:
    return (f"{title}:", *(f"  {line}" for line in lines)) if lines else ()


def _hands_over(plan: Plan) -> bool:
    return any(isinstance(step, HandOver) for step in plan.steps)


def _ends_leader(plan: Plan) -> bool:
    return any(isinstance(step, TerminateHeads) and step.which == "leader" for step in plan.steps)


def _rolls_workers(plan: Plan) -> bool:
    return any(isinstance(step, RollWorkers) for step in plan.steps)


def _asked(prepared: Prepared, addresses: frozenset[str]) -> tuple[Running, frozenset[str]]:
    """Return what runs, and Ray's ids of the nodes at these addresses."""
    try:
        api: RayApi = prepared.rollout.api()
        nodes = api.nodes() if addresses else ()
    except PipelineError as error:
        return Running(unknown=error.message), frozenset()
    return what_runs(api), frozenset(node.id for node in nodes if node.address in addresses)


def _strategy(plan: Plan, desired: DesiredState, state: ClusterState) -> str:
    words = STRATEGIES[plan.strategy]
    if plan.strategy == "whole cluster" and state.release:
        words += f": {state.release.worker.ray_version} → {desired.release.head.ray_version}"
    if plan.strategy == "hand-over":
        words += "; then the workers" if _rolls_workers(plan) else "; the workers stay"
    return words


def _differences(plan: Plan, state: ClusterState) -> tuple[str, ...]:
    if plan.differences:
        return tuple(map(readable, plan.differences))
    return (SAME,) if plan.strategy in ROLLS and state.release else ()


def readable(difference: str) -> str:
    """Return one of a plan's differences as a person would say it."""
    key, _, change = difference.partition(": ")
    part, _, name = key.partition(".")
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


def _record(took: list[float]) -> str:
    if len(took) == 1:
        return "as the last hand-over took"
    return f"as the last hand-over took; the last {len(took)} took {min(took):.0f} to " + (
        f"{max(took):.0f} s"
    )


def _first(journal: Journal, kind: str) -> Entry | None:
    return next((e for e in journal.entries if e.kind == kind and not e.failed), None)


def _cost(desired: DesiredState, state: ClusterState) -> tuple[str, ...]:
    """Say what heads, and workers at their minimum, cost more or less than those of now."""
    region, after = desired.environment.region, desired.release.settings
    before = state.release.settings if state.release else None
    heads = state.group.settings.min_size if state.group else 0
    roles = {
        "head": (
            _heads(before, heads, region) if before and heads else None,
            _heads(after, desired.head_count, region),
        ),
        "workers, at least": (
            _workers(before, region) if before else None,
            _workers(after, region),
        ),
    }
    lines = tuple(f"{role}: {cost_change(*pair)}" for role, pair in roles.items() if _differ(*pair))
    return lines or ("none",)


def _differ(before: Fleet | None, after: Fleet) -> bool:
    return before != after and (before is not None or after.count > 0)


def _heads(settings: Settings, count: int, region: str) -> Fleet:
    return Fleet(settings.head_type, count, settings.volume_gib, region)


def _workers(settings: Settings, region: str) -> Fleet:
    return Fleet(settings.worker_type, settings.workers_min, settings.volume_gib, region)
