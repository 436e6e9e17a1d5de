"""Terminate the heads that a step means, as of now. Touches AWS (EC2 Auto Scaling)."""

from dataclasses import replace

from deploy.cluster.head_group import HeadGroup, Member, room_for, unwanted
from deploy.cluster.state import find_lease
from deploy.plan.steps import TerminateHeads
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.head_group_changes import terminate_member


def terminate_heads(
    access: ClusterAccess, step: TerminateHeads, *, version: int, count: int
) -> str:
    """Terminate what the step means now; the leader only if the step means the leader.

    ``version`` and ``count`` are those of the desired heads. Returns their ids in words.
    """
    group, lease = access.head_group(), find_lease(access.clients, access.environment)
    if group is None:
        return "no group"
    leader = lease.holder if lease and not lease.released else ""
    chosen = _chosen(step, group, leader, version=version, count=count)
    left = replace(group, members=tuple(m for m in group.members if m not in chosen))
    # Successors of unwanted heads are launched at once, as far as there may be more heads.
    first = access.environment.rollout.launch == "first"
    room = room_for(left, count, version, launch_first=first) if step.which == "unwanted" else count
    for member in chosen:
        _terminate(access, member.instance_id, room)
    return ", ".join(member.instance_id for member in chosen) or "terminated before"


def _chosen(
    step: TerminateHeads, group: HeadGroup, leader: str, *, version: int, count: int
) -> list[Member]:
    stale = group.stale(version)
    others = [m for m in stale if m.instance_id != leader]
    if step.which == "leader":
        return [m for m in stale if m.instance_id == leader]
    if step.which == "unwanted":
        leads = any(m.instance_id == leader for m in group.serving)
        meant = [m for m in others if leads and m.instance_id in step.ids]
        return list(dict.fromkeys((*meant, *unwanted(group, count, version, leader))))
    surplus = len(group.living) - len(others) - count
    fresh = [m for m in group.fresh(version) if m.instance_id != leader]
    return [*others, *fresh[: max(0, surplus)]]


def _terminate(access: ClusterAccess, instance_id: str, room: int) -> None:
    """Terminate one head; the group replaces it only if it would have too few otherwise."""
    group = access.head_group()
    if group is None or instance_id not in {m.instance_id for m in group.living}:
        return
    surplus = group.settings.desired > room
    terminate_member(access.clients, instance_id, replaced=not surplus)
