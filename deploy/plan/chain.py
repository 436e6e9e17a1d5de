"""How far the way to what is wanted is known beforehand. Pure: no AWS, no clock.

The links: worker template → autoscaler YAML, and head template; each known while the foundation
keeps what it gives, and a version that says what is wanted is there.
"""

from dataclasses import dataclass

from deploy.cluster.launch_template import Template, TemplateVersion
from deploy.cluster.state import ClusterState, Instance
from deploy.foundation.stack_plan import StackPlan
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import Strategy
from deploy.release.config_bucket import Document
from deploy.release.template_content import TemplateContent


@dataclass(frozen=True)
class Chain:
    """The links that are known; None is "known after the steps before it"."""

    worker: TemplateVersion | None = None
    autoscaler: Document | None = None
    head: TemplateVersion | None = None

    @property
    def number(self) -> int | None:
        """Return the head template's version, by which heads are told apart."""
        return self.head.number if self.head else None


def chain_of(desired: DesiredState, state: ClusterState, plan: StackPlan) -> Chain:
    """Follow the chain as far as it is known."""
    found = state.foundation
    if found is None or not _keeps_outputs(plan) or desired.lacks_redis(found):
        return Chain()
    worker = _version(state.worker_template, desired.worker_content(found))
    return Chain(
        worker,
        desired.autoscaler(found, worker) if worker else None,
        _version(state.head_template, desired.head_content(found)),
    )


def _version(template: Template | None, content: TemplateContent) -> TemplateVersion | None:
    return template.version_with(content) if template else None


def _keeps_outputs(plan: StackPlan) -> bool:
    """What the stack gives stays as it is: nothing is made anew."""
    return not plan.is_new and set(actions_of(plan)) <= {"add", "change"}


def actions_of(plan: StackPlan) -> tuple[str, ...]:
    return tuple(change.action for change in plan.changes)


def strategy_of(desired: DesiredState, state: ClusterState, chain: Chain) -> Strategy:
    """Say how a cluster that serves, if there is one, comes to what is wanted."""
    serving = state.group.serving if state.group else ()
    if not serving:
        return "first"
    if any(member.template_version != chain.number for member in serving):
        before = state.release.worker.ray_version if state.release else ""
        same_ray = before in ("", desired.release.head.ray_version)
        return "hand-over" if same_ray else "whole cluster"
    stale = stale_workers(desired, state, known=chain.worker is not None)
    return "workers" if stale else "in place"


def stale_workers(
    desired: DesiredState, state: ClusterState, *, known: bool
) -> tuple[Instance, ...]:
    """Return the workers launched with something else; all of them unless the wanted content is
    ``known``: a version with it is there.
    """
    if state.foundation is None:
        return ()
    content = desired.worker_content(state.foundation).digest if known else ""
    return tuple(worker for worker in state.workers if worker.content != content)
