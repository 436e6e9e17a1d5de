"""The checks of each group of workers: how many are alive, and whether they are as promised.

Touches AWS and the cluster, and changes nothing; one of them runs a task in each group.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from common.errors import PipelineError
from deploy.cluster.instances import Instance
from deploy.cluster.ray_api import RayNode, alive_workers
from deploy.plan.desired_state import DesiredState
from deploy.release.settings import Group
from deploy.verify.check import Verdict
from deploy.verify.checked_cluster import CheckedCluster
from deploy.verify.promises import broken_promises
from deploy.verify.smoke import run_group_job

NAMED = 3  # nodes that are described; the rest are counted
OTHERS = "every worker is of a group"
TASKS = "a task runs in each group"


@dataclass(frozen=True)
class Worker:
    """A worker: EC2's view, and Ray's of the same; None for what Ray or EC2 does not know."""

    instance: Instance | None
    node: RayNode | None

    def serves(self, group: str) -> bool:
        """Say whether its instance runs and is of that group."""
        one = self.instance
        return one is not None and one.state == "running" and one.group == group

    @property
    def words(self) -> str:
        """Return its instance and its address, as far as there are any."""
        address = self.node.address if self.node else ""
        if self.instance is None:
            return f"the node at {address}"
        return f"{self.instance.id} at {self.instance.address}"


def group_checks(cluster: CheckedCluster) -> dict[str, Callable[[], Verdict]]:
    """Return the checks by name: one for each group of the release, and those of all together."""
    try:
        names = [group.name for group in cluster.release.settings.groups]
    except PipelineError:  # each check says it again
        names = sorted(cluster.environment.workers)
    return {
        **{
            f"group {name} has its workers": partial(group_has_its_workers, cluster, name)
            for name in names
        },
        OTHERS: partial(every_worker_is_of_a_group, cluster),
        TASKS: partial(a_task_runs_in_each_group, cluster),
    }


def group_has_its_workers(cluster: CheckedCluster, name: str) -> Verdict:
    """At least the minimum is alive in Ray, each as its group promises, and all that run joined.

    While a release is rolled out, workers of another version are counted and not compared.
    """
    group = _group(cluster, name)
    workers = [worker for worker in _workers(cluster) if worker.serves(name)]
    alive = [worker for worker in workers if worker.node]
    stale = _stale(cluster, alive)
    faults = [
        f"{worker.words}: {'; '.join(broken)}"
        for worker in alive
        if worker not in stale and (broken := _broken(group, worker))
    ]
    late = [w for w in workers if not w.node and w.instance and _is_late(cluster, w.instance)]
    faults += [f"{worker.words} runs and has not joined Ray" for worker in late]
    count = f"{len(alive)} alive of {group.min} to {group.max}"
    if not workers and not group.min:
        count = f"no worker now, 0 to {group.max}"
    seen = [count, *([f"{len(stale)} of another version"] if stale else []), *_some(faults)]
    return Verdict(len(alive) >= group.min and not faults, "; ".join(seen))


def every_worker_is_of_a_group(cluster: CheckedCluster) -> Verdict:
    """No worker is of another group, and none of Ray's nodes is an instance that is not ours."""
    names = {group.name for group in cluster.release.settings.groups}
    workers = _workers(cluster)
    foreign = [w for w in workers if w.instance is None]
    others = [
        worker
        for worker in workers
        if worker.instance and worker.instance.is_there and worker.instance.group not in names
    ]
    if cluster.rolls_out:  # what is left of groups that are removed
        others = []
    faults = [f"{worker.words} is no instance of this cluster" for worker in foreign]
    faults += [f"{w.words} is of {w.instance.group}" for w in others if w.instance]
    return Verdict(not faults, "; ".join(_some(faults)) or _count(len(workers)))


def a_task_runs_in_each_group(cluster: CheckedCluster) -> Verdict:
    """Ray runs a task in each group that has a worker; for none that has none one is launched."""
    names = [group.name for group in cluster.release.settings.groups]
    groups = [name for name in names if _addresses(cluster, name)]
    ran = run_group_job(cluster.api, groups, clock=cluster.clock) if groups else {}
    # Read again: a worker may have joined, and run the task, since.
    wrong = [name for name in groups if ran.get(name) not in _addresses(cluster, name)]
    seen = [
        f"{name}: {ran.get(name, 'nowhere') if name in groups else 'no worker now'}"
        for name in names
    ]
    return Verdict(not wrong, "; ".join(seen) + (f"; not in {', '.join(wrong)}" if wrong else ""))


def _addresses(cluster: CheckedCluster, group: str) -> frozenset[str]:
    """Return where Ray schedules tasks of a group."""
    workers = _workers(cluster)
    return frozenset(w.node.address for w in workers if w.node and w.serves(group))


def _group(cluster: CheckedCluster, name: str) -> Group:
    group = cluster.release.settings.group_named(name)
    if group is None:
        raise PipelineError(f"release {cluster.release.id} has no group {name}")
    return group


def _workers(cluster: CheckedCluster) -> tuple[Worker, ...]:
    """Return every worker that Ray schedules on or that EC2 has.

    Ray is asked first, so that what has joined is among the instances; and a node may outlive its
    instance's shutdown for some seconds.
    """
    nodes = {node.address: node for node in alive_workers(cluster.api)}
    instances = {
        instance.address: instance for instance in cluster.instances("worker", leaving=True)
    }
    return tuple(
        Worker(instances.get(address), nodes.get(address))
        for address in sorted(nodes.keys() | instances.keys())
    )


def _stale(cluster: CheckedCluster, workers: Iterable[Worker]) -> list[Worker]:
    """Return those that this rollout will replace; none where no release is rolled out."""
    if not cluster.rolls_out:
        return []
    desired = DesiredState(cluster.environment, cluster.release)
    contents = {
        group.name: desired.worker_content(cluster.foundation, group).digest
        for group in desired.groups
    }
    return [w for w in workers if w.instance and not desired.is_current(w.instance, contents)]


def _broken(group: Group, worker: Worker) -> tuple[str, ...]:
    if worker.instance is None or worker.node is None:
        return ()
    return broken_promises(group, worker.instance, worker.node)


def _is_late(cluster: CheckedCluster, instance: Instance) -> bool:
    """Say whether an instance should have joined by now."""
    age = cluster.now_at_aws() - datetime.fromisoformat(instance.launched).timestamp()
    return age > cluster.environment.limits.workers_ready_seconds


def _some(faults: list[str]) -> list[str]:
    more = len(faults) - NAMED
    return [*faults[:NAMED], *([f"and {more} more"] if more > 0 else [])]


def _count(workers: int) -> str:
    return f"{workers} worker{'' if workers == 1 else 's'}"
