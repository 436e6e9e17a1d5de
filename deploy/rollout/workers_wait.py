"""Wait for workers to run, or to join the head again. Reads AWS, asks Ray."""

from collections.abc import Callable

from common.waiting import Seen
from deploy.cluster.ray_api import RayApi, Unreachable, alive_workers
from deploy.cluster.state import find_instances
from deploy.rollout.cluster_access import ClusterAccess


def await_workers(access: ClusterAccess, minimum: int) -> int:
    """Wait until ``minimum`` workers run; return how many do."""

    def look() -> Seen[int]:
        found = find_instances(access.clients, access.environment.name)
        workers = [instance for instance in found if instance.role == "worker"]
        running = sum(instance.state == "running" for instance in workers)
        words = ", ".join(f"{instance.id} {instance.state}" for instance in workers)
        return Seen(running if running >= minimum else None, words or "none launched yet")

    return access.wait_until(
        f"workers of {access.environment.name}",
        look,
        seconds=access.environment.limits.workers_ready_seconds,
        hint="the autoscaler on the head launches them: `ray status` there says why not",
    )


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
