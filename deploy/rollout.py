"""Carry a plan out, step by step. Touches AWS; decides nothing.

Every step reads, acts on the difference and reads again, so that a rollout which was killed
anywhere is finished by planning and running once more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from deploy import steps
from deploy.activities import find_failures
from deploy.clients import Clients
from deploy.config_bucket import (
    Document,
    current_release,
    point_to_release,
    store_document,
)
from deploy.errors import PipelineError
from deploy.foundation.changes import apply_foundation
from deploy.foundation.stack import Foundation, find_foundation
from deploy.head_group import HeadGroup, find_group
from deploy.head_group_changes import end_member, ensure_group, resize_group
from deploy.launch_template import TemplateVersion, ensure_version
from deploy.plan import refuse_rolling
from deploy.progress import Progress, take_steps
from deploy.secret import ensure_secret
from deploy.steps import Done, Plan, Step
from deploy.waiting import Clock
from deploy.wanted import Wanted
from deploy.watch import Watch

# Checks the cluster from outside and says what it saw; raises PipelineError when it is not well.
Verifier = Callable[[Progress], str]


@dataclass(frozen=True)
class Rollout:
    """A plan and what it takes to carry it out."""

    plan: Plan
    wanted: Wanted
    clients: Clients
    clock: Clock
    verify: Verifier

    def run(self, progress: Progress) -> tuple[Done, ...]:
        """Take every step, in order; raises PipelineError at the first that fails."""
        known = self._known_failures() if self.plan.steps else frozenset()
        executor = _Executor(self.wanted, self.clients, self.clock, self.verify, known)

        def take(step: Step) -> str:
            return executor.take(step, progress)

        return take_steps(self.plan.steps, take, self.clock, progress)

    def _known_failures(self) -> frozenset[str]:
        """Return the launches that failed before this rollout; they say nothing about it."""
        environment = self.wanted.environment
        if find_group(self.clients, environment.head_group, "") is None:
            return frozenset()
        return frozenset(f.id for f in find_failures(self.clients, environment.head_group))


@dataclass(frozen=True)
class _Executor:
    """What the steps share: each link of the chain, found or made when first asked for."""

    wanted: Wanted
    clients: Clients
    clock: Clock
    verify: Verifier
    known_failures: frozenset[str]

    def take(self, step: Step, progress: Progress) -> str:
        """Take one step; return what came of it, in words."""
        match step:
            case steps.ChangeFoundation():
                return self._change_foundation(step, progress)
            case steps.MakeSecret():
                return self._make_secret()
            case steps.StoreRelease():
                return self._store(self.wanted.release_document())
            case steps.PutTemplate():
                version = self.worker if step.role == "worker" else self.head
                return f"{version.template_id} version {version.number}"
            case steps.StoreAutoscaler():
                return self._store(self.autoscaler)
            case steps.PutGroup():
                return self._put_group()
            case steps.EndHead():
                return self._end_head(step.instance_id)
            case steps.AwaitHeads():
                return self._await_heads(progress)
            case steps.AwaitEndpoint():
                return self._await_endpoint(progress)
            case steps.AwaitWorkers():
                return self._await_workers(progress)
            case steps.Verify():
                return self.verify(progress)
            case steps.PointToRelease():
                return self._point()
        raise AssertionError(step)

    @cached_property
    def foundation(self) -> Foundation:
        found = find_foundation(self.clients, self.wanted.environment)
        if found is None:
            raise PipelineError(
                f"the stack {self.wanted.environment.stack} is not there", hint="deploy again"
            )
        return found

    @cached_property
    def worker(self) -> TemplateVersion:
        content = self.wanted.worker_content(self.foundation)
        tags = self.wanted.tags() | {"raykiln:role": "worker"}
        return ensure_version(self.clients, self.wanted.environment.worker_template, content, tags)

    @cached_property
    def autoscaler(self) -> Document:
        return self.wanted.autoscaler(self.foundation, self.worker)

    @cached_property
    def head(self) -> TemplateVersion:
        content = self.wanted.head_content(self.foundation, self.autoscaler)
        tags = self.wanted.tags() | {"raykiln:role": "head"}
        return ensure_version(self.clients, self.wanted.environment.head_template, content, tags)

    def _change_foundation(self, step: steps.ChangeFoundation, progress: Progress) -> str:
        environment = self.wanted.environment
        apply_foundation(
            self.clients, environment, step.stack, clock=self.clock, progress=progress.say
        )
        return f"{self.foundation.load_balancer_dns_name} behind {self.foundation.head_name}"

    def _make_secret(self) -> str:
        secret = ensure_secret(self.clients, self.wanted.environment.secret, self.wanted.tags())
        return f"version {secret.version}"

    def _store(self, document: Document) -> str:
        bucket = self.foundation.bucket_name
        store_document(self.clients, bucket, document)
        return document.uri(bucket)

    def _put_group(self) -> str:
        refuse_rolling(self._group(), self.head, "what it is launched with has changed")
        group = ensure_group(
            self.clients,
            self.wanted.environment.head_group,
            self.wanted.group(self.foundation, self.head),
            clock=self.clock,
        )
        return f"{group.settings.desired} of version {group.settings.template_version}"

    def _end_head(self, instance_id: str) -> str:
        """End a head of another version; raises Refused when it came into service meanwhile."""
        group = self._group()
        refuse_rolling(group, self.head, "it came into service meanwhile")
        stale = [
            member.instance_id
            for member in (group.members if group else ())
            if not member.goes and member.template_version != self.head.number
        ]
        if instance_id not in stale:
            return "gone already"
        end_member(self.clients, instance_id)
        return "the group launches another"

    def _group(self) -> HeadGroup | None:
        environment = self.wanted.environment
        return find_group(self.clients, environment.head_group, environment.names.lifecycle_hook)

    def _await_heads(self, progress: Progress) -> str:
        watch = Watch(
            self.clients, self.wanted.environment, self.clock, progress, self.known_failures
        )
        try:
            return f"{watch.heads(self.wanted.head_count, self.head.number)} leads"
        except PipelineError as error:
            raise self._halted(error) from error

    def _await_endpoint(self, progress: Progress) -> str:
        watch = Watch(self.clients, self.wanted.environment, self.clock, progress)
        return f"leads to {watch.endpoint(self.foundation)}"

    def _await_workers(self, progress: Progress) -> str:
        watch = Watch(self.clients, self.wanted.environment, self.clock, progress)
        return f"{watch.workers(self.wanted.release.settings.workers_min)} running"

    def _halted(self, error: PipelineError) -> PipelineError:
        """Stop launching heads that fail, unless this cluster has served before."""
        environment = self.wanted.environment
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
        environment, bucket = self.wanted.environment.name, self.foundation.bucket_name
        point_to_release(self.clients, bucket, environment, self.wanted.release)
        return self.wanted.release.id
