"""Decide how groups that are removed leave a cluster: docs/rollout.md. Pure: no AWS, no clock.

The autoscaler knows a group until no worker of it is left, and its launch template says so until no
autoscaler knows it.
"""

from collections import Counter

from deploy.cluster.state import ClusterState
from deploy.plan.chain import Chain
from deploy.plan.desired_state import DesiredState
from deploy.plan.steps import DeleteTemplate, DrainWorkers, ForgetGroups, Step


def drain_removed(
    desired: DesiredState, state: ClusterState, chain: Chain, *, at_once: bool
) -> tuple[Step, ...]:
    """Drain what is left of removed groups; a launch may be under way, so none may come later."""
    if not chain.removed:
        return ()
    there = Counter(worker.group for worker in state.workers if worker.is_there)
    count = sum(there[name] for name in chain.removed)
    left = [name for name in chain.removed if there[name]] or chain.removed
    parts = [f"the {counted(there[name], 'worker')} of {name}" for name in left]
    whose = f"whose group{' is' if len(parts) == 1 else 's are'} removed"
    if not count:
        names = " and ".join(chain.removed)
        what, why = f"wait until no worker of {names} is launched any more, {whose}", ""
    elif at_once:
        what = f"terminate {' and '.join(parts)}, {whose}"
        why = "their Ray cannot join the new head"
    else:
        what = f"drain {' and '.join(parts)}, {whose}"
        why = f"for up to {desired.environment.rollout.drain_seconds} s"
    return (DrainWorkers(what, why, "-" if count else "…", chain.removed, at_once),)


def forget_removed(chain: Chain) -> tuple[Step, ...]:
    """Have the heads forget removed groups, once no worker of them is left."""
    if not chain.removed:
        return ()
    what = f"autoscaler configuration without {' and '.join(chain.removed)}"
    return (ForgetGroups(what, "", "~", chain.removed),)


def delete_unused_templates(desired: DesiredState, state: ClusterState) -> tuple[Step, ...]:
    """Delete the launch templates that no group of the release has."""
    used = {desired.environment.worker_template_of(group.name) for group in desired.groups}
    return tuple(
        DeleteTemplate(f"launch template {found.name}", "no group has it", "-", found.name)
        for found in state.worker_templates
        if found.name not in used
    )


def counted(number: int, noun: str) -> str:
    """Return a number and a noun, in the plural if need be."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
