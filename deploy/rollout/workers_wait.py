"""Wait for workers to run, or to join the head again. Reads AWS, asks Ray."""

from collections.abc import Callable, Mapping

from common.waiting import Seen
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.ray_api import RayApi, Unreachable, alive_workers
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.launch_refusals import WAITING_HINT, LaunchRefusals


def await_workers(
    access: ClusterAccess, api: Callable[[], RayApi], minimums: Mapping[str, int]
) -> str:
    """Wait until each group has its minimum of workers that run and are alive in Ray.

    Returns how many are alive, by group.
    """
    refusals = LaunchRefusals(access)

    def look() -> Seen[str]:
        found = find_instances(access.clients, access.environment.name)
        try:
            alive = {worker.address for worker in alive_workers(api())}
        except Unreachable as error:
            return Seen(None, error.message)
        seen = {
            name: [i for i in found if i.group == name and i.node_type == name] for name in minimums
        }
        joined = {name: _joined(workers, alive) for name, workers in seen.items()}
        missing = [name for name, minimum in minimums.items() if joined[name] < minimum]
        if not missing:
            return Seen(", ".join(f"{count} alive of {name}" for name, count in joined.items()), "")
        return Seen(
            None,
            "; ".join(
                f"{name}: {joined[name]} of {minimums[name]} alive{_states(seen[name], alive)}"
                for name in missing
            )
            + refusals.words(),
        )

    return access.wait_until(
        f"workers of {access.environment.name}",
        look,
        seconds=access.environment.limits.workers_ready_seconds,
        hint=WAITING_HINT,
    )


def _joined(workers: list[Instance], alive: set[str]) -> int:
    return sum(worker.state == "running" and worker.address in alive for worker in workers)


def _states(workers: list[Instance], alive: set[str]) -> str:
    """Return what EC2 says of those that are not alive."""
    words = [f"{worker.id} {worker.state}" for worker in workers if worker.address not in alive]
    return f" ({', '.join(words)})" if words else ""


def await_rejoined(
    access: ClusterAccess, api: Callable[[], RayApi], addresses: frozenset[str], seconds: float
) -> int:
    """Wait until the workers at ``addresses`` that still run are alive; return how many are."""

    def look() -> Seen[int]:
        found = find_instances(access.clients, access.environment.name)
        expected = {i.address for i in found if i.state == "running"} & addresses
        try:
            alive = {worker.address for worker in alive_workers(api())}
        except Unreachable as error:
            return Seen(None, error.message)
        back = len(expected & alive)
        words = f"{back} of {len(expected)} workers joined again"
        return Seen(back if back == len(expected) else None, words)

    return access.wait_until(
        f"workers of {access.environment.name} joined again",
        look,
        seconds=seconds,
        hint="`journalctl -u ray-worker -u ray-watchdog` on a worker says why it did not join",
    )
