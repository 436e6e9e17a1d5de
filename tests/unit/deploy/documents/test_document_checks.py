"""A test document says whether a pipeline works; see also test_status.py."""

from datetime import timedelta
from typing import Any

import pytest
from moto.core.utils import utcnow

from common.errors import Unhealthy
from common.progress import say_nothing
from deploy.documents import checks, document_checks, in_use
from deploy.documents.checks import run_document_checks
from deploy.documents.document_checks import await_use
from deploy.documents.pipeline import find_pipeline
from documents.control.claims import DONE
from documents.control.items import to_item
from tests.unit.deploy.documents.pipeline import STACK, Pipeline
from tests.unit.deploy.documents.test_deploy import Operator
from tests.unit.deploy.documents.test_status import Ray

NOT_USED = "the test document did not go all the way"


class Answers:
    """The API: it finds what is in the bucket and not removed."""

    def __init__(self, operator: Operator) -> None:
        self.operator, self.status = operator, "200"

    def answered(self) -> str:
        return self.status

    def ask(self, question: str, passages: int) -> Any:
        bucket = {"Bucket": self.operator.environment.documents_bucket}
        listed = self.operator.aws.clients("s3").list_objects_v2(**bucket).get("Contents", [])
        names = [one["Key"].removeprefix("input/") for one in listed]
        return type("Answer", (), {"passages": [Passage((name,)) for name in names]})


class Passage:
    def __init__(self, sources: tuple[str, ...]) -> None:
        self.sources = sources


@pytest.fixture
def operator(pipeline: Pipeline) -> Operator:
    return Operator(pipeline)


@pytest.fixture
def answers(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """The API of the operator's pipeline; Ray is on its head, with a worker."""
    answers = Answers(operator)
    for module in (checks, document_checks, in_use):
        monkeypatch.setattr(module, "api_of_pipeline", lambda *_: answers)
    for module in (checks, in_use):
        monkeypatch.setattr(module, "ray_of_pipeline", lambda *_: Ray())
    return answers


def test_verify_takes_a_document_all_the_way_and_leaves_nothing_of_it(
    operator: Operator, answers: Answers
) -> None:
    operator.deploy()
    index(operator)

    aws = operator.aws
    found = run_document_checks(operator.environment, aws.clients, clock=aws.clock)

    assert [(one.name, one.passed) for one in found] == [
        (name, True)
        for name in (
            *("resources", "bucket", "tables", "function", "services", "Ray", "API"),
            *("upload", "document", "answer", "removal", "no answer"),
        )
    ]
    assert left_of(operator) == []


def left_of(operator: Operator) -> list[str]:
    """Return the keys of all versions and delete markers that the bucket has."""
    bucket = {"Bucket": operator.environment.documents_bucket}
    left = operator.aws.found("s3", "list_object_versions", **bucket)
    return [one["Key"] for one in left.get("Versions", []) + left.get("DeleteMarkers", [])]


def index(operator: Operator) -> None:
    """Do what the consumers do: note what the bucket has, and what it has no more."""
    clients, bucket = operator.aws.clients, operator.environment.documents_bucket
    noted: set[str] = set()

    def work() -> None:
        listed = clients("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
        there = {one["Key"] for one in listed}
        for key, status in {
            **dict.fromkeys(noted - there, "REMOVED"),
            **dict.fromkeys(there, DONE),
        }.items():
            noted.add(key)
            item = {"id": {"S": f"object/{bucket}/{key}"}, "status": {"S": status}}
            item |= {"updated_at": {"S": "2026-01-01"}}
            clients("dynamodb").put_item(TableName=f"{STACK}-control", Item=item)

    operator.aws.clock.listeners.append(work)


def test_a_document_that_is_never_indexed_fails_and_is_removed(
    operator: Operator, answers: Answers
) -> None:
    operator.deploy()
    answers.status = "503"

    aws = operator.aws
    found = run_document_checks(operator.environment, aws.clients, clock=aws.clock)

    failed = {one.name: one.seen for one in found if not one.passed}
    assert failed["document"] == "not recorded yet"
    assert failed["API"].endswith("answers 503")
    bucket = {"Bucket": operator.environment.documents_bucket}
    assert "Contents" not in aws.found("s3", "list_objects_v2", **bucket)


def use(operator: Operator) -> str:
    aws = operator.aws
    found = find_pipeline(aws.clients, operator.environment)
    return await_use(found, aws.clients, clock=aws.clock, progress=say_nothing)


def test_a_pipeline_is_in_use_when_a_document_of_its_own_was_answered_from(
    operator: Operator, answers: Answers
) -> None:
    operator.deploy()
    with pytest.raises(Unhealthy) as unhealthy:
        use(operator)
    index(operator)

    seen = use(operator)

    assert unhealthy.value.message == f"{NOT_USED}: document: not recorded yet"
    assert seen.startswith("1 workers alive in Ray, the API answers 200; a document was answered")
    assert left_of(operator) == []


def test_what_a_run_that_was_killed_has_left_is_removed_by_a_later_one(
    operator: Operator, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploy()
    index(operator)
    put, bucket = operator.aws.clients("s3").put_object, operator.environment.documents_bucket
    before = utcnow() - timedelta(minutes=61)
    with monkeypatch.context() as earlier:
        earlier.setattr("moto.s3.models.utcnow", lambda: before)
        put(Bucket=bucket, Key="input/verify/killed.txt", Body=b"x")
        put(Bucket=bucket, Key="input/killed.txt", Body=b"x")
    put(Bucket=bucket, Key="input/verify/of-another-run.txt", Body=b"x")

    use(operator)

    assert set(left_of(operator)) == {"input/killed.txt", "input/verify/of-another-run.txt"}


@pytest.mark.parametrize("others", ["done", "none is done"])
def test_where_others_are_taken_first_a_document_may_wait_for_its_turn(
    operator: Operator, answers: Answers, others: str
) -> None:
    operator.deploy()
    wait_behind_others(operator, "DONE" if others == "done" else "PARSED")

    if others == "done":
        words = "a document waits behind others, of which 2 were done meanwhile"
        assert use(operator).endswith(words)
    else:
        with pytest.raises(Unhealthy, match=r"document: RECEIVED; removal: RECEIVED"):
            use(operator)
    assert left_of(operator) == []


def wait_behind_others(operator: Operator, status: str) -> None:
    """Record every object as received, and a minute later two other documents in this status."""
    clients, bucket = operator.aws.clients, operator.environment.documents_bucket

    def put(key: str, status: str, time: str) -> None:
        item = {"id": f"object/{bucket}/{key}", "status": status, "updated_at": time}
        clients("dynamodb").put_item(TableName=f"{STACK}-control", Item=to_item(item))

    put("input/before.pdf", "DONE", "2026-01-01T11:59:59Z")

    def work() -> None:
        for one in clients("s3").list_objects_v2(Bucket=bucket).get("Contents", []):
            put(one["Key"], "RECEIVED", "2026-01-01T12:00:00Z")
        for name in ("a", "b"):
            put(f"input/{name}.pdf", status, "2026-01-01T12:01:00Z")

    operator.aws.clock.listeners.append(work)
