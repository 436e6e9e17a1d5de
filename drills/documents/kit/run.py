"""Run a drill of the pipeline once: add and ask, break it, await its recovery, check everything.

Touches AWS and the API.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType

from common.errors import PipelineError, Refused
from common.progress import Progress
from common.waiting import Seen, wait_for
from drills.documents.kit.client import BusyClient
from drills.documents.kit.under_test import PipelineUnderTest
from drills.kit.cluster import DrillFailed
from drills.kit.record import Run

FOLDER = Path(__file__).resolve().parents[1]
PREFIX = "documents."
WARM_UP = 120.0


def names() -> list[str]:
    """Return the pipeline's drills, as ``drill`` takes them."""
    return [PREFIX + path.stem for path in sorted(FOLDER.glob("[!_]*.py"))]


def drill_of(name: str) -> ModuleType:
    """Return a drill; raises Refused when there is none of this name."""
    name = name.replace("-", "_")
    if name not in names():
        raise Refused(f"there is no drill {name!r}", hint="invoke drill --list")
    return import_module(f"drills.{name}")


def run_drill(name: str, pipeline: PipelineUnderTest, progress: Progress) -> Run:
    """Return the record of the run, failed or held; what it added is deleted."""
    drill, client, failure = drill_of(name), BusyClient(pipeline), ""
    started, figures = datetime.now(UTC), dict[str, float]()
    client.start()
    try:
        _await_done(client, pipeline, lambda: 2, WARM_UP, progress)
        fault, before = time.monotonic(), len(client.done())
        drill.run(pipeline)
        _await_done(client, pipeline, lambda: before + 2, drill.WITHIN, progress)
        figures["two more documents done"] = time.monotonic() - fault
        client.stop()
        _await_done(client, pipeline, lambda: len(client.codes), drill.WITHIN, progress)
        figures["all documents done"] = time.monotonic() - fault
        _check(client)
        figures["no answer"] = client.gap(fault)
    except PipelineError as error:
        failure = error.message
    finally:
        client.stop()
        pipeline.remove(list(client.codes))
    return Run(
        started=started.isoformat(timespec="seconds"),
        drill=name,
        environment=pipeline.pipeline.environment.name,
        broken=tuple(pipeline.faults),
        phases={},
        gap=round(figures.get("no answer", 0.0), 2),
        load=round(os.getloadavg()[0], 2),
        verdict="failed" if failure else "held",
        seen=failure,
        figures={name: round(seconds, 2) for name, seconds in figures.items()},
    )


def _check(client: BusyClient) -> None:
    """Ask for every document's code; raises DrillFailed when any is not there, or is twice."""
    for name in client.codes:
        client.check(name)
    if client.wrong:
        raise DrillFailed(
            f"{len(client.wrong)} answers were wrong: {'; '.join(client.wrong[:5])}",
            hint="documents were lost, or are there twice",
        )


def _await_done(
    client: BusyClient,
    pipeline: PipelineUnderTest,
    count: Callable[[], int],
    seconds: float,
    progress: Progress,
) -> None:
    def look() -> Seen[bool]:
        try:
            done = len(client.done())
        except PipelineError as error:
            return Seen(None, error.message)
        words = f"{done} of {len(client.codes)} documents done, {client.refused} questions refused"
        return Seen(done >= count() or None, words)

    wait_for(
        "documents that are answered from",
        look,
        clock=pipeline.clock,
        seconds=seconds,
        progress=progress.say,
    )
