"""What drills do to a deployed pipeline, on the local cloud's services in this process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from common.errors import PipelineError
from deploy.cluster.ray_api import RayNode
from deploy.documents.pipeline import find_pipeline
from documents.control.claims import DONE, FAILED
from documents.identity import ObjectRef
from drills.documents.kit import tasks
from drills.documents.kit.function import break_function, throttle_function
from drills.documents.kit.tasks import Tasks
from drills.documents.kit.under_test import PipelineUnderTest
from tests.unit.deploy.documents.conftest import made  # noqa: F401 - a fixture
from tests.unit.deploy.documents.pipeline import Pipeline, with_documents
from tests.unit.documents.conftest import aws  # noqa: F401 - a fixture

FUNCTION = "ray-documents-dev-s3-event-handler"


@pytest.fixture
def drilled(made: Pipeline) -> Iterator[PipelineUnderTest]:  # noqa: F811
    api: Any = None  # no head answers
    pipeline = find_pipeline(made.clients, with_documents())
    found = PipelineUnderTest(pipeline, made.clients, made.clock, api)
    with found.cleanup:
        yield found


def set_record(drilled: PipelineUnderTest, name: str, **values: str) -> None:
    """Write the control record of a document."""
    ref = ObjectRef(drilled.pipeline.bucket, f"input/drill/{name}")
    values = {"id": ref.id, **values}
    drilled.clients("dynamodb").put_item(
        TableName=drilled.pipeline.settings.control_table,
        Item={key: {"S": value} for key, value in values.items()},
    )


def test_a_document_is_done_in_the_version_that_was_uploaded_last(
    drilled: PipelineUnderTest,
) -> None:
    drilled.put("a.pdf", b"one")
    first = drilled._versions["a.pdf"]
    set_record(drilled, "a.pdf", status=DONE, version=first)
    assert drilled.done(["a.pdf"]) == ["a.pdf"]

    drilled.put("a.pdf", b"two")
    assert drilled.done(["a.pdf"]) == []

    set_record(drilled, "a.pdf", status=DONE, version=drilled._versions["a.pdf"])
    assert drilled.done(["a.pdf"]) == ["a.pdf"]


def test_what_failed_has_its_reason(drilled: PipelineUnderTest) -> None:
    drilled.put("b.pdf", b"one")
    assert drilled.failed(["b.pdf"]) == {}

    set_record(drilled, "b.pdf", status=FAILED, reason="encrypted")

    assert drilled.failed(["b.pdf"]) == {"b.pdf": "encrypted"}


def test_what_was_uploaded_is_deleted(drilled: PipelineUnderTest) -> None:
    drilled.put("c.pdf", b"one")
    s3, bucket = drilled.clients("s3"), drilled.pipeline.bucket
    s3.put_object(Bucket=bucket, Key="failed/drill/c.pdf", Body=b"one")

    drilled.remove()

    found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    assert [one["Key"] for one in found if one["Key"].endswith("c.pdf")] == []


def test_tasks_are_told_by_service_and_market(drilled: PipelineUnderTest) -> None:
    assert len(drilled.place.head()) == 1
    assert len(workers := drilled.place.workers()) == 1
    assert drilled.place.on_spot(workers) == []


def test_the_function_may_not_run_or_fails_until_the_repair(drilled: PipelineUnderTest) -> None:
    functions = drilled.clients("lambda")
    before = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]

    with drilled.cleanup:
        throttle_function(drilled)
        break_function(drilled)
        reserved = functions.get_function_concurrency(FunctionName=FUNCTION)
        assert reserved["ReservedConcurrentExecutions"] == 0
        broken = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]
        assert broken["Variables"]["QUEUE_URL"].endswith("ray-documents-dev-gone")

    reserved = functions.get_function_concurrency(FunctionName=FUNCTION)
    assert "ReservedConcurrentExecutions" not in reserved
    after = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]
    assert after == before


class Ray:
    """Ray's API, where workers at these addresses are alive."""

    def __init__(self, addresses: Callable[[], set[str]]) -> None:
        self._addresses = addresses

    def nodes(self) -> list[RayNode]:
        return [RayNode(one, one, is_head=False, state="ALIVE") for one in self._addresses()]


def test_other_tasks_are_awaited_for_those_that_were_lost(
    drilled: PipelineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Tasks(drilled.pipeline, drilled.clients)
    ray = Ray(lambda: there.addresses(there.workers()))
    monkeypatch.setattr(tasks, "ray_of_pipeline", lambda clients, pipeline: ray)
    before = there.workers()
    drilled.record_loss("stopped", before)
    there.stop(before)

    drilled.await_others(120.0)

    assert len(after := there.workers()) == 1
    assert after != before
    assert [one["lastStatus"] for one in there.described(before)] == ["STOPPED"]


def test_tasks_that_are_not_in_ray_are_not_back(
    drilled: PipelineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = Ray(lambda: {"10.78.1.250"})  # of a task that was lost before
    monkeypatch.setattr(tasks, "ray_of_pipeline", lambda clients, pipeline: ray)

    with pytest.raises(PipelineError, match="1 of 1 tasks run; 0 workers alive in Ray"):
        drilled.await_others(120.0)
