"""Decide what a deploy has to do. Pure: no AWS, no clock.

The plan follows the chain foundation → worker template → autoscaler YAML → head template → group.
What a link will be called is known only once the one before it is there, so a change in one makes
the rest "known after"; each step looks again when its turn comes, and does nothing it need not.

A cluster that serves is rolled: see docs/rollout.md. Only what is there now and what is wanted
decide, so a rollout that was killed anywhere is finished, or undone, by planning anew.
"""

from collections import Counter
from dataclasses import dataclass, replace

from deploy.config_bucket import Document
from deploy.errors import Refused
from deploy.foundation.plan import StackPlan
from deploy.head_group import group_changes, room_for
from deploy.launch_template import Template, TemplateVersion
from deploy.release import Role, differences, node_types
from deploy.state import ClusterState
from deploy.steps import (
    AwaitEndpoint,
    AwaitHeads,
    AwaitStandby,
    AwaitWorkers,
    ChangeFoundation,
    EndHeads,
    FollowAutoscaler,
    HandOver,
    MakeSecret,
    Manner,
    Plan,
    PointToRelease,
    PutGroup,
    PutTemplate,
    RollWorkers,
    SetDefaults,
    Step,
    StoreAutoscaler,
    StoreRelease,
    Verify,
    WatchAlarms,
)
from deploy.template_content import TemplateContent
from deploy.wanted import Wanted

# Where workers that are stale are drained and replaced.
ROLLING = ("workers", "hand-over")
LATER = "known after the steps before it"


@dataclass(frozen=True)
class _Chain:
    """The links of the chain that are known beforehand."""

    worker: TemplateVersion | None = None
    autoscaler: Document | None = None
    head: TemplateVersion | None = None


def plan_deploy(wanted: Wanted, state: ClusterState, foundation: StackPlan) -> Plan:
    """Return the steps from what is there to what is wanted.

    Raises Refused when a node type would vanish under the workers that are of it.
    """
    _refuse_lost_types(wanted, state)
    chain = _chain(wanted, state, foundation)
    manner = _manner(wanted, state, chain)
    changes = (
        *_foundation(foundation),
        *_secret(wanted, state),
        *_release(wanted, state),
        *_worker_template(wanted, state, chain),
        *_autoscaler(wanted, state, chain),
        *_head_template(wanted, state, chain),
        *_group(wanted, state, chain),
        *_unborn_heads(state, chain),
        *_follow(wanted, state, chain),
    )
    roll = manner in ("workers", "hand-over", "whole cluster")
    steps = (*changes, *_finish(wanted, state, chain, manner, changed=bool(changes) or roll))
    if not steps:
        manner = "nothing"
    return Plan(
        wanted.environment.name,
        wanted.release.id,
        steps,
        manner,
        previous=state.release if roll else None,
        differences=differences(state.release, wanted.release) if state.release else (),
    )


def _refuse_lost_types(wanted: Wanted, state: ClusterState) -> None:
    """Ray's autoscaler v2 stops scaling at a node of a type that its configuration does not know.

    Seen in Ray 2.60, autoscaler/v2/scheduler.py, ``_enforce_max_workers_per_type``.
    """
    before = node_types(state.release.settings) if state.release else frozenset()
    if lost := sorted(before - node_types(wanted.release.settings)):
        raise Refused(
            f"the autoscaler would lose the node types {', '.join(lost)}, "
            "and stop scaling while workers of them run",
            hint="keep them with max_workers: 0, deploy, and remove them when no worker is left",
        )


def _chain(wanted: Wanted, state: ClusterState, plan: StackPlan) -> _Chain:
    """Follow the chain as far as it is known."""
    found = state.foundation
    if found is None or not _keeps_outputs(plan):
        return _Chain()
    worker = _version(state.worker_template, wanted.worker_content(found))
    return _Chain(
        worker,
        wanted.autoscaler(found, worker) if worker else None,
        _version(state.head_template, wanted.head_content(found)),
    )


def _version(template: Template | None, content: TemplateContent) -> TemplateVersion | None:
    return template.version_with(content) if template else None


def _number(chain: _Chain) -> int | None:
    return chain.head.number if chain.head else None


def _manner(wanted: Wanted, state: ClusterState, chain: _Chain) -> Manner:
    """Say how a cluster that serves, if there is one, comes to what is wanted."""
    serving = state.group.serving if state.group else ()
    if not serving:
        return "first"
    if any(member.template_version != _number(chain) for member in serving):
        before = state.release.worker.ray_version if state.release else ""
        same_ray = before in ("", wanted.release.head.ray_version)
        return "hand-over" if same_ray else "whole cluster"
    return "workers" if _stale_workers(wanted, state, chain) else "in place"


def _stale_workers(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[str, ...]:
    """Return the workers launched with something else; all of them while that is not known."""
    if state.foundation is None:
        return ()
    content = wanted.worker_content(state.foundation).digest if chain.worker else ""
    return tuple(worker.id for worker in state.workers if worker.content != content)


def _foundation(plan: StackPlan) -> tuple[Step, ...]:
    if plan.is_empty:
        return ()
    why = ", ".join(f"{action} {count}" for action, count in Counter(_actions(plan)).items())
    sign = "+" if plan.is_new else "~"
    return (ChangeFoundation(f"stack {plan.stack}", why or "tags or outputs", sign, plan),)


def _actions(plan: StackPlan) -> tuple[str, ...]:
    return tuple(change.action for change in plan.changes)


def _keeps_outputs(plan: StackPlan) -> bool:
    """What the stack gives stays as it is: nothing is made anew."""
    return not plan.is_new and set(_actions(plan)) <= {"add", "change"}


def _secret(wanted: Wanted, state: ClusterState) -> tuple[Step, ...]:
    if state.secret:
        return ()
    return (MakeSecret(f"secret {wanted.environment.secret}", "made here, never shown", "+"),)


def _release(wanted: Wanted, state: ClusterState) -> tuple[Step, ...]:
    if wanted.release_document().key in state.keys:
        return ()
    release = wanted.release
    why = f"head {release.head.ami_id}, workers {release.worker.ami_id}"
    return (StoreRelease(f"release {release.id}", why, "+"),)


def _worker_template(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    if chain.worker:
        return ()
    name, template = wanted.environment.worker_template, state.worker_template
    return (_template_step(name, "worker", template, wanted.release.worker.ami_id),)


def _head_template(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    if chain.head:
        return ()
    name, template = wanted.environment.head_template, state.head_template
    return (_template_step(name, "head", template, wanted.release.head.ami_id),)


def _template_step(name: str, role: Role, template: Template | None, ami_id: str) -> PutTemplate:
    if template is None:
        return PutTemplate(f"launch template {name}", f"{ami_id}, version 1", "+", role)
    newest = template.versions[0]
    if newest.content.ami_id != ami_id:
        why = f"image {newest.content.ami_id} → {ami_id}"
    else:
        why = f"a version that differs from {newest.number} in settings, or one that fits"
    return PutTemplate(f"launch template {name}", why, "~", role)


def _autoscaler(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    if chain.autoscaler and chain.autoscaler.key in state.keys:
        return ()
    settings = wanted.release.settings
    why = f"{settings.workers_min} to {settings.workers_max} workers of {settings.worker_type}"
    return (StoreAutoscaler("autoscaler configuration", why, "+"),)


def _group(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    name, found = f"group {wanted.environment.head_group}", state.group
    if found is None:
        return (PutGroup(name, f"heads: {wanted.head_count}", "+"),)
    if chain.head is None or chain.autoscaler is None or state.foundation is None:
        return (PutGroup(name, LATER, "~"),)
    room = room_for(
        found,
        wanted.head_count,
        chain.head.number,
        launch_first=wanted.environment.rollout.launch == "first",
    )
    group = wanted.group(state.foundation, chain.head, chain.autoscaler)
    changes = group_changes(replace(group, desired=room), found.settings)
    return (PutGroup(name, "; ".join(changes), "~"),) if changes else ()


def _unborn_heads(state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    """End heads of another version that never came into service: nobody needs them."""
    if state.group is None:
        return ()
    unborn = [m.instance_id for m in state.group.stale(_number(chain)) if not m.serves]
    if not unborn:
        return ()
    return (EndHeads(f"head {', '.join(unborn)}", "never in service, not wanted", "-", "unborn"),)


def _follow(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    """Tell heads that stay of another autoscaler configuration."""
    if state.group is None or state.foundation is None:
        return ()
    fresh = {member.instance_id for member in state.group.fresh(_number(chain))}
    uri = chain.autoscaler.uri(state.foundation.bucket_name) if chain.autoscaler else ""
    behind = [h.id for h in state.heads if h.id in fresh and h.autoscaler != uri]
    lease = state.lease
    if lease and lease.holder in fresh and not lease.released and lease.autoscaler != uri:
        behind.append(lease.holder)
    if not behind:
        return ()
    why = ", ".join(dict.fromkeys(behind))
    return (FollowAutoscaler("autoscaler configuration of the head", why, "~"),)


def _finish(
    wanted: Wanted, state: ClusterState, chain: _Chain, manner: Manner, *, changed: bool
) -> tuple[Step, ...]:
    """Return what rolls, waits and checks: for a change, or for a deploy that was not finished."""
    unready = _unready(wanted, state)
    recorded = state.release == wanted.release
    surplus = _surplus(wanted, state)
    defaults = _defaults(state, chain)
    if not (changed or unready or surplus or defaults) and recorded:
        return ()
    count, least = wanted.head_count, wanted.release.settings.workers_min
    return (
        *_hand_over(wanted, state, chain, manner),
        *(_roll(wanted, state, chain, at_once=True) if manner == "whole cluster" else ()),
        AwaitHeads(f"wait for {count} head{'s' if count > 1 else ''}", unready, "…"),
        AwaitEndpoint(f"wait for {wanted.environment.head_dns}", "", "…"),
        *(_well(least) if manner != "workers" else ()),
        *_retire(wanted, state, chain, manner, surplus),
        *(_roll_and_verify(wanted, state, chain, least) if manner in ROLLING else ()),
        *_watch(wanted, manner),
        *defaults,
        *(() if recorded else (_pointer(wanted),)),
    )


def _well(least: int) -> tuple[Step, ...]:
    return (
        AwaitWorkers(f"wait for {least} worker{'s' if least > 1 else ''}", "", "…"),
        Verify("verify the cluster", "", "…"),
    )


def _roll_and_verify(
    wanted: Wanted, state: ClusterState, chain: _Chain, least: int
) -> tuple[Step, ...]:
    """Return how stale workers are replaced, and that the cluster is well after it."""
    roll = _roll(wanted, state, chain, at_once=False)
    return (*roll, *_well(least)) if roll else ()


def _hand_over(
    wanted: Wanted, state: ClusterState, chain: _Chain, manner: Manner
) -> tuple[Step, ...]:
    """Return how the lease comes to a head of the wanted version."""
    if manner not in ("hand-over", "whole cluster") or state.group is None:
        return ()
    stale = [m.instance_id for m in state.group.stale(_number(chain)) if m.serves]
    leads = state.lease.holder if state.lease and not state.lease.released else ""
    over = HandOver("hand the lease over", f"from {leads or 'nobody'}", "~")
    if wanted.environment.rollout.launch == "first":
        standby = AwaitStandby("wait for the new head to stand by", "", "…", wanted.head_count)
        return (standby, *(() if leads and leads not in stale else (over,)))
    others = [name for name in stale if name != leads]
    ended = EndHeads(f"head {leads}", "before another is there", "-", "leader")
    if not others:
        return (ended,)
    return (
        EndHeads(f"head {', '.join(others)}", "stands by, of another version", "-", "retired"),
        AwaitStandby("wait for the new head to stand by", "", "…", 1),
        over,
        EndHeads(f"head {leads}", "leads no more", "-", "retired"),
    )


def _retire(
    wanted: Wanted,
    state: ClusterState,
    chain: _Chain,
    manner: Manner,
    surplus: tuple[str, ...],
) -> tuple[Step, ...]:
    """End what the cluster has been verified without."""
    stale: tuple[str, ...] = ()
    first = wanted.environment.rollout.launch == "first"
    if first and manner in ("hand-over", "whole cluster") and state.group:
        stale = tuple(m.instance_id for m in state.group.stale(_number(chain)) if m.serves)
    names = tuple(dict.fromkeys((*stale, *surplus)))
    if not names:
        return ()
    why = "not needed any more"
    return (EndHeads(f"head {', '.join(names)}", why, "-", "retired"),)


def _surplus(wanted: Wanted, state: ClusterState) -> tuple[str, ...]:
    """Return heads beyond those wanted that do not lead."""
    if state.group is None or len(state.group.living) <= wanted.head_count:
        return ()
    leads = state.lease.holder if state.lease else ""
    others = [m.instance_id for m in state.group.living if m.instance_id != leads]
    return tuple(others[: len(state.group.living) - wanted.head_count])


def _roll(wanted: Wanted, state: ClusterState, chain: _Chain, *, at_once: bool) -> tuple[Step, ...]:
    stale = _stale_workers(wanted, state, chain)
    if not stale:
        return ()
    workers = f"{len(stale)} worker{'s' if len(stale) > 1 else ''}"
    if at_once:
        why = "their Ray cannot join the new head"
        return (RollWorkers(f"replace {workers}", why, "~", at_once=True),)
    most = wanted.environment.rollout.unavailable(len(state.workers))
    why = f"at most {most} out at a time, drained for up to "
    why += f"{wanted.environment.rollout.drain_seconds} s"
    return (RollWorkers(f"replace {workers}", why, "~", at_once=False),)


def _watch(wanted: Wanted, manner: Manner) -> tuple[Step, ...]:
    seconds = wanted.environment.rollout.watch_seconds
    if manner in ("first", "in place") or not seconds:
        return ()
    return (WatchAlarms(f"watch the alarms for {seconds} s", "", "…"),)


def _defaults(state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    behind = [
        template.name
        for template, version in (
            (state.head_template, chain.head),
            (state.worker_template, chain.worker),
        )
        if template and (version is None or template.default != version.number)
    ]
    if not behind:
        return ()
    return (SetDefaults(f"default version of {', '.join(behind)}", "", "~"),)


def _pointer(wanted: Wanted) -> Step:
    return PointToRelease("current release", wanted.release.id, "~")


def _unready(wanted: Wanted, state: ClusterState) -> str:
    """Say what the cluster lacks now; empty when it serves."""
    serving = len(state.group.serving) if state.group else 0
    if serving < wanted.head_count:
        return f"{serving} of {wanted.head_count} in service"
    if state.leader is None:
        return "nobody leads"
    if not state.is_reachable:
        return "the load balancer does not reach the leader"
    running = [worker for worker in state.workers if worker.state == "running"]
    least = wanted.release.settings.workers_min
    return f"{len(running)} of {least} workers" if len(running) < least else ""
