"""Carry a plan out, step by step. Touches AWS; decides nothing.

Every step reads, acts on the difference and reads again, so that a rollout which was killed
anywhere is finished by planning and running once more.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from common.clients import Clients, translated
from common.errors import PipelineError, Unhealthy
from common.progress import Progress
from common.waiting import Clock
from deploy.cluster.activities import find_failures
from deploy.cluster.head_group import HeadGroup, Member, find_group, room_for
from deploy.cluster.launch_template import TemplateVersion, ensure_version, make_default
from deploy.cluster.ray_api import RayApi
from deploy.cluster.secret import ensure_secret
from deploy.cluster.state import find_instances, find_lease
from deploy.foundation.changes import apply_foundation
from deploy.foundation.stack import Foundation, find_foundation
from deploy.plan import steps
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import Done, Plan, Step
from deploy.release.config_bucket import Document, current_release, point_to_release, store_document
from deploy.rollout.hand_over import hand_over
from deploy.rollout.head_group_changes import ensure_group, resize_group, terminate_member
from deploy.rollout.run_steps import run_steps
from deploy.rollout.watch import ENDPOINT_SECONDS, Watch
from deploy.rollout.worker_roll import WorkerRoll, known_workers
from node.contract import AUTOSCALER_TAG

# Checks the cluster from outside and says what it saw; raises PipelineError when it is not well.
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
        """Take every step, in order; raises PipelineError at the first that fails."""
        known = self._known_failures() if self.plan.steps else frozenset()
        executor = _Executor(self, progress, known)
        return run_steps(self.plan.steps, executor.take, self.clock, progress)

    def _known_failures(self) -> frozenset[str]:
        """Return the launches that failed before this rollout; they say nothing about it."""
        environment = self.desired.environment
        if find_group(self.clients, environment.head_group, "") is None:
            return frozenset()
        return frozenset(f.id for f in find_failures(self.clients, environment.head_group))


class _Executor:
    """What the steps share: each link of the chain, found or made when first asked for."""

    def __init__(self, rollout: Rollout, progress: Progress, known: frozenset[str]) -> None:
        self.rollout, self.progress = rollout, progress
        self.desired, self.environment = rollout.desired, rollout.desired.environment
        self.clients, self.clock = rollout.clients, rollout.clock
        self.watch = Watch(self.clients, self.environment, self.clock, progress, known)
        # Addresses of the workers that were alive when the lease was handed over.
        self.survivors: frozenset[str] = frozenset()
        # The epoch of the head that the cluster is verified with.
        self.epoch: int | None = None

    def take(self, step: Step) -> str:
        """Take one step; return what came of it, in words."""
        match step:
            case steps.ChangeFoundation():
                return self._change_foundation(step)
            case steps.CreateSecret():
                return self._make_secret()
            case steps.StoreRelease():
                return self._store(self.desired.release_document())
            case steps.PutTemplate():
                version = self.worker if step.role == "worker" else self.head
                return f"{version.template_id} version {version.number}"
            case steps.StoreAutoscaler():
                return self._store(self.autoscaler)
            case steps.PutGroup():
                return self._put_group()
            case steps.TerminateHeads():
                return self._end_heads(step)
            case steps.UpdateAutoscaler():
                return self._follow()
            case steps.AwaitStandby():
                return self._await_standby(step)
            case steps.HandOver():
                return self._hand_over()
            case steps.AwaitHeads():
                return self._await_heads()
            case steps.AwaitEndpoint():
                return self._await_endpoint()
            case steps.AwaitWorkers():
                return self._await_workers()
            case steps.RollWorkers():
                return self._roll_workers(step)
            case steps.Verify():
                return self._verify()
            case steps.WatchAlarms():
                return self._watch_alarms()
            case steps.SetDefaults():
                return self._set_defaults()
            case steps.PointToRelease():
                return self._point()
        raise AssertionError(step)

    @cached_property
    def foundation(self) -> Foundation:
        found = find_foundation(self.clients, self.environment)
        if found is None:
            raise PipelineError(
                f"the stack {self.environment.stack} is not there", hint="deploy again"
            )
        return found

    @cached_property
    def worker(self) -> TemplateVersion:
        content = self.desired.worker_content(self.foundation)
        return ensure_version(
            self.clients, self.environment.worker_template, content, self.desired.tags("worker")
        )

    @cached_property
    def autoscaler(self) -> Document:
        return self.desired.autoscaler(self.foundation, self.worker)

    @cached_property
    def head(self) -> TemplateVersion:
        content = self.desired.head_content(self.foundation)
        return ensure_version(
            self.clients, self.environment.head_template, content, self.desired.tags("head")
        )

    def _change_foundation(self, step: steps.ChangeFoundation) -> str:
        apply_foundation(
            self.clients,
            self.environment,
            step.stack,
            clock=self.clock,
            progress=self.progress.say,
        )
        return f"{self.foundation.load_balancer_dns_name} behind {self.foundation.head_name}"

    def _make_secret(self) -> str:
        secret = ensure_secret(self.clients, self.environment.secret, self.desired.tags())
        return f"version {secret.version}"

    def _store(self, document: Document) -> str:
        bucket = self.foundation.bucket_name
        store_document(self.clients, bucket, document)
        return document.uri(bucket)

    def _put_group(self) -> str:
        """Make the group what is wanted, and leave room for every head that is there."""
        desired = self.desired.group(self.foundation, self.head, self.autoscaler)
        group = self._group()
        if group:
            first = self.environment.rollout.launch == "first"
            count, number = self.desired.head_count, self.head.number
            desired = replace(desired, desired=room_for(group, count, number, launch_first=first))
        group = ensure_group(self.clients, self.environment.head_group, desired, clock=self.clock)
        return f"{group.settings.desired} of version {group.settings.template_version}"

    def _end_heads(self, step: steps.TerminateHeads) -> str:
        """End what the step means as of now; whoever leads is ended only where that is meant."""
        group, lease = self._group(), find_lease(self.clients, self.environment)
        if group is None:
            return "no group"
        leader = lease.holder if lease and not lease.released else ""
        stale = group.stale(self.head.number)
        if step.which == "unborn":
            chosen = [m for m in stale if not m.serves and m.instance_id != leader]
        elif step.which == "leader":
            chosen = [m for m in stale if m.instance_id == leader]
        else:
            chosen = [m for m in stale if m.instance_id != leader]
            chosen += self._surplus(group, leader, len(chosen))
        for member in chosen:
            self._end_head(member.instance_id)
        return ", ".join(member.instance_id for member in chosen) or "gone already"

    def _surplus(self, group: HeadGroup, leader: str, ending: int) -> list[Member]:
        """Return heads of the wanted version beyond those wanted."""
        fresh = group.fresh(self.head.number)
        count = len(group.living) - ending - self.desired.head_count
        return [m for m in fresh if m.instance_id != leader][: max(0, count)]

    def _end_head(self, instance_id: str) -> None:
        """End one head; the group replaces it only when it would else have too few."""
        group = self._group()
        if group is None or instance_id not in {m.instance_id for m in group.living}:
            return
        surplus = group.settings.desired > self.desired.head_count
        terminate_member(self.clients, instance_id, replaced=not surplus)

    def _follow(self) -> str:
        """Tag the heads that stay with the configuration, and see the leader take it up."""
        group = self._group()
        fresh = {m.instance_id for m in group.fresh(self.head.number)} if group else set()
        uri = self.autoscaler.uri(self.foundation.bucket_name)
        found = find_instances(self.clients, self.environment.name)
        behind = [i.id for i in found if i.id in fresh and i.autoscaler != uri]
        if behind:
            with translated("tagging the heads"):
                self.clients("ec2").create_tags(
                    Resources=behind, Tags=[{"Key": AUTOSCALER_TAG, "Value": uri}]
                )
        return self.watch.followed(fresh, uri)

    def _await_standby(self, step: steps.AwaitStandby) -> str:
        serving = self.watch.standby(step.count, self.head.number, self.foundation)
        return f"{serving} in service"

    def _hand_over(self) -> str:
        group = self._group()
        successors = tuple(
            m.instance_id for m in (group.fresh(self.head.number) if group else ()) if m.serves
        )
        if not successors:
            raise Unhealthy(
                f"no head of version {self.head.number} is in service", hint="deploy again"
            )
        alive = known_workers(self.rollout.api()) or ()
        self.survivors = frozenset(worker.address for worker in alive)
        lease = hand_over(
            self.clients,
            self.environment,
            successors,
            clock=self.clock,
            progress=self.progress,
        )
        self.epoch = lease.epoch
        return f"{lease.holder}, epoch {lease.epoch}"

    def _await_heads(self) -> str:
        try:
            return f"{self.watch.heads(self.desired.head_count, self.head.number)} leads"
        except PipelineError as error:
            raise self._halted(error) from error

    def _await_endpoint(self) -> str:
        limits = self.environment.limits
        hands_over = self.rollout.plan.strategy in steps.HANDS_OVER
        seconds = limits.hand_over_seconds if hands_over else ENDPOINT_SECONDS
        leader = self.watch.endpoint(
            self.foundation, self.rollout.api, self.head.number, float(seconds)
        )
        return f"leads to {leader}"

    def _await_workers(self) -> str:
        if self.survivors:
            seconds = float(self.environment.limits.hand_over_seconds)
            self.watch.rejoined(self.rollout.api, self.survivors, seconds)
        return f"{self.watch.workers(self.desired.release.settings.workers_min)} running"

    def _roll_workers(self, step: steps.RollWorkers) -> str:
        """Replace the workers, once the autoscaler launches none of another version."""
        self._follow()
        state = find_instances(self.clients, self.environment.name)
        rollout = self.environment.rollout
        roll = WorkerRoll(
            self.clients,
            self.environment,
            self.rollout.api(),
            self.clock,
            content=self.worker.content.digest,
            least=self.desired.release.settings.workers_min,
            unavailable=rollout.unavailable(sum(i.role == "worker" for i in state)),
            drain_seconds=None if step.at_once else rollout.drain_seconds,
        )
        return roll.run(self.progress)

    def _verify(self) -> str:
        outcome = self.rollout.verify(self.progress)
        self._check_epoch()
        return outcome

    def _watch_alarms(self) -> str:
        outcome = self.watch.quiet(float(self.environment.rollout.watch_seconds))
        self._check_epoch()
        return outcome

    def _check_epoch(self) -> None:
        """Raise Unhealthy when the head that was handed the lease has not kept it."""
        lease = find_lease(self.clients, self.environment)
        if self.epoch is not None and lease and lease.epoch != self.epoch:
            raise Unhealthy(
                f"the new head did not keep the lease: epoch {self.epoch} has become "
                f"{lease.epoch}, held by {lease.holder}",
                hint="`journalctl -u ray-head` on the new head says why",
            )

    def _set_defaults(self) -> str:
        for version in (self.worker, self.head):
            make_default(self.clients, version)
        return f"head {self.head.number}, worker {self.worker.number}"

    def _group(self) -> HeadGroup | None:
        environment = self.environment
        return find_group(self.clients, environment.head_group, environment.names.lifecycle_hook)

    def _halted(self, error: PipelineError) -> PipelineError:
        """Stop launching heads that fail, unless this cluster has served before."""
        environment = self.environment
        served = current_release(self.clients, self.foundation.bucket_name, environment.name)
        group = self._group()
        if served or group is None or group.serving:
            return error
        resize_group(self.clients, group.name, 0)
        return PipelineError(
            f"{error.message}\nThe group {group.name} was set to no heads, so that none is left "
            "running for nothing.",
            hint=error.hint,
        )

    def _point(self) -> str:
        bucket = self.foundation.bucket_name
        point_to_release(self.clients, bucket, self.environment.name, self.desired.release)
        return self.desired.release.id
