"""The steps that replace or await workers. Touches AWS, and asks Ray."""

from collections.abc import Callable
from functools import partial

from deploy.cluster.ray_api import RayApi
from deploy.cluster.state import find_instances
from deploy.plan.desired_state import DesiredState
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.head_steps import HeadSteps
from deploy.rollout.resources import Resources
from deploy.rollout.worker_roll import RollLimits, WorkerRoll
from deploy.rollout.workers_wait import await_rejoined, await_workers


class WorkerSteps:
    """Changes workers towards the desired state; each method returns its outcome in words."""

    def __init__(
        self,
        access: ClusterAccess,
        desired: DesiredState,
        resources: Resources,
        heads: HeadSteps,
        api: Callable[[], RayApi],
    ) -> None:
        self._access, self._desired, self._resources = access, desired, resources
        self._heads, self._api = heads, api

    def await_minimum(self) -> str:
        """Wait for those from before the hand-over to join again, and for the minimum to run."""
        if before := self._heads.workers_before:
            seconds = float(self._access.environment.limits.hand_over_seconds)
            await_rejoined(self._access, self._api, before, seconds)
        minimum = self._desired.release.settings.group.min
        return f"{await_workers(self._access, minimum)} running"

    def roll(self, *, at_once: bool) -> str:
        """Replace stale workers, once the autoscaler launches none of another version."""
        self._heads.update_autoscaler()
        found = find_instances(self._access.clients, self._access.environment.name)
        rollout = self._access.environment.rollout
        limits = RollLimits(
            minimum=self._desired.release.settings.group.min,
            unavailable=rollout.unavailable(sum(i.role == "worker" for i in found)),
            drain_seconds=None if at_once else rollout.drain_seconds,
        )
        content = self._resources.worker.content.digest
        is_current = partial(self._desired.is_current, content=content)
        return WorkerRoll(self._access, self._api(), is_current, limits).run()
