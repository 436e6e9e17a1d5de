"""Finding a pipeline by its stack: what it outputs, its token, and why it cannot be used."""

import json
from collections.abc import Iterator

import pytest

from common.clients import Clients
from common.errors import PipelineError, Refused
from deploy.documents.failed import bring_back, failed_documents
from deploy.documents.pipeline import Outputs, Pipeline, find_pipeline, service_url
from tests.unit.deploy.builders import an_environment
from tests.unit.documents.conftest import SetClock
from tests.unit.documents.pipeline import QUEUE
from tests.unit.documents.pipeline import Pipeline as Application
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

OUTPUTS = {
    "S3BucketName": "bucket",
    "QueueUrl": QUEUE,
    "ControlTableName": "control",
    "AuditTableName": "audit",
    "MetricsTableName": "metrics",
    "HeadName": "head.ray-documents-dev.internal",
}


class Here(Clients):
    """Clients of a world, and its clock: a stack is created in time that passes."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__("us-east-1")
        self.clock = clock


def create_stack(clients: Clients, secret: str, paused: str = "false") -> None:
    """Create a stack that has the outputs and the secret of a pipeline's."""
    arn = clients("secretsmanager").create_secret(Name="token", SecretString=secret)["ARN"]
    outputs = {**OUTPUTS, "TokenSecretArn": arn}
    template = {
        "Parameters": {"Paused": {"Type": "String"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    clients("cloudformation").create_stack(
        StackName="ray-documents-dev",
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "Paused", "ParameterValue": paused}],
    )
    if isinstance(clients, Here):
        clients.clock.advance(30)


@pytest.fixture
def clients() -> Iterator[Here]:
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        yield Here(clock)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def test_a_pipeline_is_what_its_stack_outputs(clients: Here) -> None:
    create_stack(clients, json.dumps({"DOCUMENTS_TOKEN": "the-token"}))

    pipeline = find_pipeline(clients, an_environment())

    assert not pipeline.paused
    assert pipeline.token(clients) == "the-token"
    assert service_url(pipeline.outputs) == "http://head.ray-documents-dev.internal:8000"
    assert (pipeline.bucket, pipeline.settings.control_table) == ("bucket", "control")
    assert pipeline.settings.max_bytes == 200 * 2**20


def test_a_paused_pipeline_is_known_to_be_so(clients: Here) -> None:
    create_stack(clients, "{}", paused="true")

    assert find_pipeline(clients, an_environment()).paused


def test_a_pipeline_that_is_not_there_is_refused(clients: Here) -> None:
    with pytest.raises(Refused, match="no stack ray-documents-dev") as caught:
        find_pipeline(clients, an_environment())
    assert caught.value.hint == "invoke documents.deploy --env dev"


@pytest.mark.parametrize("secret", ["{}", "[]", "no JSON"])
def test_a_secret_without_a_token_is_named_and_not_shown(clients: Here, secret: str) -> None:
    create_stack(clients, secret)

    with pytest.raises(PipelineError, match="holds no DOCUMENTS_TOKEN") as caught:
        find_pipeline(clients, an_environment()).token(clients)
    assert "no JSON" not in str(caught.value)


def test_an_output_that_is_missing_is_named() -> None:
    found = Pipeline(an_environment(), Outputs("ray-documents-dev", {"S3BucketName": "bucket"}))

    for use in (lambda: found.settings, lambda: service_url(found.outputs)):
        with pytest.raises(PipelineError, match="stack ray-documents-dev has no output") as caught:
            use()
        assert caught.value.hint == "invoke documents.deploy"


def test_what_failed_is_listed_and_brought_back_by_name(
    aws: object, clients: Clients, clock: SetClock
) -> None:
    application = Application(clients, clock)
    for name in ("a.txt", "b.txt"):
        application.add(name, f"encrypted {name}")
    pipeline = Pipeline(an_environment(), Outputs("ray-documents-dev", OUTPUTS))

    failed = failed_documents(pipeline, clients)
    with pytest.raises(Refused, match=r"no document c\.txt has failed"):
        bring_back(pipeline, clients, failed, "c.txt")
    sent = bring_back(pipeline, clients, failed, "b.txt")

    assert [(one.name, one.reason) for one in failed] == [
        ("a.txt", "encrypted: it opens only with a password"),
        ("b.txt", "encrypted: it opens only with a password"),
    ]
    assert [one.ref.key for one in sent] == ["input/b.txt"]
    assert application.keys("input/") == {"input/b.txt"}
    assert application.keys("failed/") == {"failed/a.txt"}
