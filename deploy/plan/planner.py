"""Decide what a deploy has to do. Pure: no AWS, no clock.

The plan follows the chain foundation → worker templates → autoscaler YAML → head template → group.
Each link is named by the one before it, so a change in one makes the rest "known after"; a step
reads again when its turn comes, and changes nothing that is as desired. How the cluster is then
rolled, checked and recorded: roll.py.
"""

import json
from collections import Counter
from dataclasses import replace

from common.errors import Refused
from deploy.cluster.head_group import group_changes, room_for, unwanted
from deploy.cluster.launch_template import Template
from deploy.cluster.state import ClusterState
from deploy.foundation.stack_plan import NO_NODES_PLAN, NodesPlan, StackPlan
from deploy.plan.chain import Chain, actions_of, known_chain
from deploy.plan.desired_state import DesiredState
from deploy.plan.roll import plan_roll
from deploy.plan.state_secret import create_state_secret
from deploy.plan.steps import (
    ChangeFoundation,
    CreateSecret,
    EnsureGroup,
    EnsureLaunchTemplate,
    ForgetGroups,
    NarrowNodes,
    Plan,
    Step,
    StoreAutoscaler,
    StoreRelease,
    TerminateHeads,
    UpdateAutoscaler,
    WidenNodes,
)
from deploy.plan.strategy import ROLLS, choose_strategy
from deploy.release.autoscaler_override import launching_types, node_types
from deploy.release.autoscaler_yaml import mistakes_of
from deploy.release.release import differences
from deploy.release.settings import Role

REDIS = "AWS::ElastiCache::ReplicationGroup"
LATER = "known after the steps before it"


def plan_deploy(
    desired: DesiredState,
    state: ClusterState,
    foundation: StackPlan,
    nodes: NodesPlan = NO_NODES_PLAN,
) -> Plan:
    """Return the steps from the current state to the desired state.

    Raises Refused if Ray would refuse the autoscaler's configuration, the autoscaler would lose a
    node type of a person's own, heads in service their Redis, a group has no subnet, or the
    password of a Redis is in no parameter that is known.
    """
    _refuse_what_ray_refuses(desired, state)
    _refuse_to_lose_node_types(desired, state)
    _refuse_to_lose_redis(state, foundation)
    _refuse_zones_without_subnets(desired, state)
    chain = known_chain(desired, state, foundation, nodes)
    strategy = choose_strategy(desired, state, chain)
    changes = (
        *_create_secret(desired, state),
        *create_state_secret(desired, state),
        *_change_foundation(foundation),
        *_widen_nodes(nodes.widening),
        *_store_release(desired, state),
        *_worker_templates(desired, state, chain),
        *_store_autoscaler(desired, state, chain),
        *_head_template(desired, state, chain),
        *_ensure_group(desired, state, chain),
        *_terminate_unwanted(desired, state, chain),
        *_update_autoscaler(desired, state, chain),
    )
    rolls = strategy in ROLLS
    begun = bool(changes or chain.removed) or rolls
    rolled = plan_roll(desired, state, chain, strategy, changed=begun)
    steps = (*changes, *rolled, *_narrow_nodes(nodes.narrowing))
    if not steps:
        strategy = "nothing"
    return Plan(
        desired.environment.name,
        desired.release.id,
        steps,
        strategy,
        previous=state.release if rolls or _may_be_refused(steps) else None,
        differences=differences(state.release, desired.release) if state.release else (),
        removed=chain.removed,
    )


def _may_be_refused(steps: tuple[Step, ...]) -> bool:
    """Say whether the leader tries another configuration, which it may refuse."""
    return any(isinstance(step, UpdateAutoscaler | ForgetGroups) for step in steps)


def _refuse_what_ray_refuses(desired: DesiredState, state: ClusterState) -> None:
    """A stored release may be from before this check; one that is served already may go on."""
    release = desired.release
    if release == state.release:
        return
    settings, ray = release.settings, release.head.ray_version
    override = json.loads(settings.autoscaler_override)
    if mistakes := mistakes_of(desired.environment, settings, override, ray):
        raise Refused(
            f"Ray {ray} would refuse the autoscaler configuration of release {release.id}:\n  "
            + "\n  ".join(mistakes),
            hint="choose another release, or correct what autoscaler_file names",
        )


def _refuse_to_lose_node_types(desired: DesiredState, state: ClusterState) -> None:
    """Ray's autoscaler v2 stops scaling at a node of a type that is not in its configuration.

    Seen in Ray 2.60, autoscaler/v2/scheduler.py, ``_enforce_max_workers_per_type``. Only types of a
    person's own are refused: workers of a group that is removed are drained.
    """
    if state.release is None:
        return
    before = node_types(state.release.settings)
    after = node_types(desired.release.settings)
    after |= {group.name for group in desired.groups}
    launched = launching_types(state.release.settings)
    alive = {worker.node_type for worker in state.workers}
    if lost := sorted((before - after) & (launched | alive)):
        raise Refused(
            f"the autoscaler would lose the node types {', '.join(lost)}, "
            "and stop scaling while workers of them run",
            hint="keep them in autoscaler_file with max_workers: 0, deploy, and remove them when "
            "no worker is left",
        )


def _refuse_zones_without_subnets(desired: DesiredState, state: ClusterState) -> None:
    if state.foundation:
        for group in desired.groups:
            desired.subnets(state.foundation, group)


def _refuse_to_lose_redis(state: ClusterState, plan: StackPlan) -> None:
    """A GCS ends when the Redis that keeps its state is deleted."""
    address = state.foundation.state_address if state.foundation else ""
    lost = [change for change in plan.changes if change.type == REDIS and change.discards_resource]
    if lost and state.keeps_state_in(address):
        raise Refused(
            f"heads in service keep Ray's state in {address}, which would be deleted",
            hint='deploy with state = "none" first, then remove redis_node_type',
        )


def _create_secret(desired: DesiredState, state: ClusterState) -> tuple[Step, ...]:
    if state.secret:
        return ()
    return (CreateSecret(f"secret {desired.environment.secret}", "generated, never shown", "+"),)


def _change_foundation(plan: StackPlan) -> tuple[Step, ...]:
    if plan.is_empty:
        return ()
    why = ", ".join(f"{action} {count}" for action, count in Counter(actions_of(plan)).items())
    sign = "+" if plan.is_new else "~"
    return (ChangeFoundation(f"stack {plan.stack}", why or "tags or outputs", sign, plan),)


def _widen_nodes(plan: StackPlan) -> tuple[Step, ...]:
    if plan.is_empty:
        return ()
    return (WidenNodes(f"stack {plan.stack}", _each_change(plan), "+" if plan.is_new else "~"),)


def _narrow_nodes(plan: StackPlan) -> tuple[Step, ...]:
    if plan.is_empty:
        return ()
    return (NarrowNodes(f"stack {plan.stack}, what is not needed", _each_change(plan), "-"),)


def _each_change(plan: StackPlan) -> str:
    return ", ".join(map(str, plan.changes)) or "tags or outputs"


def _store_release(desired: DesiredState, state: ClusterState) -> tuple[Step, ...]:
    if desired.release_document().key in state.keys:
        return ()
    release = desired.release
    why = ", ".join(f"{name} {image.ami_id}" for name, image in release.images)
    return (StoreRelease(f"release {release.id}", why, "+"),)


def _worker_templates(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    names = {g: desired.environment.worker_template_of(g.name) for g in desired.groups}
    return tuple(
        _ensure_template(
            name, "worker", state.worker_template(name), group.image.ami_id, group.name
        )
        for group, name in names.items()
        if group.name not in chain.workers
    )


def _head_template(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    if chain.head:
        return ()
    name, template = desired.environment.head_template, state.head_template
    return (_ensure_template(name, "head", template, desired.release.head.ami_id),)


def _ensure_template(
    name: str, role: Role, template: Template | None, ami_id: str, group: str = ""
) -> EnsureLaunchTemplate:
    what = f"launch template {name}"
    if template is None:
        return EnsureLaunchTemplate(what, f"{ami_id}, version 1", "+", role, group)
    newest = template.versions[0]
    if newest.content.ami_id != ami_id:
        why = f"image {newest.content.ami_id} → {ami_id}"
    else:
        why = f"a version with other settings than {newest.number}: a new one, or one that matches"
    return EnsureLaunchTemplate(what, why, "~", role, group)


def _store_autoscaler(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    if chain.autoscaler and chain.autoscaler.key in state.keys:
        return ()
    why = [f"{g.min} to {g.max} workers of {g.words}" for g in desired.groups]
    if len(why) > 1:
        why = [f"{g.name}: {words}" for g, words in zip(desired.groups, why, strict=True)]
    why += [f"{name}: none is launched any more" for name in chain.removed]
    return (StoreAutoscaler("autoscaler configuration", "; ".join(why), "+"),)


def _ensure_group(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    name, found = f"group {desired.environment.head_group}", state.group
    if found is None:
        return (EnsureGroup(name, f"heads: {desired.head_count}", "+"),)
    if chain.head is None or chain.autoscaler is None or state.foundation is None:
        return (EnsureGroup(name, LATER, "~"),)
    room = room_for(
        found,
        desired.head_count,
        chain.head.number,
        launch_first=desired.environment.rollout.launch == "first",
    )
    group = desired.group(state.foundation, chain.head, chain.autoscaler)
    changes = group_changes(replace(group, desired=room), found.settings)
    return (EnsureGroup(name, "; ".join(changes), "~"),) if changes else ()


def _terminate_unwanted(
    desired: DesiredState, state: ClusterState, chain: Chain
) -> tuple[Step, ...]:
    """Terminate stale heads that were never in service, or that leave no room for successors."""
    if state.group is None:
        return ()
    leader = state.lease.holder if state.lease and not state.lease.released else ""
    heads = unwanted(state.group, desired.head_count, chain.head_version, leader)
    if not heads:
        return ()
    ids = tuple(member.instance_id for member in heads)
    why = "stale, in the place of new ones" if heads[-1].serves else "stale, never in service"
    return (TerminateHeads(f"head {', '.join(ids)}", why, "-", "unwanted", ids),)


def _update_autoscaler(
    desired: DesiredState, state: ClusterState, chain: Chain
) -> tuple[Step, ...]:
    """Have heads that stay use the desired autoscaler configuration."""
    if state.group is None or state.foundation is None:
        return ()
    fresh = {member.instance_id for member in state.group.fresh(chain.head_version)}
    uri = chain.autoscaler.uri(state.foundation.bucket_name) if chain.autoscaler else ""
    behind = [h.id for h in state.heads if h.id in fresh and h.autoscaler != uri]
    lease = state.lease
    if lease and lease.holder in fresh and not lease.released and lease.autoscaler != uri:
        behind.append(lease.holder)
    if not behind:
        return ()
    why = ", ".join(dict.fromkeys(behind))
    return (UpdateAutoscaler("autoscaler configuration of the head", why, "~"),)
