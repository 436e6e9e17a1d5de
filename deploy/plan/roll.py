"""Decide how a cluster is rolled, checked and recorded: docs/rollout.md. Pure: no AWS, no clock.

Only the current and the desired state decide, so a rollout that was killed anywhere is finished,
or rolled back, by a new plan.
"""

from collections import Counter

from deploy.cluster.instances import Instance
from deploy.cluster.state import ClusterState
from deploy.plan.chain import Chain
from deploy.plan.desired_state import DesiredState
from deploy.plan.removal import counted, delete_unused_templates, drain_removed, forget_removed
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

# The cluster is verified before its workers are replaced: another head leads than before.
VERIFIED_FIRST: frozenset[Strategy] = HANDS_OVER | {"initial"}


def plan_roll(
    desired: DesiredState, state: ClusterState, chain: Chain, strategy: Strategy, *, changed: bool
) -> tuple[Step, ...]:
    """Return the steps that roll, wait and check; none if nothing changes or is left unfinished.

    ``changed``: steps before these change something, or the strategy rolls.
    """
    lacking = _lacking(desired, state)
    recorded = state.release == desired.release
    surplus = _surplus_heads(desired, state)
    defaults = _set_default_versions(desired, state, chain)
    unused = delete_unused_templates(desired, state)
    if not (changed or lacking or surplus or defaults or unused) and recorded:
        return ()
    count, all_at_once = desired.head_count, strategy == "replace-all"
    rolled = _roll_workers(desired, state, chain) if strategy in DRAINS else ()
    drained = drain_removed(desired, state, chain, at_once=all_at_once)
    waits = drained and not rolled and strategy not in VERIFIED_FIRST
    before = (_await_workers(desired),) if waits else ()
    late = (*rolled, *(() if all_at_once else (*before, *drained)), *forget_removed(chain))
    return (
        *_hand_over(desired, state, chain, strategy),
        *((*_replace_all_workers(desired, state, chain), *drained) if all_at_once else ()),
        AwaitHeads(f"wait for {counted(count, 'head')}", lacking, "…"),
        AwaitEndpoint(f"wait for {desired.environment.head_dns}", "", "…"),
        *(_verify(desired, last=not late) if strategy in VERIFIED_FIRST or not late else ()),
        *_terminate_old_heads(desired, state, chain, strategy, surplus),
        *((*late, *_verify(desired, last=True)) if late else ()),
        *_bake_time(desired, strategy),
        *defaults,
        *unused,
        *(() if recorded else (_record_release(desired),)),
    )


def _by_group(workers: tuple[Instance, ...], desired: DesiredState) -> str:
    """Return how many workers of which groups; one group is not worth its name."""
    counts = Counter(worker.group for worker in workers)
    words = counted(len(workers), "worker")
    if len(desired.groups) == 1:
        return words
    return f"{words} ({', '.join(f'{name} {counts[name]}' for name in sorted(counts))})"


def _hand_over(
    desired: DesiredState, state: ClusterState, chain: Chain, strategy: Strategy
) -> tuple[Step, ...]:
    """Return how a head of the desired version gets the lease."""
    if strategy not in HANDS_OVER:
        return ()
    stale = _stale_heads(state, chain)
    leader = state.lease.holder if state.lease and not state.lease.released else ""
    stay = strategy != "replace-all"
    over = HandOver("hand the lease over", f"from {leader or 'no leader'}", "~", stay)
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


def _verify(desired: DesiredState, *, last: bool) -> tuple[Step, ...]:
    return (_await_workers(desired), Verify("verify the cluster", "", "…", last))


def _await_workers(desired: DesiredState) -> Step:
    minimum = desired.release.settings.min_workers
    several = len(desired.groups) > 1
    why = ", ".join(f"{group.name} {group.min}" for group in desired.groups if several)
    return AwaitWorkers(f"wait for {counted(minimum, 'worker')}", why, "…")


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
    """Return the step; workers that must go may also be launched only until the hand-over."""
    stale = _stale_workers(desired, state, chain)
    what = f"replace {_by_group(stale, desired) if stale else 'workers of another version'}"
    return (RollWorkers(what, "their Ray cannot join the new head", "~", at_once=True),)


def _roll_workers(desired: DesiredState, state: ClusterState, chain: Chain) -> tuple[Step, ...]:
    stale = _stale_workers(desired, state, chain)
    if not stale:
        return ()
    rollout, workers = desired.environment.rollout, Counter(w.group for w in state.workers)
    most = {name: rollout.unavailable(workers[name]) for name in {w.group for w in stale}}
    several = len(desired.groups) > 1
    why = ", ".join(f"{most[n]} of {n}" if several else str(most[n]) for n in sorted(most))
    why = f"at most {why} unavailable at a time, drained for up to {rollout.drain_seconds} s"
    return (RollWorkers(f"replace {_by_group(stale, desired)}", why, "~", at_once=False),)


def _stale_workers(
    desired: DesiredState, state: ClusterState, chain: Chain
) -> tuple[Instance, ...]:
    """Return the stale workers that are replaced: those of groups that stay."""
    stale = stale_workers(desired, state, known=chain.workers)
    return tuple(worker for worker in stale if worker.group not in chain.removed)


def _bake_time(desired: DesiredState, strategy: Strategy) -> tuple[Step, ...]:
    seconds = desired.environment.rollout.watch_seconds
    if strategy not in ROLLS or not seconds:
        return ()
    return (BakeTime(f"bake time: {seconds} s without an alarm", "", "…"),)


def _set_default_versions(
    desired: DesiredState, state: ClusterState, chain: Chain
) -> tuple[Step, ...]:
    named = ((g, desired.environment.worker_template_of(g.name)) for g in desired.groups)
    workers = ((state.worker_template(name), chain.workers.get(g.name)) for g, name in named)
    behind = [
        template.name
        for template, version in ((state.head_template, chain.head), *workers)
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
    running = Counter(worker.group for worker in state.workers if worker.state == "running")
    short = [group for group in desired.groups if running[group.name] < group.min]
    if len(desired.groups) == 1:
        return "".join(f"{running[group.name]} of {group.min} workers" for group in short)
    return ", ".join(f"{running[g.name]} of {g.min} workers of {g.name}" for g in short)
