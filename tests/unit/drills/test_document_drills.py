"""Drills of the document pipeline: what they say, what they stop, and that a loss is seen."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused, Unanswered
from common.waiting import SystemClock
from deploy.documents.pipeline import Outputs, Pipeline
from documents.providers.interfaces import Passage
from drills.documents import head_task_stopped, poison
from drills.documents.kit import deploys, local_faults, run
from drills.documents.kit.client import BusyClient
from drills.documents.kit.deploys import changed, deploy
from drills.documents.kit.poison import poison as poisonous
from drills.documents.kit.under_test import PipelineUnderTest, pipeline_under_test
from drills.kit.cluster import DrillFailed
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.documents.pipeline import on_cluster

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


def test_all_are_chosen_by_one_name_and_on_aws_those_that_can_run_there() -> None:
    local, aws = an_environment(provider="localcloud"), an_environment(provider="aws")

    assert run.chosen("documents", local) == run.names()
    assert run.chosen("documents", aws) == [
        f"documents.{name}"
        for name in (
            *("bad_image", "function_failing", "function_throttled", "head_task_stopped"),
            *("poison", "update_interrupted"),
        )
    ]
    assert run.chosen("documents.head-killed", local) == ["documents.head_killed"]
    with pytest.raises(Refused, match="on the local cloud only: AWS has no call"):
        run.chosen("documents.head_killed", aws)


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


def under_test(clients: Any, **outputs: str) -> PipelineUnderTest:
    """A pipeline with these outputs, whose API is never asked."""
    api: Any = None
    return PipelineUnderTest(pipeline_of(outputs), clients, SystemClock(), api)


def pipeline_of(outputs: dict[str, str]) -> Pipeline:
    """A pipeline whose stack has these outputs."""
    return Pipeline(an_environment(), Outputs("ray-documents-dev", outputs))


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        # The first deploy ended before there were services.
        ({"ECSClusterName": "cluster"}, "the stack ray-documents-dev has no services yet"),
        ({"HeadName": "ray-head"}, "the file of dev has its documents run elsewhere than they do"),
    ],
)
def test_a_pipeline_that_is_not_as_its_file_says_is_not_broken(
    monkeypatch: pytest.MonkeyPatch, outputs: dict[str, str], words: str
) -> None:
    monkeypatch.setattr(
        "drills.documents.kit.under_test.find_pipeline", lambda *_: pipeline_of(outputs)
    )

    with pytest.raises(Refused, match=words) as caught:
        pipeline_under_test(an_environment(), Clients("us-east-1"))

    assert caught.value.hint == "invoke documents.deploy --env dev"


def test_a_drill_stops_the_tasks_that_it_says() -> None:
    ecs = Ecs()
    found = under_test(ecs, ECSClusterName="cluster", RayHeadServiceName="the-head")

    head_task_stopped.run(found)

    assert ecs.stopped == ["arn/the-head/0"]
    assert found.faults == ["stopped 0"]
    assert found.lost == {"arn/the-head/0"}


def test_what_is_declared_to_the_local_cloud_is_gone_once_the_run_has_ended(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")  # with a name short enough to have no link
    monkeypatch.setenv("RAYKILN_HOME", str(home))
    (home / "run").mkdir()
    found = under_test(None, ECSClusterName="cluster")
    monkeypatch.setattr(found.place, "workers", lambda: ["arn:task/cluster/another"])

    with found.cleanup:
        local_faults.affect_events(found, "late", "twice")
        local_faults.interrupt_spot(found, ["arn:task/cluster/abc"])
        events = (home / "run/s3_events").read_text()
        assert events == "input/drill/* late\ninput/drill/* twice\n"
        assert (home / "run/task_interruptions").read_text().startswith("abc ")
        assert len(local_faults.remaining_faults()) == 2
        local_faults.break_service(found, "dynamodb", "throttled", 0.0)
        assert len(local_faults.remaining_faults()) == 2

    assert local_faults.remaining_faults() == []


def test_an_instance_is_interrupted_after_two_minutes_notice(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")  # with a name short enough to have no link
    monkeypatch.setenv("RAYKILN_HOME", str(home))
    (home / "run").mkdir()
    found, began = under_test(None), time.time()

    with found.cleanup:
        local_faults.interrupt_spot(found, ["i-0abc"])
        instance, _, at = (home / "run/interruptions").read_text().partition(" ")
        assert instance == "i-0abc"
        assert began + 119 < float(at) < time.time() + 121
        assert found.lost == {"i-0abc"}
        assert len(local_faults.remaining_faults()) == 1

    assert local_faults.remaining_faults() == []


def test_what_does_not_run_is_not_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYKILN_HOME", str(tmp_path))

    with pytest.raises(DrillFailed, match="nothing runs that could be killed"):
        local_faults.kill(under_test(None), ["arn:task/cluster/abc"])
    with pytest.raises(DrillFailed, match="i-0abc is not a running machine of this local cloud"):
        local_faults.kill(under_test(None), ["i-0abc"])


def test_a_drills_deploy_changes_the_image_and_the_workers_size() -> None:
    found = changed(an_environment(), "repository@sha256:1", altered=True).documents

    assert (found.image, found.worker.memory) == ("repository@sha256:1", 5120)
    assert changed(an_environment(), "repository@sha256:1").documents.worker.memory == 4096


def test_a_drills_deploy_to_a_cluster_changes_what_the_application_is_told() -> None:
    found = changed(on_cluster(tokens_per_day=5), "", altered=True)

    assert found.documents.tokens_per_day == 1_000_005
    assert found.tags == {"project": "raykiln", "drill": "update"}
    assert changed(on_cluster(), "") == on_cluster()


def test_a_drills_deploy_is_of_the_drills_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = under_test(None)
    monkeypatch.setattr(deploys, "COMMAND", ["cat"])

    with found.cleanup:
        deployed = deploy(found)
        deployed.await_exit(0, 10.0)

    assert Environment.model_validate_json(deployed.said) == an_environment()


def of_instances(least: int) -> Environment:
    """Return an environment of the local cloud whose documents run on so many instances."""
    found = on_cluster()
    group = found.workers["documents"].model_copy(update={"min": least})
    return found.model_copy(update={"provider": "localcloud", "workers": {"documents": group}})


def test_on_a_cluster_only_what_has_a_meaning_there_is_broken() -> None:
    one, two = of_instances(1), of_instances(2)
    left = {"documents.bad_image", "documents.head_task_stopped"}
    pairs = {
        "documents.all_workers_killed",
        "documents.half_of_the_workers_interrupted",
        "documents.worker_killed_in_a_document",
    }

    assert set(run.names()) - set(run.chosen("documents", two)) == left
    assert set(run.names()) - set(run.chosen("documents", one)) == left | pairs
    for name in left:
        with pytest.raises(Refused, match="breaks tasks on Fargate, and these documents run on"):
            run.chosen(name, two)
    with pytest.raises(
        Refused, match=r"needs 2 instances, and workers\.documents\.min is 1"
    ) as short:
        run.chosen("documents.all_workers_killed", one)
    assert short.value.hint.startswith("set workers.documents.min = 2, invoke deploy; ")


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("truncated, encrypted, memory, wrong extension", ""),
        ("truncated", "encrypted.pdf failed with 'truncated', which does not say 'encrypted'"),
    ],
)
def test_poison_must_fail_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, reason: str, message: str
) -> None:
    monkeypatch.setattr(poison, "poison", lambda: poisonous(1))
    found = under_test(None)
    monkeypatch.setattr(found, "put", lambda name, content: None)
    monkeypatch.setattr(found, "failed", lambda names: dict.fromkeys(names, reason))

    if not message:
        poison.run(found)
        return
    with pytest.raises(DrillFailed, match=message):
        poison.run(found)


@dataclass
class Shelf:
    """A pipeline in memory; ``keeps`` is how often it has a document that comes after the fault."""

    keeps: int
    broken: bool = False
    lost: set[str] = field(default_factory=set)
    silent: int = 0  # so many questions in a row are not answered
    awaited: list[float] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    removed: int = 0
    cleanup: ExitStack = field(default_factory=ExitStack)
    client: BusyClient = field(init=False)
    pipeline: Pipeline = field(
        default_factory=lambda: Pipeline(an_environment(), Outputs("ray-documents-dev", {}))
    )

    def __post_init__(self) -> None:
        self.client = BusyClient(self, add_every=0.02, ask_every=0.02)

    def await_workers(self, count: int) -> None:
        pass

    def await_that(
        self, what: str, holds: Callable[[], bool], seconds: float, words: Callable[[], str]
    ) -> None:
        for _ in range(2000):
            with suppress(Unanswered):
                if holds():
                    return
            words()
            time.sleep(0.001)
        raise DrillFailed(f"{what}: {words()}", hint="none")

    def await_others(self, seconds: float) -> None:
        self.awaited.append(seconds)
        self.lost.clear()

    def put(self, name: str, content: bytes) -> None:
        code = content.partition(b" is ")[2].partition(b".")[0].decode()
        self.texts[name] = [code] * (self.keeps if self.broken else 1)

    def done(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.texts]

    def passages(self, question: str, count: int) -> list[Passage]:
        if self.lost or self.silent:
            self.silent = max(0, self.silent - 1)
            raise Unanswered("the head is away")
        return [
            Passage((n,), 1, "", text, 1.0)
            for n, texts in list(self.texts.items())  # others are added meanwhile
            for text in texts
        ]

    def remove(self) -> None:
        self.removed += 1


@pytest.mark.parametrize(("keeps", "verdict"), [(1, "held"), (0, "failed"), (2, "failed")])
def test_what_is_lost_or_twice_fails_the_drill(
    monkeypatch: pytest.MonkeyPatch, keeps: int, verdict: str
) -> None:
    shelf = Shelf(keeps)

    def broken(pipeline: Shelf) -> None:
        pipeline.broken = True

    monkeypatch.setattr(head_task_stopped, "run", broken)

    found = run.run_drill("documents.head_task_stopped", shelf)  # type: ignore[arg-type] # has what is called

    assert found.verdict == verdict, found.seen
    assert shelf.removed == 1
    if keeps == 1:
        names = {"two new documents done", "all documents done", "no answer"}
        assert set(found.figures) == names
    else:
        assert "answers were wrong" in found.seen


def test_a_drill_is_over_once_other_tasks_run_and_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(keeps=1)

    def lose_the_head(pipeline: Shelf) -> None:
        pipeline.lost.add("the head")

    monkeypatch.setattr(head_task_stopped, "run", lose_the_head)
    stopped = BusyClient.stop

    def stop(client: BusyClient) -> None:
        stopped(client)
        shelf.silent = 3  # when every document is asked about

    monkeypatch.setattr(BusyClient, "stop", stop)

    found = run.run_drill("documents.head_task_stopped", shelf)  # type: ignore[arg-type] # has what is called

    assert found.seen == ""
    assert shelf.awaited == [240.0]
    assert found.figures["others run"] <= found.figures["two new documents done"]
