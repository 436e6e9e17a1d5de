"""Run a drill once: look on, break, see the cluster come back, put right, look whether it is whole.

Touches AWS and the cluster.
"""

import os
from datetime import UTC, datetime

from common.errors import PipelineError
from drills.kit.client import longest_gap
from drills.kit.ending import whole_again
from drills.kit.phases import phases
from drills.kit.record import Run
from drills.kit.registry import Drill
from drills.kit.scene import DrillFailed, Scene

WARM_UP = 5.0  # seconds of jobs before anything is broken
AFTERWARDS = 3.0  # and after everything is back, so that the gap has an end
PATIENCE = 600.0  # seconds that are watched, to say how long it took even when that is too long


def run_drill(drill: Drill, scene: Scene, *, job_every: float) -> Run:
    """Return the run, failed or held; what was broken is put right whatever happens."""
    scene.name = drill.name
    started, seen = datetime.now(UTC), ""
    with scene.witness.watching(job_every):
        scene.clock.sleep(WARM_UP)
        try:
            with scene.undo:
                drill.run(scene)
                _await_phases(drill, scene)
            scene.figures["whole again"] = whole_again(scene)
            scene.clock.sleep(AFTERWARDS)
            _judge(drill, scene)
        except PipelineError as error:
            seen = error.message
    return _run_of(drill, scene, started, seen)


def reached(drill: Drill, scene: Scene) -> dict[str, float]:
    """Return the phases that were reached so far, in seconds since the break."""
    if scene.began is None:
        return {}
    return phases(drill.recovery, scene.before, scene.began, scene.witness.seen)


def gap_of(scene: Scene) -> float:
    """Return the longest time since the break that the client was without a job taken."""
    return longest_gap(scene.witness.seen.samples, scene.began or 0.0)


def _await_phases(drill: Drill, scene: Scene) -> None:
    desired = drill.recovery.value

    def words() -> str:
        found = reached(drill, scene)
        return ", ".join(f"{name} {found[name]:.1f} s" for name in found) or "nothing noticed yet"

    if desired:
        scene.wait(
            "the cluster back",
            lambda: len(reached(drill, scene)) == len(desired),
            seconds=PATIENCE,
            words=words,
        )


def _judge(drill: Drill, scene: Scene) -> None:
    """Raise DrillFailed unless it was broken, and whole again in time."""
    if scene.began is None:
        raise DrillFailed("nothing was broken")
    took = {**reached(drill, scene), "a job taken again": gap_of(scene)}
    late = {name: seconds for name, seconds in took.items() if seconds > drill.within}
    if late:
        words = ", ".join(f"{name} after {seconds:.0f} s" for name, seconds in late.items())
        raise DrillFailed(f"not within {drill.within:.0f} s: {words}")


def _run_of(drill: Drill, scene: Scene, started: datetime, seen: str) -> Run:
    return Run(
        started=started.isoformat(timespec="seconds"),
        drill=drill.name,
        environment=scene.environment.name,
        broken=tuple(scene.broken),
        phases=_rounded(reached(drill, scene)),
        gap=round(gap_of(scene), 2),
        load=round(os.getloadavg()[0], 2),
        verdict="failed" if seen else "held",
        seen=seen,
        figures=_rounded(scene.figures),
    )


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in figures.items()}
