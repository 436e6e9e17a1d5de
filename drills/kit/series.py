"""Run a drill several times on one cluster, show each run, and record it. Touches AWS."""

from collections.abc import Iterator
from pathlib import Path

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.progress import Progress
from common.waiting import SystemClock
from deploy.cluster.ray_access import ray_api
from deploy.plan.prices import HOURS, Fleet
from deploy.release.groups import volume_of
from drills.kit.phases import label
from drills.kit.record import Run, append
from drills.kit.registry import Drill
from drills.kit.run import run_drill
from drills.kit.start import await_healthy, ensure_deployed


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
    """Run a drill ``runs`` times, and record each run.

    Raises Refused before any fault is injected, and PipelineError after a run that failed: then the
    cluster is left as it is, for a person to examine.
    """
    if runs < 1:
        raise Refused(f"--runs {runs} is not a number of runs", hint="give --runs 1 or more")
    ensure_deployed(environment, clients)
    api, clock = ray_api(clients, environment), SystemClock()
    for number in range(1, runs + 1):
        progress.begin(f"{drill.name} {number} of {runs}")
        cluster = await_healthy(environment, clients, clock, api, progress)
        run = run_drill(drill, cluster, job_every=job_every)
        path = append(home, run)
        if not run.held:
            raise PipelineError(
                f"{drill.name}: {', '.join(run.broken) or 'no fault'}\n"
                f"{words_of(run)}\nthe cluster did not do what it must: {run.seen}",
                hint=f"see {drill.parts['Runbook']}; the record is {path}",
            )
        progress.end(words_of(run))


def words_of(run: Run) -> str:
    """Return the figures of a run in one line."""
    figures = {**run.phases, "gap": run.gap, **run.figures}
    words = ", ".join(f"{label(name)} {seconds:.1f} s" for name, seconds in figures.items())
    return f"{words}; load {run.load:.1f}"


def warning(drill: Drill, environment: Environment, runs: int) -> str:
    """Return what a drill breaks in an environment on AWS, and what that costs."""
    times = "once" if runs == 1 else f"{runs} times"
    rates = [
        f"{fleet.words} ${fleet.monthly / HOURS:.2f} an hour"
        for fleet in _one_of_each(environment)
        if fleet.monthly is not None
    ]
    return (
        f"{drill.name} on {environment.name}, {times}: {drill.title}\n"
        "Jobs and actors that run there are lost, and clients are interrupted.\n"
        f"Must hold: {drill.parts['Must hold']}\n"
        "It costs its jobs, and for some minutes one more instance of each type that is replaced: "
        f"{'; '.join(rates) or 'prices are unknown'}."
    )


def _one_of_each(environment: Environment) -> Iterator[Fleet]:
    """Yield a head, and a worker of each group."""
    head = environment.head
    image = environment.image_named(head.image)
    yield Fleet(head.instance_type, 1, volume_of(head.volume, image), environment.region)
    for group in environment.workers.values():
        volume = volume_of(group.volume, environment.image_named(group.image))
        yield Fleet(group.instance_types[0], 1, volume, environment.region)
