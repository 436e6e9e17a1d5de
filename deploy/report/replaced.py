"""Which nodes a plan replaces, by group of workers. Pure: no AWS."""

from collections import Counter, defaultdict

from deploy.cluster.instances import Instance
from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import DrainWorkers, EnsureLaunchTemplate, Plan, RollWorkers
from deploy.plan.strategy import stale_workers
from deploy.report.outage import moves_lease
from node.contract import HEAD


def rolls_workers(plan: Plan) -> bool:
    """Say whether workers are replaced or drained."""
    return any(isinstance(step, RollWorkers | DrainWorkers) for step in plan.steps)


def replaced_workers(
    plan: Plan, desired: DesiredState, state: ClusterState
) -> tuple[Instance, ...]:
    """Return the workers that would be replaced, or whose group is removed."""
    if not rolls_workers(plan):
        return ()
    later = {step.group for step in plan.steps if isinstance(step, EnsureLaunchTemplate)}
    known = {group.name for group in desired.groups} - later
    return stale_workers(desired, state, known=known)


def replaced_addresses(
    plan: Plan, desired: DesiredState, state: ClusterState
) -> dict[str, frozenset[str]]:
    """Return the addresses of the nodes that would be replaced, by group; the leader's by HEAD."""
    found = defaultdict(set)
    for worker in replaced_workers(plan, desired, state):
        found[worker.group].add(worker.address)
    if moves_lease(plan) and state.leader:
        found[HEAD].add(state.leader.address)
    return {group: frozenset(addresses) for group, addresses in found.items()}


def group_lines(plan: Plan, desired: DesiredState, state: ClusterState) -> tuple[str, ...]:
    """Say of each group whether its workers are replaced; nothing where no group changes so."""
    if state.release is None:
        return ()
    before = {group.name for group in state.release.settings.groups}
    after = {group.name for group in desired.groups}
    there = Counter(worker.group for worker in state.workers if worker.is_there)
    stale = Counter(worker.group for worker in replaced_workers(plan, desired, state))
    if before == after and not stale:
        return ()
    lines = {}
    for name in sorted(before | after | stale.keys()):
        if name not in after:
            lines[name] = f"removed; {_workers(there[name])} drained first"
        elif name not in before:
            lines[name] = "new"
        elif stale[name]:
            lines[name] = f"{stale[name]} of {_workers(there[name])} replaced"
        else:
            lines[name] = f"{_workers(there[name])}, none replaced"
    return tuple(f"{name}: {words}" for name, words in lines.items())


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"
