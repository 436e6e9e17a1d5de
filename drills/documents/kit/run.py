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

from common.environment import Environment
from common.errors import PipelineError, Refused
from drills.documents.kit.client import BusyClient
from drills.documents.kit.under_test import PipelineUnderTest
from drills.kit.cluster import DrillFailed
from drills.kit.record import Run

FOLDER = Path(__file__).resolve().parents[1]
ALL = "documents"
PREFIX = f"{ALL}."
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


def local_only(drill: ModuleType) -> str:
    """Return why a drill cannot run on AWS; empty when it can."""
    return str(getattr(drill, "LOCAL_ONLY", ""))


def chosen(name: str, environment: Environment) -> list[str]:
    """Return the drill of this name, or with ``documents`` all that can run there.

    Raises Refused for one that cannot.
    """
    here = environment.provider == "localcloud"
    if name == ALL:
        return [one for one in names() if here or not local_only(drill_of(one))]
    if not here and (reason := local_only(drill_of(name))):
        raise Refused(
            f"{name} runs on the local cloud only: {reason}",
            hint=f"invoke drill {name} --env local",
        )
    return [drill_of(name).__name__.removeprefix("drills.")]


def run_drill(name: str, pipeline: PipelineUnderTest) -> Run:
    """Return the record of the run, failed or held; what it added is deleted."""
    drill, client, failure = drill_of(name), pipeline.client, ""
    started, figures = datetime.now(UTC), pipeline.figures
    try:
        with pipeline.cleanup:
            pipeline.await_workers(getattr(drill, "WORKERS", 1))
            client.start()
            _await_done(client, pipeline, lambda: 2, WARM_UP)
            fault, before = time.monotonic(), len(client.done())
            drill.run(pipeline)
        _await_done(client, pipeline, lambda: before + 2, drill.WITHIN)
        figures["two more documents done"] = time.monotonic() - fault
        client.stop()
        _await_done(client, pipeline, lambda: len(client.codes), drill.WITHIN)
        figures["all documents done"] = time.monotonic() - fault
        _check(client)
        figures["no answer"] = client.gap(fault)
    except PipelineError as error:
        failure = error.message
    finally:
        client.stop()
        pipeline.remove()
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
    client: BusyClient, pipeline: PipelineUnderTest, count: Callable[[], int], seconds: float
) -> None:
    done = [0]

    def holds() -> bool:
        done[0] = len(client.done())
        return done[0] >= count()

    def words() -> str:
        return f"{done[0]} of {len(client.codes)} documents done, {client.refused} not answered"

    pipeline.await_that("documents that are answered from", holds, seconds, words)
