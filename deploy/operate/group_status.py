"""What status says of each group of workers. Pure: made from a snapshot, no AWS."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from common.environment import Environment
from deploy.cluster.autoscaler_health import RefusedLaunch
from deploy.cluster.state import ClusterState, Instance
from deploy.release.settings import Group


@dataclass(frozen=True)
class GroupStatus:
    """A group of the release that is served, and its instances as EC2 sees them.

    ``stale``: launched from another version than new ones are. ``refused``: the newest launch that
    EC2 refused, in words; empty when none is known.
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

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with it as text."""
        if self.running >= self.min:
            return ()
        return (f"group {self.name}: {self.running} of at least {self.min} workers",)

    @property
    def row(self) -> dict[str, str]:
        """Return it as a line of a table."""
        return {
            "group": self.name,
            "running": f"{self.running} of {self.min} to {self.max}",
            "starting": str(self.starting),
            "leaving": str(self.leaving),
            "stale": str(self.stale),
            "now": _counted(self.types),
            "markets": _counted(self.markets),
            "launches": self.launches,
            "refused": self.refused or "-",
        }


def group_statuses(
    environment: Environment, state: ClusterState, refused: Iterable[RefusedLaunch] = ()
) -> tuple[GroupStatus, ...]:
    """Return the groups of the release that is served; none before the first deploy."""
    groups = state.release.settings.groups if state.release else ()
    newest = {one.group: one for one in refused}
    return tuple(_status(environment, state, group, newest.get(group.name)) for group in groups)


def strangers(state: ClusterState) -> tuple[str, ...]:
    """Describe the workers that are of no group of the release that is served."""
    if state.release is None:
        return ()
    names = {group.name for group in state.release.settings.groups}
    return tuple(
        f"{worker.id} is of {worker.group}, which is no group of the release"
        for worker in state.workers
        if worker.is_there and worker.group not in names
    )


def _status(
    environment: Environment, state: ClusterState, group: Group, refused: RefusedLaunch | None
) -> GroupStatus:
    workers = [worker for worker in state.workers if worker.group == group.name]
    states = Counter(worker.state for worker in workers)
    there = [worker for worker in workers if worker.is_there]
    return GroupStatus(
        name=group.name,
        min=group.min,
        max=group.max,
        launches=group.words,
        running=states["running"],
        starting=states["pending"],
        leaving=len(workers) - len(there),
        types=dict(Counter(worker.type for worker in there)),
        markets=dict(Counter(worker.market for worker in there)),
        stale=_stale(environment, state, group, there),
        refused=_words(refused) if refused else "",
    )


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
