"""Faults that only the local cloud can inject: in tasks and machines, Spot, S3's events, services.

Touches no AWS. Each is repaired when the run ends; ``remaining_faults`` names those that are not.
"""

import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from drills.documents.kit.under_test import FOLDER, PipelineUnderTest
from drills.kit.cluster import DrillFailed
from drills.kit.local_faults import first_process
from localcloud.patches.interruptions import NOTICE
from localcloud.paths import paths

BEGINS_WITHIN = 30.0  # seconds


def kill(pipeline: PipelineUnderTest, lost: Sequence[str]) -> None:
    """Kill the first process of each task or machine, as a lost host does; no one is told."""
    pids = [pid for one in lost for pid in _processes(one)]
    if not pids:
        raise DrillFailed("nothing runs that could be killed", hint="invoke documents.status")
    pipeline.record_loss("killed", lost)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def interrupt_spot(pipeline: PipelineUnderTest, workers: Sequence[str]) -> None:
    """Take workers back as AWS does what is on Spot.

    Fargate sends SIGTERM, and SIGKILL after two minutes: returns once ECS stops them. EC2 gives two
    minutes' notice, and terminates them.
    """
    if pipeline.pipeline.on_cluster:
        lines = [f"{one} {time.time() + NOTICE:.0f}\n" for one in workers]
        _declare(pipeline, paths().interruptions, lines)
        pipeline.record_loss("EC2 interrupts in two minutes", workers)
        return
    _declare(
        pipeline, paths().task_interruptions, [f"{_id(one)} {time.time():.0f}\n" for one in workers]
    )
    pipeline.record_loss("Fargate interrupts", workers)

    def have_begun() -> bool:
        return not set(workers) & set(pipeline.place.workers())

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
    there = paths()
    files = (there.interruptions, there.task_interruptions, there.s3_events, there.outages)
    return [f"{file} still declares {file.read_text().strip()}" for file in files if file.exists()]


def _declare(pipeline: PipelineUnderTest, file: Path, lines: Iterable[str]) -> None:
    pipeline.cleanup.callback(file.unlink, missing_ok=True)
    file.write_text("".join(lines))


def _processes(lost: str) -> list[int]:
    """Return a machine's first process, or those of a task's containers, as runc has written it."""
    if not lost.startswith("arn:"):
        return [first_process(lost)]
    files = (paths().tasks / _id(lost)).glob("*/pid")
    return [int(file.read_text()) for file in files]


def _id(task: str) -> str:
    return task.rpartition("/")[2]
