"""The steps that replace, drain or await workers. Touches AWS, and asks Ray."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from deploy.cluster.instances import find_instances
from deploy.cluster.ray_api import RayApi
from deploy.plan.desired_state import DesiredState
from deploy.release.autoscaler_yaml import MOST_WORKERS
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.head_steps import HeadSteps
from deploy.rollout.resources import Resources
from deploy.rollout.worker_roll import RollLimits, WorkerRoll
from deploy.rollout.workers_wait import await_rejoined, await_workers

# Until a launch that was under way when the autoscaler read its configuration shows: RunInstances
# answers within seconds, or botocore asks again.
UNDER_WAY_SECONDS = 30.0


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
        """Wait for those from before the hand-over to join again, and for each group's minimum."""
        if before := self._heads.workers_before:
            seconds = float(self._access.environment.limits.hand_over_seconds)
            await_rejoined(self._access, self._api, before, seconds)
        minimums = {group.name: group.min for group in self._desired.groups}
        return await_workers(self._access, self._api, minimums)

    def roll(self, *, at_once: bool) -> str:
        """Replace stale workers, once the autoscaler launches none of another version."""
        self._heads.update_autoscaler()
        replaced, alive = self._roll(self._limits(), at_once=at_once).run()
        return f"{replaced} replaced, {alive} alive"

    def replace_late(self) -> int:
        """Replace workers that the autoscaler launched by the configuration before; return how
        many.

        Such a launch may have been under way when it read the new one, after this was planned.
        """
        replaced, _ = self._roll(self._limits(), at_once=False).run()
        return replaced

    def drain(self, groups: tuple[str, ...], *, at_once: bool) -> str:
        """Drain and terminate all workers of groups that are removed, until none is left."""
        self._heads.update_autoscaler()
        limits = {name: RollLimits(0, MOST_WORKERS) for name in groups}
        roll = self._roll(limits, at_once=at_once, quiet_seconds=UNDER_WAY_SECONDS)
        ended, _ = roll.run()
        return f"{ended} terminated, none is left"

    def _limits(self) -> dict[str, RollLimits]:
        rollout, there = self._access.environment.rollout, self._there()
        return {
            group.name: RollLimits(group.min, rollout.unavailable(there[group.name]))
            for group in self._desired.groups
        }

    def _there(self) -> Counter[str]:
        """Return how many workers of each group there are."""
        found = find_instances(self._access.clients, self._access.environment.name)
        return Counter(worker.group for worker in found if worker.role == "worker")

    def _roll(
        self, limits: Mapping[str, RollLimits], *, at_once: bool, quiet_seconds: float = 0.0
    ) -> WorkerRoll:
        versions = self._resources.workers
        contents = {name: version.content.digest for name, version in versions.items()}
        return WorkerRoll(
            self._access,
            self._api(),
            partial(self._desired.is_current, contents=contents),
            limits,
            None if at_once else self._access.environment.rollout.drain_seconds,
            quiet_seconds,
        )
