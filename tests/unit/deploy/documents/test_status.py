"""What documents.status and documents.verify see of a pipeline in this process."""

from typing import Any

import pytest

from common.errors import Refused
from deploy.cluster.ray_api import RayNode, Unreachable
from deploy.documents import checks as checks_module
from deploy.documents import status as status_module
from deploy.documents.checks import run_document_checks
from deploy.documents.history import read_history
from deploy.documents.status import DocumentsStatus, read_documents_status
from documents.control.claims import DONE
from tests.unit.deploy.documents.pipeline import STACK, Pipeline
from tests.unit.deploy.documents.test_deploy import Operator, record

NODES = (
    RayNode("a", "10.78.1.5", is_head=True, state="ALIVE"),
    RayNode("b", "10.78.1.6", is_head=False, state="ALIVE"),
    RayNode("c", "10.78.1.7", is_head=False, state="DEAD"),
)


# No head reports to CloudWatch here, which the alarm takes for the worst.
NO_REPORT = "alarm no-worker"


class Ray:
    """Ray's API on the head."""

    def __init__(self, answers: bool = True) -> None:
        self.answers = answers

    def nodes(self) -> tuple[RayNode, ...]:
        if not self.answers:
            raise Unreachable("no route to the head")
        return NODES


@pytest.fixture
def operator(pipeline: Pipeline) -> Operator:
    return Operator(pipeline)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    ray = Ray()
    for module in (status_module, checks_module):
        monkeypatch.setattr(module, "ray_of_pipeline", lambda clients, pipeline: ray)
    return ray


def read(operator: Operator) -> DocumentsStatus:
    aws = operator.aws
    return read_documents_status(operator.environment, aws.clients, clock=aws.clock)


def test_a_pipeline_that_runs_is_healthy(operator: Operator, ray: Ray) -> None:
    operator.deploy()
    record(operator)

    found = read(operator)

    assert found.problems == (NO_REPORT,)
    assert found.ray == "the head and 1 workers are alive"
    assert found.documents["DONE"] == 1
    assert found.messages == {
        "waiting": 0,
        "being worked on": 0,
        "given up": 0,
        "events given up": 0,
    }
    assert "no-worker" in found.alarms
    assert found.url == f"http://head.{STACK}.internal:8000"
    assert all(section.rows or section.title for section in found.sections())


def test_what_is_wrong_is_said(operator: Operator, ray: Ray) -> None:
    deployed = operator.deploy()
    ray.answers = False
    sqs, url = operator.aws.clients("sqs"), deployed.outputs["DeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="given up")
    operator.aws.clients("cloudwatch").set_alarm_state(
        AlarmName=f"{STACK}-head-restarts", StateValue="ALARM", StateReason="a test"
    )

    problems = read(operator).problems

    assert problems == (
        "Ray does not answer: no route to the head",
        "1 given up",
        "alarm head-restarts",
        NO_REPORT,
    )


def test_a_paused_pipeline_has_no_problem(operator: Operator, ray: Ray) -> None:
    operator.deploy()
    operator.pause(True)

    found = read(operator)

    assert found.is_paused
    assert found.problems == ()
    assert found.ray == "the head does not run"


def test_without_a_pipeline_it_says_how_to_make_one(operator: Operator) -> None:
    with pytest.raises(Refused, match="has no document pipeline") as refusal:
        read(operator)
    assert refusal.value.hint == "invoke documents.deploy --env dev"


def test_who_did_what_to_a_document_is_shown_by_its_name(operator: Operator) -> None:
    deployed = operator.deploy()
    key = f"object/{deployed.bucket}/input/plans/a.txt"
    audit = deployed.access(operator.aws.clients).audit
    audit.add(key, "AWS:ada", "ObjectCreated:Put", version="v1")

    found = read_history(operator.environment, operator.aws.clients, "plans/a.txt")

    assert found.section.title == "History of plans/a.txt"
    ((when, *rest),) = found.section.rows
    assert ("#" in when, rest) == (False, ["AWS:ada", "ObjectCreated:Put", "v1"])
    with pytest.raises(Refused, match=r"nothing is known of a document b\.txt"):
        read_history(operator.environment, operator.aws.clients, "input/b.txt")


class Answers:
    """The API: it finds what is in the bucket and not removed."""

    def __init__(self, operator: Operator, status: str) -> None:
        self.operator, self.status = operator, status

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


def test_verify_takes_a_document_all_the_way_and_leaves_nothing_of_it(
    operator: Operator, ray: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploy()
    answers = Answers(operator, "200")
    monkeypatch.setattr(checks_module, "api_of_pipeline", lambda *_: answers)
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
    bucket = {"Bucket": operator.environment.documents_bucket}
    left = aws.found("s3", "list_object_versions", **bucket)
    assert left.get("Versions", []) + left.get("DeleteMarkers", []) == []


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
    operator: Operator, ray: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.deploy()
    answers = Answers(operator, "503")
    monkeypatch.setattr(checks_module, "api_of_pipeline", lambda *_: answers)

    aws = operator.aws
    found = run_document_checks(operator.environment, aws.clients, clock=aws.clock)

    failed = {one.name: one.seen for one in found if not one.passed}
    assert failed["document"] == "not recorded yet"
    assert failed["API"].endswith("answers 503")
    bucket = {"Bucket": operator.environment.documents_bucket}
    assert "Contents" not in aws.found("s3", "list_objects_v2", **bucket)
