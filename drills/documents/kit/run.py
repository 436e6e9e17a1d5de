"""Run a drill of the pipeline once: add and ask, break it, await its recovery, check everything.

Touches AWS and the API.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
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


def tasks_only(drill: ModuleType) -> str:
    """Return why a drill has no meaning on a cluster, where no tasks run; empty when it has."""
    return str(getattr(drill, "TASKS_ONLY", ""))


def chosen(name: str, environment: Environment) -> list[str]:
    """Return the drill of this name, or with ``documents`` all that can run there.

    Raises Refused for one that cannot.
    """
    if name == ALL:
        return [one for one in names() if refusal(one, environment) is None]
    if error := refusal(name, environment):
        raise error
    return [drill_of(name).__name__.removeprefix("drills.")]


def refusal(name: str, environment: Environment) -> Refused | None:
    """Return why a drill cannot run where an environment's documents do; None when it can."""
    drill, documents = drill_of(name), environment.documents
    if environment.provider != "localcloud" and (reason := local_only(drill)):
        words = f"{name} runs on the local cloud only: {reason}"
        return Refused(words, hint=f"invoke drill {name} --env local")
    if not documents.on_cluster:
        return None
    every = f"invoke drill {ALL} --env {environment.name} runs all that can run there"
    if reason := tasks_only(drill):
        words = f"{name} breaks tasks on Fargate, and these documents run on the cluster: {reason}"
        return Refused(words, hint=every)
    needs, least = getattr(drill, "WORKERS", 1), environment.workers[documents.group].min
    if least < needs:
        setting = f"workers.{documents.group}.min"
        words = f"{name} needs {needs} instances, and {setting} is {least}"
        return Refused(words, hint=f"set {setting} = {needs}, invoke deploy; {every}")
    return None


def run_drill(name: str, pipeline: PipelineUnderTest) -> Run:
    """Return the record of the run, failed or held; what it added is deleted."""
    drill, client, failure = drill_of(name), pipeline.client, ""
    started, figures = datetime.now(UTC), pipeline.figures
    try:
        with pipeline.cleanup:
            pipeline.await_workers(getattr(drill, "WORKERS", 1))
            client.start()
            _await_done(client, pipeline, lambda: 2, WARM_UP)
            fault = time.monotonic()
            drill.run(pipeline)
        _await_recovered(pipeline, fault, drill.WITHIN)
        client.stop()
        _await_done(client, pipeline, lambda: len(client.codes), drill.WITHIN)
        figures["all documents done"] = time.monotonic() - fault
        figures["no answer"] = client.gap(fault)
        _check(pipeline, drill.WITHIN)
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


def _await_recovered(pipeline: PipelineUnderTest, fault: float, seconds: float) -> None:
    """Wait until others run for what is lost, and then for two new documents and an answer."""
    client, figures = pipeline.client, pipeline.figures
    if pipeline.lost:
        pipeline.await_others(seconds)
        figures["others run"] = time.monotonic() - fault
    earlier, before = set(client.codes), time.monotonic()

    def words() -> str:
        return f"{len(client.codes) - len(earlier)} added since, {client.refused} not answered"

    pipeline.await_that(
        "two new documents", lambda: len(set(client.done()) - earlier) > 1, seconds, words
    )
    figures["two new documents done"] = time.monotonic() - fault
    pipeline.await_that("an answer", lambda: client.answered[-1:] > [before], seconds, words)


def _check(pipeline: PipelineUnderTest, seconds: float) -> None:
    """Ask for every document's code; raises DrillFailed when any is not there, or is twice."""
    client = pipeline.client

    def is_checked(name: str) -> bool:
        client.check(name)
        return True

    for name in client.codes:
        pipeline.await_that(f"an answer about {name}", partial(is_checked, name), seconds, str)
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
