"""Decide how a cluster goes over to what was prepared, and is checked. Pure: no AWS, no clock.

A cluster that serves is rolled: see docs/rollout.md. Only what is there now and what is wanted
decide, so a rollout that was killed anywhere is finished, or undone, by planning anew.
"""

from deploy.cluster.state import ClusterState
from deploy.plan.chain import Chain, stale_workers
from deploy.plan.desired_state import Wanted
from deploy.plan.steps import (
    DRAINS,
    HANDS_OVER,
    ROLLS,
    AwaitEndpoint,
    AwaitHeads,
    AwaitStandby,
    AwaitWorkers,
    EndHeads,
    HandOver,
    Manner,
    PointToRelease,
    RollWorkers,
    SetDefaults,
    Step,
    Verify,
    WatchAlarms,
)


def finish(
    wanted: Wanted, state: ClusterState, chain: Chain, manner: Manner, *, changed: bool
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
        *(_roll_and_verify(wanted, state, chain, least) if manner in DRAINS else ()),
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
    wanted: Wanted, state: ClusterState, chain: Chain, least: int
) -> tuple[Step, ...]:
    """Return how stale workers are replaced, and that the cluster is well after it."""
    roll = _roll(wanted, state, chain, at_once=False)
    return (*roll, *_well(least)) if roll else ()


def _hand_over(
    wanted: Wanted, state: ClusterState, chain: Chain, manner: Manner
) -> tuple[Step, ...]:
    """Return how the lease comes to a head of the wanted version."""
    if manner not in HANDS_OVER:
        return ()
    stale = _stale_heads(state, chain)
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
    chain: Chain,
    manner: Manner,
    surplus: tuple[str, ...],
) -> tuple[Step, ...]:
    """End what the cluster has been verified without."""
    first = wanted.environment.rollout.launch == "first"
    stale = _stale_heads(state, chain) if first and manner in HANDS_OVER else ()
    living = len(state.group.living) if state.group else 0
    others = [name for name in surplus if name not in stale]
    names = (*stale, *others[: max(0, living - len(stale) - wanted.head_count)])
    if not names:
        return ()
    why = "not needed any more"
    return (EndHeads(f"head {', '.join(names)}", why, "-", "retired"),)


def _stale_heads(state: ClusterState, chain: Chain) -> tuple[str, ...]:
    """Return the heads in service that are of another version."""
    stale = state.group.stale(chain.number) if state.group else ()
    return tuple(member.instance_id for member in stale if member.serves)


def _surplus(wanted: Wanted, state: ClusterState) -> tuple[str, ...]:
    """Return heads beyond those wanted that do not lead."""
    if state.group is None or len(state.group.living) <= wanted.head_count:
        return ()
    leads = state.lease.holder if state.lease else ""
    others = [m.instance_id for m in state.group.living if m.instance_id != leads]
    return tuple(others[: len(state.group.living) - wanted.head_count])


def _roll(wanted: Wanted, state: ClusterState, chain: Chain, *, at_once: bool) -> tuple[Step, ...]:
    stale = stale_workers(wanted, state, known=chain.worker is not None)
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
    if manner not in ROLLS or not seconds:
        return ()
    return (WatchAlarms(f"watch the alarms for {seconds} s", "", "…"),)


def _defaults(state: ClusterState, chain: Chain) -> tuple[Step, ...]:
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
