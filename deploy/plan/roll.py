"""Decide how a cluster is rolled, checked and recorded: docs/rollout.md. Pure: no AWS, no clock.

Only the current and the desired state decide, so a rollout that was killed anywhere is finished,
or rolled back, by a new plan.
"""

from deploy.cluster.state import ClusterState
from deploy.plan.chain import Chain
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import (
    AwaitEndpoint,
    AwaitHeads,
    AwaitStandby,
    AwaitWorkers,
    BakeTime,
    HandOver,
    RecordRelease,
    RollWorkers,
    SetDefaultVersions,
    Step,
    TerminateHeads,
    Verify,
)
from deploy.plan.strategy import DRAINS, HANDS_OVER, ROLLS, Strategy, stale_workers


def plan_roll(
    desired: DesiredState, state: ClusterState, chain: Chain, strategy: Strategy, *, changed: bool
) -> tuple[Step, ...]:
    """Return the steps that roll, wait and check; none if nothing changes or is left unfinished.

    ``changed``: steps before these change something, or the strategy rolls.
    """
    lacking = _lacking(desired, state)
    recorded = state.release == desired.release
    surplus = _surplus_heads(desired, state)
    defaults = _set_default_versions(state, chain)
    if not (changed or lacking or surplus or defaults) and recorded:
        return ()
    count = desired.head_count
    return (
        *_hand_over(desired, state, chain, strategy),
        *(_replace_all_workers(desired, state, chain) if strategy == "replace-all" else ()),
        AwaitHeads(f"wait for {_count(count, 'head')}", lacking, "…"),
        AwaitEndpoint(f"wait for {desired.environment.head_dns}", "", "…"),
        *(_verify(desired) if strategy != "workers" else ()),
        *_terminate_old_heads(desired, state, chain, strategy, surplus),
        *(_roll_workers_and_verify(desired, state, chain) if strategy in DRAINS else ()),
        *_bake_time(desired, strategy),
        *defaults,
        *(() if recorded else (_record_release(desired),)),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _hand_over(
    desired: DesiredState, state: ClusterState, chain: Chain, strategy: Strategy
) -> tuple[Step, ...]:
    """Return how a head of the desired version gets the lease."""
    if strategy not in HANDS_OVER:
        return ()
    stale = _stale_heads(state, chain)
    leader = state.lease.holder if state.lease and not state.lease.released else ""
    over = HandOver("hand the lease over", f"from {leader or 'no leader'}", "~")
    if desired.environment.rollout.launch == "first":
        standby = AwaitStandby("wait for the new head to stand by", "", "…", desired.head_count)
        return (standby, *(() if leader and leader not in stale else (over,)))
    standbys = [name for name in stale if name != leader]
    if not standbys:
        why = "before its successor is launched"
        return (TerminateHeads(f"head {leader}", why, "-", "leader"),)
    return (
        TerminateHeads(f"head {', '.join(standbys)}", "stale standby", "-", "stale or surplus"),
        AwaitStandby("wait for the new head to stand by", "", "…", 1),
        over,
        TerminateHeads(f"head {leader}", "has handed the lease over", "-", "stale or surplus"),
    )


def _verify(desired: DesiredState) -> tuple[Step, ...]:
    minimum = desired.release.settings.group.min
    return (
        AwaitWorkers(f"wait for {_count(minimum, 'worker')}", "", "…"),
        Verify("verify the cluster", "", "…"),
    )


def _terminate_old_heads(
    desired: DesiredState,
    state: ClusterState,
    chain: Chain,
    strategy: Strategy,
    surplus: tuple[str, ...],
) -> tuple[Step, ...]:
    """Terminate the heads that the cluster was verified without."""
    launch_first = desired.environment.rollout.launch == "first"
    stale = _stale_heads(state, chain) if launch_first and strategy in HANDS_OVER else ()
    living = len(state.group.living) if state.group else 0
    others = [name for name in surplus if name not in stale]
    names = (*stale, *others[: max(0, living - len(stale) - desired.head_count)])
    if not names:
        return ()
    why = "not needed any more"
    return (TerminateHeads(f"head {', '.join(names)}", why, "-", "stale or surplus"),)


def _stale_heads(state: ClusterState, chain: Chain) -> tuple[str, ...]:
    """Return the heads in service that are of another version than desired."""
    stale = state.group.stale(chain.head_version) if state.group else ()
    return tuple(member.instance_id for member in stale if member.serves)


def _surplus_heads(desired: DesiredState, state: ClusterState) -> tuple[str, ...]:
    """Return heads beyond the desired count that do not lead."""
    if state.group is None or len(state.group.living) <= desired.head_count:
        return ()
    leader = state.lease.holder if state.lease else ""
    others = [m.instance_id for m in state.group.living if m.instance_id != leader]
    return tuple(others[: len(state.group.living) - desired.head_count])


def _replace_all_workers(
    desired: DesiredState, state: ClusterState, chain: Chain
) -> tuple[Step, ...]:
    stale = stale_workers(desired, state, known=chain.worker is not None)
    if not stale:
        return ()
    what, why = f"replace {_count(len(stale), 'worker')}", "their Ray cannot join the new head"
    return (RollWorkers(what, why, "~", at_once=True),)


def _roll_workers_and_verify(
    desired: DesiredState, state: ClusterState, chain: Chain
) -> tuple[Step, ...]:
    stale = stale_workers(desired, state, known=chain.worker is not None)
    if not stale:
        return ()
    rollout = desired.environment.rollout
    why = f"at most {rollout.unavailable(len(state.workers))} unavailable at a time, "
    why += f"drained for up to {rollout.drain_seconds} s"
    roll = RollWorkers(f"replace {_count(len(stale), 'worker')}", why, "~", at_once=False)
    return (roll, *_verify(desired))


def _bake_time(desired: DesiredState, strategy: Strategy) -> tuple[Step, ...]:
    seconds = desired.environment.rollout.watch_seconds
    if strategy not in ROLLS or not seconds:
        return ()
    return (BakeTime(f"bake time: {seconds} s without an alarm", "", "…"),)


def _set_default_versions(state: ClusterState, chain: Chain) -> tuple[Step, ...]:
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
    return (SetDefaultVersions(f"default version of {', '.join(behind)}", "", "~"),)


def _record_release(desired: DesiredState) -> Step:
    return RecordRelease("current release", desired.release.id, "~")


def _lacking(desired: DesiredState, state: ClusterState) -> str:
    """Say what a cluster lacks that serves; empty when it lacks nothing."""
    serving = len(state.group.serving) if state.group else 0
    if serving < desired.head_count:
        return f"{serving} of {desired.head_count} in service"
    if state.leader is None:
        return "no instance holds the head lease"
    if not state.is_reachable:
        return "the load balancer does not reach the leader"
    running = [worker for worker in state.workers if worker.state == "running"]
    minimum = desired.release.settings.group.min
    return f"{len(running)} of {minimum} workers" if len(running) < minimum else ""
