"""Run drills on one cluster until the time is up, and say what grew. Touches AWS and the cluster.

After each turn the cluster must be whole, as after each drill.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.progress import Progress
from common.waiting import SystemClock
from deploy.cluster.ray_access import ray_api
from drills.kit.record import FOLDER, Run
from drills.kit.registry import drills
from drills.kit.run import run_drill
from drills.kit.series import words_of
from drills.kit.start import await_healthy, ensure_deployed
from drills.soak.growth import Growth, Reading, grown, too_few
from drills.soak.readings import read_values
from drills.soak.report import html_report
from drills.soak.turns import soaked, turns


@dataclass(frozen=True)
class Soak:
    """What a soak was told, what it ran, and what it read. Its fields are the keys of the JSON."""

    started: str
    environment: str
    seed: int
    minutes: float
    runs: tuple[Run, ...]
    readings: tuple[Reading, ...]

    @property
    def failed(self) -> str:
        """How the last turn failed; empty when all held."""
        return "" if not self.runs or self.runs[-1].held else self.runs[-1].seen

    @property
    def growth(self) -> tuple[Growth, ...]:
        """What grew."""
        return grown(self.readings)


def lacking(environment: Environment) -> Iterator[str]:
    """Yield what an environment lacks of one in which a soak sees all that it can."""
    if not environment.head.standby:
        yield "no head stands by ([head] standby = 1): none is seen to take over"
    if len(environment.workers) == 1:
        yield "there is one group of workers: none is seen to lose its workers beside another"


def run_soak(
    environment: Environment,
    clients: Clients,
    progress: Progress,
    *,
    home: Path,
    minutes: float,
    seed: int,
    job_every: float,
) -> Path:
    """Run turns for so many minutes; return the report, which is written after each turn.

    Raises Refused before any fault is injected; PipelineError when a turn failed, with the cluster
    left as it is, when something grew, and when there were too few turns to tell.
    """
    if minutes <= 0:
        raise Refused(f"--minutes {minutes} is no time", hint="give --minutes 30, or more")
    ensure_deployed(environment, clients)
    clock, api = SystemClock(), ray_api(clients, environment)
    began, runs, readings = clock.now(), list[Run](), list[Reading]()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    for number, turn in enumerate(turns(soaked(drills(), environment), seed), 1):
        minute = (clock.now() - began) / 60
        progress.begin(f"{turn.name}, turn {number}, minute {minute:.0f} of {minutes:.0f}")
        cluster = await_healthy(environment, clients, clock, api, progress)
        if not readings:
            readings.append(Reading(0.0, read_values(cluster)))
        runs.append(run_drill(turn, cluster, job_every=job_every))
        if runs[-1].held:
            readings.append(Reading(clock.now() - began, read_values(cluster)))
        soak = Soak(started, environment.name, seed, minutes, tuple(runs), tuple(readings))
        written = write(home, soak)
        if soak.failed:
            raise PipelineError(
                f"turn {number}, {turn.name}: {soak.failed}",
                hint=f"the same turns again: --seed {seed}; the record is {written}",
            )
        progress.end(words_of(runs[-1]))
        if clock.now() - began >= 60 * minutes:
            break
    if soak.growth:
        raise PipelineError("; ".join(map(str, soak.growth)), hint=f"see its plots: {written}")
    if few := too_few(soak.readings):
        raise PipelineError(few, hint=f"give it more --minutes; its turns all held: {written}")
    return written


def write(home: Path, soak: Soak) -> Path:
    """Write a soak as a page and as JSON, each in place of what it was before; return the page."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"soak-{soak.started.replace(':', '')}.html"
    page.with_suffix(".json").write_text(f"{json.dumps(asdict(soak), indent=2)}\n", "utf-8")
    page.write_text(html_report(soak.environment, soak.seed, soak.runs, soak.readings), "utf-8")
    return page
