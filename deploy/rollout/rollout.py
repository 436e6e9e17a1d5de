"""Carry a plan out, step by step. Touches AWS; decides nothing.

Every step reads, acts on the difference and reads again, so a rollout that was killed anywhere is
finished by the same command, run again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from common.clients import Clients
from common.progress import Progress
from common.waiting import Clock
from deploy.cluster.ray_api import RayApi
from deploy.plan import steps
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import Done, Plan, Step
from deploy.plan.strategy import HANDS_OVER
from deploy.rollout.bake_time import await_bake_time
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.endpoint_wait import ENDPOINT_SECONDS
from deploy.rollout.head_failures import HeadFailures
from deploy.rollout.head_steps import HeadSteps
from deploy.rollout.resources import Resources
from deploy.rollout.run_steps import run_steps
from deploy.rollout.worker_steps import WorkerSteps

# Checks the cluster from outside and says what it saw; raises PipelineError if it is unhealthy.
Verifier = Callable[[Progress], str]


@dataclass(frozen=True)
class Rollout:
    """A plan and what it takes to carry it out."""

    plan: Plan
    desired: DesiredState
    clients: Clients
    clock: Clock
    verify: Verifier
    api: Callable[[], RayApi]

    def run(self, progress: Progress) -> tuple[Done, ...]:
        """Carry out every step, in order; raises PipelineError at the first that fails."""
        if self.plan.is_empty:
            return ()
        executor = Executor(self, progress)
        return run_steps(self.plan.steps, executor.carry_out, self.clock, progress)


class Executor:
    """Knows who carries out which step."""

    def __init__(self, rollout: Rollout, progress: Progress) -> None:
        desired, api = rollout.desired, rollout.api
        access = ClusterAccess(rollout.clients, desired.environment, rollout.clock, progress)
        self.rollout, self.access = rollout, access
        self.resources = Resources(access, desired, rollout.plan.removed)
        failures = HeadFailures.from_now_on(access)
        self.heads = HeadSteps(access, desired, self.resources, failures, api)
        self.workers = WorkerSteps(access, desired, self.resources, self.heads, api)

    def carry_out(self, step: Step) -> str:
        """Carry one step out; return its outcome in words."""
        match step:
            case steps.ChangeFoundation():
                return self.resources.change_foundation(step.stack)
            case steps.WidenNodes():
                return self.resources.widen_nodes()
            case steps.NarrowNodes():
                return self.resources.narrow_nodes()
            case steps.CreateSecret():
                return self.resources.create_secret()
            case steps.CreateStateSecret():
                return self.resources.create_state_secret(step.source)
            case steps.StoreRelease():
                return self.resources.store_release()
            case steps.EnsureLaunchTemplate():
                return self.resources.ensure_template(step.role, step.group)
            case steps.StoreAutoscaler():
                return self.resources.store_autoscaler()
            case steps.EnsureGroup():
                return self.heads.ensure_group()
            case steps.TerminateHeads():
                return self.heads.terminate(step)
            case steps.UpdateAutoscaler():
                return self.heads.update_autoscaler()
            case steps.AwaitStandby():
                return self.heads.await_standby(step.count)
            case steps.HandOver():
                return self.heads.hand_over(workers_stay=step.workers_stay)
            case steps.AwaitHeads():
                return self.heads.await_heads()
            case steps.AwaitEndpoint():
                return self.heads.await_endpoint(self._endpoint_seconds)
            case steps.AwaitWorkers():
                return self.workers.await_minimum()
            case steps.RollWorkers():
                return self.workers.roll(at_once=step.at_once)
            case steps.DrainWorkers():
                return self.workers.drain(step.groups, at_once=step.at_once)
            case steps.ForgetGroups():
                return self.heads.forget_removed()
            case steps.DeleteTemplate():
                return self.resources.delete_template(step.name)
            case steps.Verify():
                return self._verify_last() if step.last else self._verify()
            case steps.BakeTime():
                return self._bake_time()
            case steps.SetDefaultVersions():
                return self.resources.set_default_versions()
            case steps.RecordRelease():
                return self.resources.record_release()
        raise AssertionError(step)

    def _verify(self) -> str:
        outcome = self.rollout.verify(self.access.progress)
        self.heads.check_lease_kept()
        return outcome

    def _verify_last(self) -> str:
        outcome = self._verify()
        if replaced := self.workers.replace_late():
            outcome = f"{self._verify()}, after {replaced} of another version"
        return outcome

    def _bake_time(self) -> str:
        seconds = float(self.access.environment.rollout.watch_seconds)
        outcome = await_bake_time(self.access, seconds)
        self.heads.check_lease_kept()
        return outcome

    @property
    def _endpoint_seconds(self) -> float:
        hands_over = self.rollout.plan.strategy in HANDS_OVER
        limits = self.access.environment.limits
        return float(limits.hand_over_seconds if hands_over else ENDPOINT_SECONDS)
