"""Decide which strategy takes a cluster to its release: see docs/rollout.md. Pure: no AWS."""

from collections.abc import Collection
from typing import Literal

from deploy.cluster.instances import Instance
from deploy.cluster.state import ClusterState
from deploy.plan.chain import Chain
from deploy.plan.desired_state import DesiredState

Strategy = Literal["nothing", "in place", "initial", "workers", "hand-over", "replace-all"]
# Strategies in which another head takes the lease, in which workers are drained, and in which
# instances that serve are replaced.
HANDS_OVER: frozenset[Strategy] = frozenset({"hand-over", "replace-all"})
DRAINS: frozenset[Strategy] = frozenset({"workers", "hand-over"})
ROLLS: frozenset[Strategy] = HANDS_OVER | DRAINS


def choose_strategy(desired: DesiredState, state: ClusterState, chain: Chain) -> Strategy:
    """Return how the cluster reaches the desired state, as if there were something to change."""
    serving = state.group.serving if state.group else ()
    if not serving:
        return "initial"
    if any(member.template_version != chain.head_version for member in serving):
        same_ray = versions_before(state) <= {desired.release.head.ray_version}
        return "hand-over" if same_ray else "replace-all"
    stale = stale_workers(desired, state, known=chain.workers)
    return "workers" if stale else "in place"


def versions_before(state: ClusterState) -> frozenset[str]:
    """Return the versions of Ray that workers have joined; none if not known.

    They are the heads', also of a release whose rollout was not completed; else the release's.
    """
    recorded = (state.release.head.ray_version,) if state.release else ()
    return state.ray_versions or frozenset(recorded)


def stale_workers(
    desired: DesiredState, state: ClusterState, *, known: Collection[str]
) -> tuple[Instance, ...]:
    """Return the workers that would not be launched like this now, those of removed groups too.

    ``known``: the groups that have a template version with the desired content. Of every other all
    workers are stale.
    """
    if state.foundation is None:
        return ()
    contents = {
        group.name: desired.worker_content(state.foundation, group).digest
        for group in desired.groups
        if group.name in known
    }
    return tuple(w for w in state.workers if w.is_there and not desired.is_current(w, contents))
