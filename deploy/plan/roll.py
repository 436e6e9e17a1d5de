"""Decide how a cluster goes over to what was prepared, and is checked. Pure: no AWS, no clock.

A cluster that serves is rolled: see docs/rollout.md. Only what is there now and what is wanted
decide, so a rollout that was killed anywhere is finished, or undone, by planning anew.
"""

from deploy.cluster.state import ClusterState
from deploy.plan.chain import Chain, stale_workers
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import (
    DRAINS,
    HANDS_OVER,
    ROLLS,
    AwaitEndpoint,
    AwaitHeads,
    AwaitStandby,
    AwaitWorkers,
    HandOver,
    PointToRelease,
    RollWorkers,
    SetDefaults,
    Step,
    Strategy,
    TerminateHeads,
    Verify,
    WatchAlarms,
)


def finish(
    desired: DesiredState, state: ClusterState, chain: Chain, strategy: Strategy, *, changed: bool
) -> tuple[Step, ...]:
    """Return what rolls, waits and checks: for a change, or for a deploy that was not finished."""
    unready = _unready(desired, state)
    recorded = state.release == desired.release
    surplus = _surplus(desired, state)
    defaults = _defaults(state, chain)
    if not (changed or unready or surplus or defaults) and recorded:
        return ()
    count, least = desired.head_count, desired.release.settings.workers_min
    return (
        *_hand_over(desired, state, chain, strategy),
        *(_roll(desired, state, chain, at_once=True) if strategy == "whole cluster" else ()),
        AwaitHeads(f"wait for {count} head{'s' if count > 1 else ''}", unready, "…"),
        AwaitEndpoint(f"wait for {desired.environment.head_dns}", "", "…"),
        *(_well(least) if strategy != "workers" else ()),
        *_retire(desired, state, chain, strategy, surplus),
        *(_roll_and_verify(desired, state, chain, least) if strategy in DRAINS else ()),
        *_watch(desired, strategy),
        *defaults,
        *(() if recorded else (_pointer(desired),)),
    )


def _well(least: int) -> tuple[Step, ...]:
    return (
        AwaitWorkers(f"wait for {least} worker{'s' if least > 1 else ''}", "", "…"),
        Verify("verify the cluster", "", "…"),
    )


def _roll_and_verify(
    desired: DesiredState, state: ClusterState, chain: Chain, least: int
) -> tuple[Step, ...]:
    """Return how stale workers are replaced, and that the cluster is well after it."""
    roll = _roll(desired, state, chain, at_once=False)
    return (*roll, *_well(least)) if roll else ()


def _hand_over(
    desired: DesiredState, state: ClusterState, chain: Chain, strategy: Strategy
) -> tuple[Step, ...]:
    """Return how the lease comes to a head of the wanted version."""
    if strategy not in HANDS_OVER:
        return ()
    stale = _stale_heads(state, chain)
    leads = state.lease.holder if state.lease and not state.lease.released else ""
    over = HandOver("hand the lease over", f"from {leads or 'nobody'}", "~")
    if desired.environment.rollout.launch == "first":
        standby = AwaitStandby("wait for the new head to stand by", "", "…", desired.head_count)
        return (standby, *(() if leads and leads not in stale else (over,)))
    others = [name for name in stale if name != leads]
    ended = TerminateHeads(f"head {leads}", "before another is there", "-", "leader")
    if not others:
        return (ended,)
    return (
        TerminateHeads(
            f"head {', '.join(others)}", "stands by, of another version", "-", "retired"
        ),
        AwaitStandby("wait for the new head to stand by", "", "…", 1),
        over,
        TerminateHeads(f"head {leads}", "leads no more", "-", "retired"),
    )


def _retire(
    desired: DesiredState,
    state: ClusterState,
    chain: Chain,
    strategy: Strategy,
    surplus: tuple[str, ...],
) -> tuple[Step, ...]:
    """End what the cluster has been verified without."""
    first = desired.environment.rollout.launch == "first"
    stale = _stale_heads(state, chain) if first and strategy in HANDS_OVER else ()
    living = len(state.group.living) if state.group else 0
    others = [name for name in surplus if name not in stale]
    names = (*stale, *others[: max(0, living - len(stale) - desired.head_count)])
    if not names:
        return ()
    why = "not needed any more"
    return (TerminateHeads(f"head {', '.join(names)}", why, "-", "retired"),)


def _stale_heads(state: ClusterState, chain: Chain) -> tuple[str, ...]:
    """Return the heads in service that are of another version."""
    stale = state.group.stale(chain.number) if state.group else ()
    return tuple(member.instance_id for member in stale if member.serves)


def _surplus(desired: DesiredState, state: ClusterState) -> tuple[str, ...]:
    """Return heads beyond those wanted that do not lead."""
    if state.group is None or len(state.group.living) <= desired.head_count:
        return ()
    leads = state.lease.holder if state.lease else ""
    others = [m.instance_id for m in state.group.living if m.instance_id != leads]
    return tuple(others[: len(state.group.living) - desired.head_count])


def _roll(
    desired: DesiredState, state: ClusterState, chain: Chain, *, at_once: bool
) -> tuple[Step, ...]:
    stale = stale_workers(desired, state, known=chain.worker is not None)
    if not stale:
        return ()
    workers = f"{len(stale)} worker{'s' if len(stale) > 1 else ''}"
    if at_once:
        why = "their Ray cannot join the new head"
        return (RollWorkers(f"replace {workers}", why, "~", at_once=True),)
    most = desired.environment.rollout.unavailable(len(state.workers))
    why = f"at most {most} out at a time, drained for up to "
    why += f"{desired.environment.rollout.drain_seconds} s"
    return (RollWorkers(f"replace {workers}", why, "~", at_once=False),)


def _watch(desired: DesiredState, strategy: Strategy) -> tuple[Step, ...]:
    seconds = desired.environment.rollout.watch_seconds
    if strategy not in ROLLS or not seconds:
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


def _pointer(desired: DesiredState) -> Step:
    return PointToRelease("current release", desired.release.id, "~")


def _unready(desired: DesiredState, state: ClusterState) -> str:
    """Say what the cluster lacks now; empty when it serves."""
    serving = len(state.group.serving) if state.group else 0
    if serving < desired.head_count:
        return f"{serving} of {desired.head_count} in service"
    if state.leader is None:
        return "nobody leads"
    if not state.is_reachable:
        return "the load balancer does not reach the leader"
    running = [worker for worker in state.workers if worker.state == "running"]
    least = desired.release.settings.workers_min
    return f"{len(running)} of {least} workers" if len(running) < least else ""
