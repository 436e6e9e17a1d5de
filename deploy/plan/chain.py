"""Which links of the chain to the desired state are known before a rollout. Pure: no AWS, no clock.

The links: worker template → autoscaler YAML, and head template. A link is known if the foundation
keeps its outputs and a template version with the desired content exists.
"""

from dataclasses import dataclass

from deploy.cluster.launch_template import Template, TemplateVersion
from deploy.cluster.state import ClusterState
from deploy.foundation.stack_plan import StackPlan
from deploy.plan.desired_state import DesiredState
from deploy.release.config_bucket import Document
from deploy.release.template_content import TemplateContent


@dataclass(frozen=True)
class Chain:
    """The known links; None means "known after the steps before it"."""

    worker: TemplateVersion | None = None
    autoscaler: Document | None = None
    head: TemplateVersion | None = None

    @property
    def head_version(self) -> int | None:
        """Return the number of the head template's version, which tells stale heads apart."""
        return self.head.number if self.head else None


def known_chain(desired: DesiredState, state: ClusterState, plan: StackPlan) -> Chain:
    """Return the chain as far as it is known."""
    found = state.foundation
    if found is None or not _keeps_outputs(plan) or desired.lacks_redis(found):
        return Chain()
    worker = _version(state.worker_template, desired.worker_content(found))
    return Chain(
        worker,
        desired.autoscaler(found, worker) if worker else None,
        _version(state.head_template, desired.head_content(found)),
    )


def actions_of(plan: StackPlan) -> tuple[str, ...]:
    """Return what the plan does to each resource of the stack."""
    return tuple(change.action for change in plan.changes)


def _version(template: Template | None, content: TemplateContent) -> TemplateVersion | None:
    return template.version_with(content) if template else None


def _keeps_outputs(plan: StackPlan) -> bool:
    """Say whether the stack's outputs stay the same: no resource is replaced or removed."""
    return not plan.is_new and set(actions_of(plan)) <= {"add", "change"}
