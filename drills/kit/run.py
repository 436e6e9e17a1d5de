"""Run a drill once: observe, inject the fault, await the recovery, repair, check the end state.

Touches AWS and the cluster.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from common.errors import PipelineError
from drills.kit.client import longest_gap
from drills.kit.cluster import ClusterUnderTest, DrillFailed
from drills.kit.end_state import await_recovered
from drills.kit.phases import Recovery, label, phases
from drills.kit.record import Run

WARM_UP = 5.0  # seconds of jobs before the fault
COOL_DOWN = 3.0  # seconds of jobs after the recovery, so that the gap has an end
TIMEOUT = 600.0  # seconds to observe a recovery: longer than allowed, to know how long it takes


class Breaks(Protocol):
    """What breaks a cluster: a drill, or several together."""

    @property
    def name(self) -> str:
        """How the record names it."""

    @property
    def recovery(self) -> Recovery:
        """What the cluster must recover."""

    @property
    def within(self) -> float:
        """In how many seconds."""

    @property
    def run(self) -> Callable[[ClusterUnderTest], None]:
        """The function that injects the fault."""


def run_drill(drill: Breaks, cluster: ClusterUnderTest, *, job_every: float) -> Run:
    """Return the record of the run, failed or held; faults are repaired in every case."""
    cluster.name = drill.name
    started, failure = datetime.now(UTC), ""
    with cluster.observer.observing(job_every):
        cluster.clock.sleep(WARM_UP)
        try:
            with cluster.cleanup:
                drill.run(cluster)
                _await_phases(drill, cluster)
            cluster.figures["whole again"] = await_recovered(cluster)
            cluster.clock.sleep(COOL_DOWN)
            _raise_if_late(drill, cluster)
        except PipelineError as error:
            failure = error.message
    return _record_of(drill, cluster, started, failure)


def phases_reached(drill: Breaks, cluster: ClusterUnderTest) -> dict[str, float]:
    """Return the phases that were reached so far, in seconds since the fault."""
    if cluster.fault_at is None:
        return {}
    observations = cluster.observer.observations
    return phases(drill.recovery, cluster.initial, cluster.fault_at, observations)


def gap_of(cluster: ClusterUnderTest) -> float:
    """Return the longest time in seconds since the fault between two accepted jobs."""
    return longest_gap(cluster.observer.observations.attempts, cluster.fault_at or 0.0)


def _await_phases(drill: Breaks, cluster: ClusterUnderTest) -> None:
    expected = drill.recovery.value

    def words() -> str:
        found = phases_reached(drill, cluster)
        shown = [f"{label(name)} {seconds:.1f} s" for name, seconds in found.items()]
        return ", ".join(shown) or "no phase reached yet"

    if expected:
        cluster.wait(
            "the recovery",
            lambda: len(phases_reached(drill, cluster)) == len(expected),
            seconds=TIMEOUT,
            words=words,
        )


def _raise_if_late(drill: Breaks, cluster: ClusterUnderTest) -> None:
    """Raise DrillFailed when there was no fault, or when the recovery took too long."""
    if cluster.fault_at is None:
        raise DrillFailed("no fault was injected", hint=f"see the drill: {drill.name}")
    took = {**phases_reached(drill, cluster), "a job accepted again": gap_of(cluster)}
    late = {name: seconds for name, seconds in took.items() if seconds > drill.within}
    if late:
        words = ", ".join(f"{label(name)} after {seconds:.0f} s" for name, seconds in late.items())
        raise DrillFailed(
            f"not within {drill.within:.0f} s: {words}",
            hint=f"see the runbook that the drill names: {drill.name}",
        )


def _record_of(drill: Breaks, cluster: ClusterUnderTest, started: datetime, failure: str) -> Run:
    return Run(
        started=started.isoformat(timespec="seconds"),
        drill=drill.name,
        environment=cluster.environment.name,
        broken=tuple(cluster.faults),
        phases=_rounded(phases_reached(drill, cluster)),
        gap=round(gap_of(cluster), 2),
        load=round(os.getloadavg()[0], 2),
        verdict="failed" if failure else "held",
        seen=failure,
        figures=_rounded(cluster.figures),
    )


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in figures.items()}
