"""Deploy the document pipeline: plan it, then carry it out. Touches AWS.

Nothing is remembered here: CloudFormation knows the stack, ECR the image. A run that was killed
anywhere is continued by the next one, which finds what is left to do. A new pipeline takes two
steps, since its image is pushed to a repository of its own stack.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused, RolledBack
from common.progress import Progress
from common.waiting import Clock
from deploy.documents.desired_stack import desired_stack
from deploy.documents.document_checks import await_use
from deploy.documents.failures import explained, log_groups
from deploy.documents.image import Images
from deploy.documents.keys import missing_keys, store_keys
from deploy.documents.pipeline import PORT, Pipeline, find_pipeline
from deploy.documents.plan import DeployPlan
from deploy.documents.preflight import preflight
from deploy.documents.services import CLUSTER, await_steady, start_anew, start_tasks
from deploy.documents.zones import zones_for
from deploy.foundation.desired_stack import DesiredStack
from deploy.foundation.stack import Foundation, Stack, find_foundation, find_stack
from deploy.foundation.stack_changes import apply_stack, plan_stack, usable_stack
from deploy.foundation.stack_plan import StackPlan
from deploy.plan.finding import Finding
from deploy.plan.road_preflight import way_findings

REPOSITORY = "ECRRepositoryUri"


@dataclass(frozen=True)
class Deployment:
    """One deploy of an environment's pipeline; ``force`` replaces tasks that have not changed."""

    environment: Environment
    clients: Clients
    clock: Clock
    images: Images
    force: bool = False
    in_use: Callable[..., str] = field(default=await_use)
    way: Callable[..., tuple[Finding, ...]] = field(default=way_findings)

    def plan(self) -> DeployPlan:
        """Return what would be done; changes nothing.

        Raises Refused with all that would make it fail later.
        """
        if self.force and self._on_cluster:
            raise Refused(
                "--force replaces tasks, and on the cluster there are none",
                hint=f"invoke deploy --env {self.environment.name} replaces its instances",
            )
        stack = self._stack()
        cluster, ways = self._cluster(), self._ways(stack)
        findings = preflight(self.clients, self.environment, stack, cluster, ways)
        outputs = stack.outputs if stack else {}
        image = self._image(outputs)
        return DeployPlan(
            stack=plan_stack(self.clients, self._desired(stack, image), clock=self.clock),
            image=self.images.words,
            is_built=self._on_cluster or "@" in image,
            is_paused=_is_paused(stack),
            keys=missing_keys(self.clients, self.environment.documents, outputs),
            force=self.force,
            findings=findings,
        )

    def _ways(self, stack: Stack | None) -> tuple[Finding, ...]:
        """Return what keeps this machine from what will answer."""
        if self._on_cluster:
            return self.way(self.environment.head_dns, PORT, False)
        creates = stack is None and self.environment.documents.network == "own"
        return self.way(f"head.{self.environment.documents_stack}.internal", PORT, creates)

    def run(
        self,
        plan: DeployPlan,
        progress: Progress,
        *,
        keys: Mapping[str, str] | None = None,
        accept_losses: bool = False,
    ) -> Pipeline:
        """Carry the plan out, and return what is deployed.

        ``keys`` are the values of those that the plan asks for. Raises Refused when the stack would
        change otherwise than planned; PipelineError, saying what tasks said last, when it failed;
        RolledBack when the previous state serves again.
        """
        given = keys or {}
        _refuse_losses(plan, accept_losses)
        if absent := set(plan.keys) - set(given):
            raise Refused(
                f"there is no value for {', '.join(sorted(absent))}",
                hint="deploy on a terminal, which asks for it",
            )
        if self._on_cluster:
            return self._on_the_group(plan, given, progress)
        stack = self._stack()
        if stack is None:
            progress.begin(f"stack {self.environment.documents_stack}")
            stack = self._apply(None, "", plan, progress)
            progress.end("created")
        store_keys(self.clients, stack.outputs, given)
        progress.begin(f"image {self.images.words}")
        image = self.images.ensure(stack.outputs[REPOSITORY], progress.say)
        progress.end(image.partition("@")[2] or image)
        return self._start(stack, image, plan, progress)

    @property
    def _on_cluster(self) -> bool:
        return self.environment.documents.on_cluster

    def _on_the_group(
        self, plan: DeployPlan, keys: Mapping[str, str], progress: Progress
    ) -> Pipeline:
        """Bring the stack to its desired state; the group's instances do the rest."""
        progress.begin(f"stack {self.environment.documents_stack}")
        stack = self._apply(self._stack(), "", plan, progress)
        progress.end("as it should be")
        store_keys(self.clients, stack.outputs, keys)
        pipeline = find_pipeline(self.clients, self.environment)
        progress.begin("in use")
        if pipeline.paused:
            progress.end("paused")
            return pipeline
        seen = self.in_use(pipeline, self.clients, clock=self.clock, progress=progress.say)
        progress.end(seen)
        return pipeline

    def _start(self, stack: Stack, image: str, plan: DeployPlan, progress: Progress) -> Pipeline:
        """Let head and workers run this image, and wait until they are used."""
        progress.begin("head and workers")
        with self._explaining(may_roll_back=True):
            self._apply(stack, image, plan, progress)
        pipeline = find_pipeline(self.clients, self.environment)
        if pipeline.paused:
            progress.end("paused")
            return pipeline
        with self._explaining():
            if self.force:
                start_anew(self.clients, pipeline.outputs)
            start_tasks(self.clients, pipeline.outputs, pipeline.least_tasks)
            await_steady(
                self.clients,
                pipeline.outputs,
                least=pipeline.least_tasks,
                clock=self.clock,
                progress=progress.say,
            )
            progress.end("steady")
            progress.begin("in use")
            seen = self.in_use(pipeline, self.clients, clock=self.clock, progress=progress.say)
            progress.end(seen)
        return pipeline

    def _apply(
        self, stack: Stack | None, image: str, plan: DeployPlan, progress: Progress
    ) -> Stack:
        """Bring the stack to its desired state, unless that is not what was planned."""

        def refuse(now: StackPlan) -> None:
            if not _is_as_planned(now, plan.stack):
                raise Refused(
                    f"the stack {now.stack} has changed since the plan was made",
                    hint="deploy again, and see the new plan",
                )

        return apply_stack(
            self.clients,
            self._desired(stack, image),
            clock=self.clock,
            progress=progress.say,
            refuse=refuse,
        )

    def _stack(self) -> Stack | None:
        """Return the stack once nothing changes it; None when it has to be created."""
        name = self.environment.documents_stack
        return usable_stack(self.clients, name, clock=self.clock)

    def _image(self, outputs: Mapping[str, str]) -> str:
        """Return the image to deploy: by its digest, or by its tag while it is not built."""
        if REPOSITORY not in outputs:
            return self.environment.documents.image
        uri = outputs[REPOSITORY]
        return self.images.find(uri) or f"{uri}:{self.images.words}"

    def _desired(self, stack: Stack | None, image: str) -> DesiredStack:
        return desired_stack(
            self.environment,
            image=image,
            paused=_is_paused(stack),
            cluster=self._cluster(),
            zones=zones_for(self.clients, self.environment, stack),
        )

    def _cluster(self) -> Foundation | None:
        documents = self.environment.documents
        if documents.network == "own" and not documents.on_cluster:
            return None
        return find_foundation(self.clients, self.environment)

    @contextmanager
    def _explaining(self, *, may_roll_back: bool = False) -> Iterator[None]:
        """Add to an error what the tasks said; it is another one when the change was undone."""
        try:
            yield
        except Refused:
            raise
        except PipelineError as error:
            stack = find_stack(self.clients, self.environment.documents_stack)
            outputs = stack.outputs if stack else {}
            cluster = outputs.get(CLUSTER, self.environment.documents_stack)
            message = explained(error, self.clients, cluster, log_groups(outputs))
            if may_roll_back and stack and stack.status == "UPDATE_ROLLBACK_COMPLETE":
                hint = "what ran before runs again; correct what is named, and deploy again"
                raise RolledBack(message, hint=hint) from error
            raise type(error)(message, hint=error.hint) from error


def _refuse_losses(plan: DeployPlan, accept_losses: bool) -> None:
    if plan.losses and not accept_losses:
        raise Refused(
            "this would lose data:\n" + "\n".join(f"  {loss}" for loss in plan.losses),
            hint="revert the change, or give --accept-losses",
        )


def _is_paused(stack: Stack | None) -> bool:
    return stack is not None and stack.is_paused


def _is_as_planned(now: StackPlan, planned: StackPlan) -> bool:
    """Say whether a change set does what was shown.

    A new stack's second step adds what needs the image. An image that was not built yet changes
    nothing else than one that was: what differs is its name.
    """
    if planned.is_new and not now.is_new:
        return now.replaces_nothing
    return now.changes == planned.changes
