"""Decide what a deploy has to do. Pure: no AWS, no clock.

The plan follows the chain foundation → worker template → autoscaler YAML → head template → group.
What a link will be called is known only once the one before it is there, so a change in one makes
the rest "known after"; each step looks again when its turn comes, and does nothing it need not.
Last comes how the cluster goes over to all that: roll_plan.py.
"""

from collections import Counter
from dataclasses import replace

from common.errors import Refused
from deploy.cluster.head_group import group_changes, room_for
from deploy.cluster.launch_template import Template
from deploy.cluster.state import ClusterState
from deploy.foundation.stack_plan import StackPlan
from deploy.plan.chain import Chain, actions_of, chain_of, strategy_of
from deploy.plan.desired_state import DesiredState
from deploy.plan.roll import finish
from deploy.plan.steps import (
    ROLLS,
    ChangeFoundation,
    CreateSecret,
    Plan,
    PutGroup,
    PutTemplate,
    Step,
    StoreAutoscaler,
    StoreRelease,
    TerminateHeads,
    UpdateAutoscaler,
)
from deploy.release.release import Role, differences, node_types

REDIS = "AWS::ElastiCache::ReplicationGroup"
LATER = "known after the steps before it"


def plan_deploy(desired: DesiredState, state: ClusterState, foundation: StackPlan) -> Plan:
    """Return the steps from what is there to what is wanted.

    Raises Refused when a node type would vanish under the workers that are of it.
    """
    _refuse_lost_types(desired, state)
    _refuse_lost_redis(state, foundation)
    chain = chain_of(desired, state, foundation)
    strategy = strategy_of(desired, state, chain)
    changes = (
        *_secret(desired, state),
        *_foundation(foundation),
        *_release(desired, state),
        *_worker_template(desired, state, chain),
        *_autoscaler(desired, state, chain),
        *_head_template(desired, state, chain),
        *_group(desired, state, chain),
        *_never_in_service(state, chain),
        *_follow(desired, state, chain),
    )
    roll = strategy in ROLLS
    steps = (*changes, *finish(desired, state, chain, strategy, changed=bool(changes) or roll))
    if not steps:
        strategy = "nothing"
    return Plan(
        desired.environment.name,
        desired.release.id,
        steps,
        strategy,
        previous=state.release if roll else None,
        differences=differences(state.release, desired.release) if state.release else (),
    )


def _refuse_lost_types(desired: DesiredState, state: ClusterState) -> None:
    """Ray's autoscaler v2 stops scaling at a node of a type that its configuration does not know.

    Seen in Ray 2.60, autoscaler/v2/scheduler.py, ``_enforce_max_workers_per_type``.
    """
    before = node_types(state.release.settings) if state.release else frozenset()
    if lost := sorted(before - node_types(desired.release.settings)):
        raise Refused(
            f"the autoscaler would lose the node types {', '.join(lost)}, "
            "and stop scaling while workers of them run",
            hint="keep them with max_workers: 0, deploy, and remove them when no worker is left",
        )


def _refuse_lost_redis(state: ClusterState, plan: StackPlan) -> None:
    """A GCS ends with the Redis that it keeps its state in."""
    address = state.foundation.state_address if state.foundation else ""
    lost = [change for change in plan.changes if change.type == REDIS and change.discards_resource]
    if lost and state.keeps_state_in(address):
        raise Refused(
            f"heads that serve keep Ray's state in {address}, which would go",
            hint='deploy with state = "none" first, and take redis_node_type away after that',
        )


def _foundation(plan: StackPlan) -> tuple[Step, ...]:
    if plan.is_empty:
        return ()
    why = ", ".join(f"{action} {count}" for action, count in Counter(actions_of(plan)).items())
    sign = "+" if plan.is_new else "~"
    return (ChangeFoundation(f"stack {plan.stack}", why or "tags or outputs", sign, plan),)


def _secret(desired: DesiredState, state: ClusterState) -> tuple[Step, ...]:
    if state.secret:
        return ()
    return (CreateSecret(f"secret {desired.environment.secret}", "made here, never shown", "+"),)


def _release(desired: DesiredState, state: ClusterState) -> tuple[Step, ...]:
    if desired.release_document().key in state.keys:
        return ()
    release = desired.release
    why = f"head {release.head.ami_id}, workers {release.worker.ami_id}"
    return (StoreRelease(f"release {release.id}", why, "+"),)


def _worker_template(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    if chain.worker:
        return ()
    name, template = desired.environment.worker_template, state.worker_template
    return (_template_step(name, "worker", template, desired.release.worker.ami_id),)


def _head_template(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    if chain.head:
        return ()
    name, template = desired.environment.head_template, state.head_template
    return (_template_step(name, "head", template, desired.release.head.ami_id),)


def _template_step(name: str, role: Role, template: Template | None, ami_id: str) -> PutTemplate:
    if template is None:
        return PutTemplate(f"launch template {name}", f"{ami_id}, version 1", "+", role)
    newest = template.versions[0]
    if newest.content.ami_id != ami_id:
        why = f"image {newest.content.ami_id} → {ami_id}"
    else:
        why = f"a version that differs from {newest.number} in settings, or one that fits"
    return PutTemplate(f"launch template {name}", why, "~", role)


def _autoscaler(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    if chain.autoscaler and chain.autoscaler.key in state.keys:
        return ()
    settings = desired.release.settings
    why = f"{settings.workers_min} to {settings.workers_max} workers of {settings.worker_type}"
    return (StoreAutoscaler("autoscaler configuration", why, "+"),)


def _group(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    name, found = f"group {desired.environment.head_group}", state.group
    if found is None:
        return (PutGroup(name, f"heads: {desired.head_count}", "+"),)
    if chain.head is None or chain.autoscaler is None or state.foundation is None:
        return (PutGroup(name, LATER, "~"),)
    room = room_for(
        found,
        desired.head_count,
        chain.head.number,
        launch_first=desired.environment.rollout.launch == "first",
    )
    group = desired.group(state.foundation, chain.head, chain.autoscaler)
    changes = group_changes(replace(group, desired=room), found.settings)
    return (PutGroup(name, "; ".join(changes), "~"),) if changes else ()


def _never_in_service(state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    """End heads of another version that never came into service: nobody needs them."""
    if state.group is None:
        return ()
    unborn = [m.instance_id for m in state.group.stale(chain.number) if not m.serves]
    if not unborn:
        return ()
    return (
        TerminateHeads(f"head {', '.join(unborn)}", "never in service, not wanted", "-", "unborn"),
    )


def _follow(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    """Tell heads that stay of another autoscaler configuration."""
    if state.group is None or state.foundation is None:
        return ()
    fresh = {member.instance_id for member in state.group.fresh(chain.number)}
    uri = chain.autoscaler.uri(state.foundation.bucket_name) if chain.autoscaler else ""
    behind = [h.id for h in state.heads if h.id in fresh and h.autoscaler != uri]
    lease = state.lease
    if lease and lease.holder in fresh and not lease.released and lease.autoscaler != uri:
        behind.append(lease.holder)
    if not behind:
        return ()
    why = ", ".join(dict.fromkeys(behind))
    return (UpdateAutoscaler("autoscaler configuration of the head", why, "~"),)
