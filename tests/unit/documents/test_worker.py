"""A worker and its queue: what it holds stays hidden, what fails comes back later and later."""

import threading

import pytest

from documents.errors import Unavailable
from documents.identity import ObjectRef
from documents.queue import Message, Queue
from documents.worker import Holder, Worker
from tests.unit.documents.conftest import Clients, SetClock
from tests.unit.documents.pipeline import QUEUE, Pipeline, settings


@pytest.fixture
def pipeline(aws: Clients, clock: SetClock) -> Pipeline:
    return Pipeline(aws, clock)


@pytest.fixture
def queue(pipeline: Pipeline) -> Queue:
    return pipeline.access().queue


@pytest.fixture
def hidden(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long messages were hidden; they come back at once."""
    seconds: list[float] = []
    hide = queue.hide

    def note(message: Message, wanted: float) -> None:
        seconds.append(wanted)
        hide(message, 0)

    monkeypatch.setattr(queue, "hide", note)
    return seconds


@pytest.fixture
def worker(pipeline: Pipeline, queue: Queue) -> Worker:
    return Worker(pipeline.work(), queue, lambda event, **fields: None)


def waiting(aws: Clients) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = aws("sqs").get_queue_attributes(QueueUrl=QUEUE, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_a_message_goes_once_its_object_is_indexed(
    aws: Clients, pipeline: Pipeline, queue: Queue, worker: Worker
) -> None:
    queue.send(pipeline.put("a.txt", "text"))

    outcome = worker.step(wait=0)

    assert outcome
    assert outcome.finished
    assert worker.state == {"finished": 1, "at": ""}
    assert waiting(aws) == 0
    assert worker.step(wait=0) is None


def test_what_fails_comes_back_later_each_time(
    pipeline: Pipeline, queue: Queue, worker: Worker, hidden: list[float]
) -> None:
    queue.send(pipeline.put("a.txt", "text"))
    assert pipeline.access().claims.take(ObjectRef("bucket", "input/a.txt"))

    for _ in range(12):
        worker.step(wait=0)

    assert hidden == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_a_service_that_says_when_is_asked_again_then_and_later_each_time(
    pipeline: Pipeline, queue: Queue, hidden: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(texts: list[str]) -> list[list[float]]:
        raise Unavailable("429", retry_after=20.0)

    monkeypatch.setattr(pipeline.embeddings, "embed", busy)
    queue.send(pipeline.put("a.txt", "text"))
    worker = Worker(pipeline.work(), queue, lambda event, **fields: None)

    for _ in range(20):
        worker.step(wait=0)

    assert hidden == [20, 20, 20, 20, 32, 64, 128, 256, 512, *[900] * 11]


def test_a_used_up_budget_is_waited_for_without_a_message(
    aws: Clients, clock: SetClock, queue: Queue
) -> None:
    pipeline = Pipeline(aws, clock, settings(tokens_per_day=10))
    pipeline.embeddings.tokens = 6
    pipeline.add("a.txt", "text")
    queue.send(pipeline.put("b.txt", "other text"))
    worker = Worker(pipeline.work(), queue, lambda event, **fields: None)

    outcome = worker.step(wait=0)

    assert outcome
    assert (outcome.finished, outcome.put_off, waiting(aws)) == (False, True, 0)
    clock.sleep(12 * 3600 - 1)  # to a second before midnight UTC
    assert (pipeline.sweep().messages, waiting(aws)) == (0, 0)
    clock.sleep(1)
    assert (pipeline.sweep().messages, waiting(aws)) == (1, 1)
    assert pipeline.sweep().messages == 0  # its message is under way
    done = worker.step(wait=0)
    assert done
    assert done.finished
    assert pipeline.record("b.txt")["status"] == "DONE"
    assert "resume_at" not in pipeline.record("b.txt")


def test_a_worker_that_dies_before_it_deletes_the_message_of_what_is_put_off_harms_nothing(
    aws: Clients, clock: SetClock, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(aws, clock, settings(tokens_per_day=10))
    pipeline.embeddings.tokens = 6
    pipeline.add("a.txt", "text")
    ref = pipeline.put("b.txt", "other text")

    assert pipeline.ingest(ref).put_off
    assert pipeline.ingest(ref).put_off  # its message came back

    clock.sleep(12 * 3600)
    assert pipeline.sweep().messages == 1
    assert pipeline.ingest(ref).finished


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"bucket": "bucket", "key": "failed/a"}', '{"Event": "s3:TestEvent"}']
)
def test_a_message_that_names_no_document_is_deleted(
    aws: Clients, worker: Worker, body: str
) -> None:
    aws("sqs").send_message(QueueUrl=QUEUE, MessageBody=body or " ")

    worker.step(wait=0)

    assert waiting(aws) == 0


def test_an_object_is_held_for_as_long_as_it_takes(
    aws: Clients, clock: SetClock, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(aws, clock, settings(claim_seconds=3))
    work = pipeline.work()
    claim = work.claims.take(pipeline.put("a.txt", "text"))
    assert claim
    renewed, twice = [], threading.Event()

    def note(message: Message, seconds: float) -> None:
        renewed.append(seconds)
        clock.sleep(2)
        if len(renewed) == 2:
            twice.set()

    monkeypatch.setattr(queue, "hide", note)
    holder = Holder(work, queue, Message("receipt", claim.ref))
    holder.hold(claim)
    with holder.holding():
        assert twice.wait(10)

    assert work.claims.take(claim.ref) is None
    assert renewed[:2] == [3, 3]
