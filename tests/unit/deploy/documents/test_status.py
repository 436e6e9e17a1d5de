"""What documents.status and documents.verify see of a pipeline in this process."""

import pytest

from common.errors import Refused
from deploy.cluster.ray_api import RayNode, Unreachable
from deploy.documents import status as status_module
from deploy.documents.body import template_body
from deploy.documents.history import read_history
from deploy.documents.status import ALARMS, DocumentsStatus, read_documents_status
from localcloud.patches.cloudformation.template import parse
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
    monkeypatch.setattr(status_module, "ray_of_pipeline", lambda clients, pipeline: ray)
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


def test_the_alarms_of_a_longer_name_are_another_pipeline_s(operator: Operator, ray: Ray) -> None:
    operator.deploy()
    cloudwatch = operator.aws.clients("cloudwatch")
    (ours,) = cloudwatch.describe_alarms(AlarmNames=[f"{STACK}-no-worker"])["MetricAlarms"]
    of_the_same_kind = ("Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods")
    theirs = {name: ours[name] for name in (*of_the_same_kind, "Threshold", "ComparisonOperator")}
    cloudwatch.put_metric_alarm(AlarmName=f"{STACK}-eu-no-worker", **theirs)
    cloudwatch.set_alarm_state(
        AlarmName=f"{STACK}-eu-no-worker", StateValue="ALARM", StateReason="a test"
    )

    assert read(operator).problems == (NO_REPORT,)


def test_every_alarm_of_the_template_is_shown() -> None:
    declared = [
        one["Properties"]["AlarmName"]["Fn::Sub"]
        for one in parse(template_body())["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    ]

    assert sorted(declared) == sorted(f"${{ProjectName}}-${{EnvironmentName}}-{n}" for n in ALARMS)


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
