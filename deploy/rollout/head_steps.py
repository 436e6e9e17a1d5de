"""The steps that change or await heads. Touches AWS, and asks Ray which workers are alive."""

from collections.abc import Callable
from dataclasses import replace

from common.errors import PipelineError, Unhealthy
from deploy.cluster.head_group import room_for
from deploy.cluster.ray_api import RayApi
from deploy.cluster.state import find_lease
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import TerminateHeads
from deploy.rollout.autoscaler_update import update_autoscaler
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.endpoint_wait import await_endpoint
from deploy.rollout.hand_over import hand_over
from deploy.rollout.head_failures import HeadFailures
from deploy.rollout.head_group_changes import ensure_group, resize_group
from deploy.rollout.head_termination import terminate_heads
from deploy.rollout.heads_wait import HeadsWait
from deploy.rollout.resources import Resources
from deploy.rollout.worker_roll import workers_if_reachable


class HeadSteps:
    """Changes heads towards the desired state; each method returns its outcome in words.

    ``workers_before``: addresses of the workers that were alive at the hand-over.
    """

    def __init__(
        self,
        access: ClusterAccess,
        desired: DesiredState,
        resources: Resources,
        failures: HeadFailures,
        api: Callable[[], RayApi],
    ) -> None:
        self._access, self._desired, self._resources = access, desired, resources
        self._failures, self._api = failures, api
        self.workers_before: frozenset[str] = frozenset()
        # The epoch of the head that the lease was handed over to.
        self._epoch: int | None = None

    def ensure_group(self) -> str:
        """Create or change the group, with room for every head that is there now."""
        access, resources = self._access, self._resources
        desired = self._desired.group(resources.foundation, resources.head, resources.autoscaler)
        group = access.head_group()
        if group:
            first = access.environment.rollout.launch == "first"
            count, number = self._desired.head_count, resources.head.number
            desired = replace(desired, desired=room_for(group, count, number, launch_first=first))
        name = access.environment.head_group
        group = ensure_group(access.clients, name, desired, clock=access.clock)
        return f"{group.settings.desired} of version {group.settings.template_version}"

    def terminate(self, step: TerminateHeads) -> str:
        """Terminate the heads that the step means, as of now."""
        version, count = self._resources.head.number, self._desired.head_count
        return terminate_heads(self._access, step, version=version, count=count)

    def update_autoscaler(self) -> str:
        """Have the heads of the desired version use the desired autoscaler configuration."""
        return update_autoscaler(self._access, set(self._fresh()), self._resources.autoscaler_uri)

    def forget_removed(self) -> str:
        """Have all heads use the autoscaler configuration without the removed groups."""
        self._resources.forget_removed()
        self._resources.store_autoscaler()
        self.ensure_group()
        return self.update_autoscaler()

    def await_standby(self, count: int) -> str:
        """Wait for heads of the desired version to stand by."""
        arns = self._resources.foundation.target_group_arns
        return f"{self._wait.standbys(count, arns)} in service"

    def hand_over(self, *, workers_stay: bool) -> str:
        """Hand the lease over to a head of the desired version; note the workers that stay."""
        successors = self._fresh(serving=True)
        if not successors:
            version = self._resources.head.number
            raise Unhealthy(f"no head of version {version} is in service", hint="deploy again")
        alive = (workers_if_reachable(self._api()) or ()) if workers_stay else ()
        self.workers_before = frozenset(worker.address for worker in alive)
        lease = hand_over(
            self._access.clients,
            self._access.environment,
            successors,
            clock=self._access.clock,
            progress=self._access.progress,
        )
        self._epoch = lease.epoch
        return f"{lease.holder}, epoch {lease.epoch}"

    def await_heads(self) -> str:
        """Wait until the desired heads are in service and one leads."""
        try:
            return f"{self._wait.leader(self._desired.head_count)} leads"
        except PipelineError as error:
            raise self._stop_launching(error) from error

    def await_endpoint(self, seconds: float) -> str:
        """Wait until the endpoint reaches the leader."""
        resources = self._resources
        return await_endpoint(
            self._access,
            resources.foundation.target_group_arns,
            self._api,
            version=resources.head.number,
            seconds=seconds,
        )

    def check_lease_kept(self) -> None:
        """Raise Unhealthy if the head that the lease was handed over to has not kept it."""
        lease = find_lease(self._access.clients, self._access.environment)
        if self._epoch is not None and lease and lease.epoch != self._epoch:
            raise Unhealthy(
                f"the new head did not keep the lease: epoch {self._epoch} has become "
                f"{lease.epoch}, held by {lease.holder}",
                hint="`journalctl -u ray-head` on the new head says why",
            )

    @property
    def _wait(self) -> HeadsWait:
        return HeadsWait(self._access, self._failures, self._resources.head.number)

    def _fresh(self, *, serving: bool = False) -> tuple[str, ...]:
        """Return the heads of the desired version, or those of them in service."""
        group = self._access.head_group()
        fresh = group.fresh(self._resources.head.number) if group else ()
        return tuple(m.instance_id for m in fresh if m.serves or not serving)

    def _stop_launching(self, error: PipelineError) -> PipelineError:
        """Launch no more heads that fail, unless this cluster has served before."""
        served, group = self._resources.current_release(), self._access.head_group()
        if served or group is None or group.serving:
            return error
        resize_group(self._access.clients, group.name, 0)
        return PipelineError(
            f"{error.message}\nThe group {group.name} was set to 0 heads, so that none runs "
            "for nothing.",
            hint=error.hint,
        )
