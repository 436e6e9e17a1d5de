"""Which links of the chain to the desired state are known before a rollout. Pure: no AWS, no clock.

The links: worker templates → autoscaler YAML, and head template. A link is known if the foundation
keeps its outputs, what its nodes have of their own exists, and a template version with the desired
content exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.cluster.launch_template import Template, TemplateVersion
from deploy.cluster.state import ClusterState
from deploy.foundation.stack import Foundation
from deploy.foundation.stack_plan import NodesPlan, StackPlan
from deploy.plan.desired_state import DesiredState
from deploy.release.autoscaler_override import node_types
from deploy.release.config_bucket import Document
from deploy.release.template_content import TemplateContent
from node.contract import AUTOSCALER_TAG


@dataclass(frozen=True)
class Chain:
    """The known links; None, or a group that is missing, means "known after the steps before it".

    ``removed``: groups that are not desired, and that a head's autoscaler may still know.
    """

    workers: Mapping[str, TemplateVersion] = field(default_factory=dict)
    autoscaler: Document | None = None
    head: TemplateVersion | None = None
    removed: tuple[str, ...] = ()

    @property
    def head_version(self) -> int | None:
        """Return the number of the head template's version, which tells stale heads apart."""
        return self.head.number if self.head else None


def known_chain(
    desired: DesiredState, state: ClusterState, plan: StackPlan, nodes: NodesPlan
) -> Chain:
    """Return the chain as far as it is known."""
    found, removed = state.foundation, removed_groups(desired, state)
    if found is None or not _keeps_outputs(plan) or desired.lacks_redis(found):
        return Chain(removed=removed)
    if not nodes.widening.replaces_nothing:
        return Chain(removed=removed)
    workers = _worker_versions(desired, state, found)
    head = None
    if found.is_ready_for_heads(desired.release.settings):
        head = _version(state.head_template, desired.head_content(found))
    if len(workers) < len(desired.groups):
        return Chain(workers, None, head, removed)
    without = desired.autoscaler(found, workers)
    if not removed or _is_over(state, removed, without.uri(found.bucket_name)):
        return Chain(workers, without, head)
    return Chain(workers, desired.autoscaler(found, workers, removed), head, removed)


def removed_groups(desired: DesiredState, state: ClusterState) -> tuple[str, ...]:
    """Return the groups that are not desired, but have workers or a launch template.

    A group's template is created before an autoscaler knows the group, and deleted when none does
    any more. Node types of a person's own are none of ours.
    """
    kept = {group.name for group in desired.groups}
    kept |= node_types(desired.release.settings)
    found = {worker.group for worker in state.workers if worker.is_there}
    found |= {template.group for template in state.worker_templates}
    return tuple(sorted(found - kept))


def actions_of(plan: StackPlan) -> tuple[str, ...]:
    """Return what the plan does to each resource of the stack."""
    return tuple(change.action for change in plan.changes)


def _is_over(state: ClusterState, removed: tuple[str, ...], uri: str) -> bool:
    """Say whether removed groups have no workers, and every head uses the YAML without them."""
    if any(worker.group in removed and worker.is_there for worker in state.workers):
        return False
    group = dict(state.group.settings.tags).get(AUTOSCALER_TAG) if state.group else None
    lease = state.lease.autoscaler if state.lease and not state.lease.released else None
    heads = {head.autoscaler for head in state.heads if head.is_there}
    return {group, lease} | heads == {uri}


def _worker_versions(
    desired: DesiredState, state: ClusterState, foundation: Foundation
) -> dict[str, TemplateVersion]:
    found = {
        group.name: _version(
            state.worker_template(desired.environment.worker_template_of(group.name)),
            desired.worker_content(foundation, group),
        )
        for group in desired.groups
        if foundation.is_ready_for(group)
    }
    return {name: version for name, version in found.items() if version}


def _version(template: Template | None, content: TemplateContent) -> TemplateVersion | None:
    return template.version_with(content) if template else None


def _keeps_outputs(plan: StackPlan) -> bool:
    """Say whether the stack's outputs stay the same: no resource is replaced or removed."""
    return not plan.is_new and plan.replaces_nothing
