"""The instances of a cluster that a pipeline runs on: leader and group. Touches AWS and Ray.

Nothing has to be started for those lost: the heads' group and Ray's autoscaler do that.
"""

from collections.abc import Collection, Sequence

from common.clients import Clients
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.state import find_lease
from deploy.documents.in_use import ray_of_pipeline
from deploy.documents.pipeline import Pipeline
from node.contract import SPOT


class Instances:
    """See Place."""

    def __init__(self, pipeline: Pipeline, clients: Clients) -> None:
        self._pipeline, self._clients = pipeline, clients
        self._group = pipeline.environment.documents.group

    def head(self) -> list[str]:
        """See Place; the leader, while there is one."""
        lease = find_lease(self._clients, self._pipeline.environment)
        return [lease.holder] if lease and not lease.released else []

    def workers(self) -> list[str]:
        """See Place."""
        return sorted(one.id for one in self._of_the_group())

    def on_spot(self, workers: Sequence[str]) -> list[str]:
        """See Place; a group's market is that of all its instances, so half are taken."""
        on_spot = {one.id for one in self._of_the_group() if one.market == SPOT}
        return [one for one in workers if one in on_spot][: len(workers) // 2]

    def have_workers(self, count: int) -> None:
        """See Place; the group has its ``min``, and a drill that needs more is refused."""

    def look(self, lost: Collection[str], workers: int) -> tuple[bool, str]:
        """See Place."""
        there = {one.id for one in self._there()}
        addresses = {one.address for one in self._of_the_group() if one.id not in lost}
        nodes = ray_of_pipeline(self._clients, self._pipeline).nodes()
        alive = sum(node.works and node.address in addresses for node in nodes)
        left = sorted(set(lost) & there)
        words = f"{alive} of {len(addresses)} instances of {self._group} alive in Ray"
        if left:
            words += f"; {', '.join(left)} still there"
        _, least = self._pipeline.least_tasks
        return not left and alive >= max(least, workers), words

    def _there(self) -> list[Instance]:
        found = find_instances(self._clients, self._pipeline.environment.name)
        return [one for one in found if one.is_there]

    def _of_the_group(self) -> list[Instance]:
        return [one for one in self._there() if one.group == self._group]
