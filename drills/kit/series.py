"""Run a drill some times on one cluster, tell of it, and keep the record. Touches AWS."""

from pathlib import Path

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.progress import Progress
from common.waiting import SystemClock
from deploy.cluster.ray_api import ray_api
from deploy.plan.prices import HOURS, Fleet
from drills.kit.place import put_in_place, set_scene
from drills.kit.record import Run, append
from drills.kit.registry import Drill
from drills.kit.run import run_drill


def run_series(
    drill: Drill,
    environment: Environment,
    clients: Clients,
    progress: Progress,
    *,
    home: Path,
    runs: int,
    job_every: float,
) -> None:
    """Run a drill so many times; each goes on the record.

    Raises Refused before anything is broken, PipelineError once the cluster did not do what it
    must: what it looks like then is left for a person to see.
    """
    if runs < 1:
        raise Refused(f"{runs} runs are none", hint="--runs 1 or more")
    put_in_place(environment, clients)
    api, clock = ray_api(clients, environment), SystemClock()
    for number in range(1, runs + 1):
        progress.begin(f"{drill.name} {number} of {runs}")
        scene = set_scene(environment, clients, clock, api, progress)
        run = run_drill(drill, scene, job_every=job_every)
        path = append(home, run)
        if not run.held:
            raise PipelineError(
                f"{drill.name}: {', '.join(run.broken) or 'nothing broken'}\n"
                f"{words_of(run)}\nthe cluster did not do what it must: {run.seen}",
                hint=f"see {drill.parts['Runbook']}; on record in {path}",
            )
        progress.end(words_of(run))


def words_of(run: Run) -> str:
    """Return a run's figures in one line."""
    figures = {**run.phases, "gap": run.gap, **run.figures}
    words = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in figures.items())
    return f"{words}; load {run.load:.1f}"


def warning(drill: Drill, environment: Environment, runs: int) -> str:
    """Say what a drill will break on a real environment, and what that costs."""
    times = "once" if runs == 1 else f"{runs} times"
    head = Fleet(environment.head.instance_type, 1, environment.image.volume_gib)
    worker = Fleet(environment.workers.instance_type, 1, environment.image.volume_gib)
    rates = [
        f"{fleet.words} ${fleet.monthly / HOURS:.2f} an hour"
        for fleet in (head, worker)
        if fleet.monthly is not None
    ]
    return (
        f"{drill.name} on {environment.name}, {times}: {drill.title}\n"
        "Jobs and actors that run there are lost, and clients meet a gap.\n"
        f"Must hold: {drill.parts['Must hold']}\n"
        "It costs what its jobs do, and for minutes an instance more of a kind that is replaced: "
        f"{'; '.join(rates) or 'prices unknown'}."
    )
