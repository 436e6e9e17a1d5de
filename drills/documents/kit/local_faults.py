"""Faults that only the local cloud can inject: in tasks, Spot, S3's events, services.

Touches no AWS. Each is repaired when the run ends; ``remaining_faults`` names those that are not.
"""

import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from drills.documents.kit.under_test import FOLDER, WORKERS, PipelineUnderTest
from drills.kit.cluster import DrillFailed
from localcloud.paths import paths

BEGINS_WITHIN = 30.0  # seconds


def kill_tasks(pipeline: PipelineUnderTest, tasks: Sequence[str]) -> None:
    """Kill the first process of each task's containers, as a lost host does; no one is told."""
    pids = [pid for task in tasks for pid in _processes(task)]
    if not pids:
        raise DrillFailed("no task runs", hint="invoke documents.status")
    pipeline.record_loss("killed", tasks)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def interrupt_spot(pipeline: PipelineUnderTest, tasks: Sequence[str]) -> None:
    """Interrupt workers as Fargate does those on Spot: SIGTERM, SIGKILL after two minutes.

    Returns once ECS stops them.
    """
    lines = [f"{_id(task)} {time.time():.0f}\n" for task in tasks]
    _declare(pipeline, paths().task_interruptions, lines)
    pipeline.record_loss("Fargate interrupts", tasks)

    def have_begun() -> bool:
        return not set(tasks) & set(pipeline.tasks(WORKERS))

    pipeline.await_that("the interruption", have_begun, BEGINS_WITHIN, str)


def affect_events(pipeline: PipelineUnderTest, *effects: str) -> None:
    """Let S3's events of the drill's documents be ``lost``, ``twice`` or ``late`` from now on."""
    _declare(pipeline, paths().s3_events, [f"input/{FOLDER}* {one}\n" for one in effects])
    pipeline.record_fault(f"events are {' and '.join(effects)}")


def break_service(pipeline: PipelineUnderTest, service: str, effect: str, seconds: float) -> None:
    """Have a service refuse every request for a while; ``effect`` is throttled or down."""
    _declare(pipeline, paths().outages, [f"{service} {effect}\n"])
    pipeline.record_fault(f"{service} is {effect} for {seconds:.0f} s")
    pipeline.clock.sleep(seconds)
    paths().outages.unlink(missing_ok=True)


def remaining_faults() -> list[str]:
    """Return a line for each fault that is not repaired."""
    files = (paths().task_interruptions, paths().s3_events, paths().outages)
    return [f"{file} still declares {file.read_text().strip()}" for file in files if file.exists()]


def _declare(pipeline: PipelineUnderTest, file: Path, lines: Iterable[str]) -> None:
    pipeline.cleanup.callback(file.unlink, missing_ok=True)
    file.write_text("".join(lines))


def _processes(task: str) -> list[int]:
    """Return the first process of each container of a task, as runc has written it."""
    files = (paths().tasks / _id(task)).glob("*/pid")
    return [int(file.read_text()) for file in files]


def _id(task: str) -> str:
    return task.rpartition("/")[2]
