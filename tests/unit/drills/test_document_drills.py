"""Drills of the document pipeline: what they say, what they stop, and that a loss is seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from common.progress import Silent
from common.waiting import SystemClock
from deploy.documents.pipeline import Pipeline
from documents.providers.interfaces import Passage
from drills.documents import half_of_the_workers_stopped, head_task_stopped
from drills.documents.kit import client as busy
from drills.documents.kit import run
from drills.documents.kit.under_test import PipelineUnderTest
from tests.unit.deploy.builders import an_environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", run.names())
def test_a_drill_says_what_breaks_and_is_in_the_documentation(name: str) -> None:
    drill = run.drill_of(name)
    words = drill.__doc__ or ""

    assert [part for part in ("In the field:", "Must hold:", "Runbook:") if part not in words] == []
    runbook = words.rpartition("Runbook: ")[2].strip()
    assert f"`{name}`" in (ROOT / runbook).read_text()
    assert f"`{name}`" in (ROOT / "docs/drills.md").read_text()
    assert drill.WITHIN > 0


def test_an_unknown_drill_is_refused() -> None:
    with pytest.raises(Refused, match=r"no drill 'documents\.kit'"):
        run.drill_of("documents.kit")


class Ecs:
    """A cluster with a head and three workers."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def __call__(self, service: str) -> "Ecs":
        return self

    def get_paginator(self, name: str) -> "Ecs":
        return self

    def paginate(self, cluster: str, serviceName: str) -> list[dict[str, Any]]:  # noqa: N803
        count = 1 if serviceName == "the-head" else 3
        return [{"taskArns": [f"arn/{serviceName}/{number}" for number in range(count)]}]

    def stop_task(self, cluster: str, task: str, reason: str) -> None:
        self.stopped.append(task)


def test_a_drill_stops_the_tasks_that_it_says() -> None:
    outputs = {
        "ECSClusterName": "cluster",
        "RayHeadServiceName": "the-head",
        "RayWorkerServiceName": "the-workers",
    }
    ecs = Ecs()
    found = PipelineUnderTest(
        Pipeline(an_environment(), outputs),
        ecs,  # type: ignore[arg-type] # has what is called
        SystemClock(),
        None,  # type: ignore[arg-type] # nothing is asked
    )

    head_task_stopped.run(found)
    half_of_the_workers_stopped.run(found)

    assert ecs.stopped == ["arn/the-head/0", "arn/the-workers/0", "arn/the-workers/1"]
    assert found.faults == ["stopped 0", "stopped 0, 1"]


@dataclass
class Shelf:
    """A pipeline in memory; ``keeps`` is how often it has a document that comes after the fault."""

    keeps: int
    broken: bool = False
    texts: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    clock: SystemClock = field(default_factory=SystemClock)
    pipeline: Pipeline = field(default_factory=lambda: Pipeline(an_environment(), {}))

    def put(self, name: str, content: bytes) -> None:
        code = content.partition(b" is ")[2].partition(b".")[0].decode()
        self.texts[name] = [code] * (self.keeps if self.broken else 1)

    def done(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.texts]

    def passages(self, question: str, count: int) -> list[Passage]:
        return [
            Passage((n,), 1, "", text, 1.0) for n, texts in self.texts.items() for text in texts
        ]

    def remove(self, names: Sequence[str]) -> None:
        self.removed += names


@pytest.mark.parametrize(("keeps", "verdict"), [(1, "held"), (0, "failed"), (2, "failed")])
def test_what_is_lost_or_twice_fails_the_drill(
    monkeypatch: pytest.MonkeyPatch, keeps: int, verdict: str
) -> None:
    monkeypatch.setattr(busy, "EVERY", 0.02)
    shelf = Shelf(keeps)

    def broken(pipeline: Shelf) -> None:
        pipeline.broken = True

    monkeypatch.setattr(head_task_stopped, "run", broken)

    found = run.run_drill("documents.head_task_stopped", shelf, Silent())  # type: ignore[arg-type] # has what is called

    assert found.verdict == verdict, found.seen
    assert sorted(shelf.removed) == sorted(shelf.texts)
    if keeps == 1:
        assert set(found.figures) == {"two more documents done", "all documents done", "no answer"}
    else:
        assert "answers were wrong" in found.seen
