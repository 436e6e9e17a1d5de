"""What status says of each group of workers. Pure: made from a snapshot, no AWS."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from common.environment import Environment
from deploy.cluster.autoscaler_health import RefusedLaunch
from deploy.cluster.instances import Instance
from deploy.cluster.state import ClusterState
from deploy.release.settings import Group


@dataclass(frozen=True)
class GroupStatus:
    """A group of the release that is served, or a removed one, and its instances as EC2 sees them.

    ``stale``: launched from another version than new ones are. ``refused``: the newest launch that
    EC2 refused, in words; empty when none is known. ``removed``: its workers are drained, and it
    gets no others.
    """

    name: str
    min: int
    max: int
    launches: str
    running: int
    starting: int
    leaving: int
    types: dict[str, int]
    markets: dict[str, int]
    stale: int
    refused: str
    removed: bool = False

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with it as text."""
        if self.removed or self.running >= self.min:
            return ()
        return (f"group {self.name}: {self.running} of at least {self.min} workers",)

    @property
    def row(self) -> dict[str, str]:
        """Return it as a line of a table."""
        limits = "removed" if self.removed else f"of {self.min} to {self.max}"
        return {
            "group": self.name,
            "running": f"{self.running} {limits}",
            "starting": str(self.starting),
            "leaving": str(self.leaving),
            "stale": str(self.stale),
            "now": _counted(self.types),
            "markets": _counted(self.markets),
            "launches": self.launches,
            "refused": self.refused or "-",
        }


def group_statuses(
    environment: Environment,
    state: ClusterState,
    refused: Iterable[RefusedLaunch] = (),
    removed: Collection[str] = (),
) -> tuple[GroupStatus, ...]:
    """Return the groups of the release that is served; none before the first deploy.

    ``removed``: the groups that the leader's autoscaler drains, or has drained, for good.
    """
    groups = state.release.settings.groups if state.release else ()
    newest = {one.group: one for one in refused}
    found = [_status(environment, state, group, newest.get(group.name)) for group in groups]
    left = [name for name in removed if name not in {group.name for group in groups}]
    return (
        *(replace(one, removed=True) if one.name in removed else one for one in found),
        *(_leaving(state, name) for name in left),
    )


def strangers(state: ClusterState, removed: Collection[str] = ()) -> tuple[str, ...]:
    """Describe the workers that are of no group of the release that is served, nor removed."""
    if state.release is None:
        return ()
    names = {*removed, *(group.name for group in state.release.settings.groups)}
    return tuple(
        f"{worker.id} is of {worker.group}, which is no group of the release"
        for worker in state.workers
        if worker.is_there and worker.group not in names
    )


def _leaving(state: ClusterState, name: str) -> GroupStatus:
    """Return a removed group that the release does not have: all its workers are stale."""
    workers = [worker for worker in state.workers if worker.group == name]
    there = [worker for worker in workers if worker.is_there]
    counts = _counts(workers)
    return GroupStatus(
        name=name, min=0, max=0, launches="-", **counts, stale=len(there), refused="", removed=True
    )


def _status(
    environment: Environment, state: ClusterState, group: Group, refused: RefusedLaunch | None
) -> GroupStatus:
    workers = [worker for worker in state.workers if worker.group == group.name]
    there = [worker for worker in workers if worker.is_there]
    return GroupStatus(
        name=group.name,
        min=group.min,
        max=group.max,
        launches=group.words,
        **_counts(workers),
        stale=_stale(environment, state, group, there),
        refused=_words(refused) if refused else "",
    )


def _counts(workers: list[Instance]) -> dict[str, Any]:
    """Return what is counted of any group's instances."""
    states = Counter(worker.state for worker in workers)
    there = [worker for worker in workers if worker.is_there]
    return {
        "running": states["running"],
        "starting": states["pending"],
        "leaving": len(workers) - len(there),
        "types": dict(Counter(worker.type for worker in there)),
        "markets": dict(Counter(worker.market for worker in there)),
    }


def _stale(
    environment: Environment, state: ClusterState, group: Group, workers: list[Instance]
) -> int:
    """Count those that are not of the template's default version, or of no type of the group."""
    template = state.worker_template(environment.worker_template_of(group.name))
    versions = template.versions if template else ()
    current = {
        version.content.digest
        for version in versions
        if template and version.number == template.default
    }
    return sum(
        worker.content not in current or not group.has(worker.type, worker.market)
        for worker in workers
    )


def _counted(names: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(names.items())) or "-"


def _words(one: RefusedLaunch) -> str:
    return f"{one.instance_type}, {one.market}, {one.seconds_ago:.0f} s ago: {one.code}"
