"""Settings that a stack has stored: read by each process, completed by secrets, never on disk."""

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from common.clients import Clients
from documents.errors import Unavailable
from documents.log import JsonLog
from documents.settings import load_settings
from documents.stored_settings import await_stored, completed, read_stored

PARAMETER = "/ray-documents-dev/settings"
HERE = {"DOCUMENTS_PARAMETER": PARAMETER, "AWS_REGION": "us-east-1"}
VARIABLES = {
    "ENVIRONMENT_NAME": "dev",
    "DOCUMENTS_REGION": "us-east-1",
    "DOCUMENTS_BUCKET": "bucket",
    "DOCUMENTS_QUEUE_URL": "queue",
    "DOCUMENTS_CONTROL_TABLE": "control",
    "DOCUMENTS_AUDIT_TABLE": "audit",
    "DOCUMENTS_METRICS_TABLE": "metrics",
    "DOCUMENTS_VECTOR_BUCKET": "vectors",
    "DOCUMENTS_TOKENS_PER_DAY": "",
}


def store(secret: str = "", **changes: Any) -> None:
    value = {
        "group": "documents",
        "paused": False,
        "target_group": "arn:target",
        "variables": VARIABLES,
        "secrets": {"DOCUMENTS_TOKEN": secret, "OPENAI_API_KEY": ""},
    }
    boto3.client("ssm").put_parameter(
        Name=PARAMETER, Type="String", Overwrite=True, Value=json.dumps(value | changes)
    )


def a_secret(**content: str) -> str:
    made = boto3.client("secretsmanager").create_secret(Name="token")
    if content:
        boto3.client("secretsmanager").put_secret_value(
            SecretId=made["ARN"], SecretString=json.dumps(content)
        )
    return str(made["ARN"])


@pytest.mark.usefixtures("aws")
def test_settings_are_those_of_the_parameter_with_the_secrets_that_it_names() -> None:
    store(a_secret(DOCUMENTS_TOKEN="shown by clients"))

    settings = load_settings(HERE)

    assert (settings.bucket, settings.group, settings.tokens_per_day) == (
        "bucket",
        "documents",
        None,
    )
    assert settings.token.get_secret_value() == "shown by clients"
    assert completed(HERE)["ENVIRONMENT_NAME"] == "dev"


@pytest.mark.usefixtures("aws")
def test_what_a_process_is_told_itself_wins() -> None:
    store(a_secret(DOCUMENTS_TOKEN="t"))

    assert load_settings({**HERE, "DOCUMENTS_BUCKET": "other"}).bucket == "other"


@pytest.mark.usefixtures("aws")
def test_each_change_is_another_version() -> None:
    clients = Clients("us-east-1")
    assert read_stored(clients, PARAMETER) is None

    store()
    store(paused=True)

    found = read_stored(clients, PARAMETER)
    assert found is not None
    assert (found.version, found.paused, found.group) == (2, True, "documents")


@pytest.mark.usefixtures("aws")
def test_without_a_parameter_or_a_value_it_has_to_wait() -> None:
    with pytest.raises(Unavailable, match=f"there is no parameter {PARAMETER}"):
        load_settings(HERE)
    store(a_secret())
    with pytest.raises(Unavailable, match="the secret arn:aws:secretsmanager"):
        load_settings(HERE)


def test_without_the_name_of_a_parameter_nothing_is_read() -> None:
    assert completed({"DOCUMENTS_BUCKET": "bucket"}) == {"DOCUMENTS_BUCKET": "bucket"}


class Pauses(Event):
    """Does something at each pause, in place of waiting; at the last one it is over."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        super().__init__()
        self._steps = list(steps)

    def wait(self, timeout: float | None = None) -> bool:
        if not self._steps:
            return True
        self._steps.pop(0)()
        return False


def reasons(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["reason"] for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("aws")
def test_it_waits_for_settings_and_says_once_that_there_are_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clients, log = Clients("us-east-1"), JsonLog("instance")

    assert not await_stored(clients, PARAMETER, Pauses(), log)
    assert await_stored(clients, PARAMETER, Pauses(lambda: None, store), log)

    assert reasons(capsys) == [f"there is no parameter {PARAMETER}"] * 2


def test_it_says_what_refuses_it_before_and_after_the_pipeline_is_deployed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clients = Clients("us-east-1")
    with Stubber(clients("ssm")) as stubber:
        for kind in ("identity-based policy", "identity-based policy", "permissions boundary"):
            stubber.add_client_error(
                "get_parameter", "AccessDeniedException", f"because no {kind} allows the action"
            )

        await_stored(clients, PARAMETER, Pauses(*[lambda: None] * 2), JsonLog("instance"))

    assert [reason.partition("because ")[2] for reason in reasons(capsys)] == [
        "no identity-based policy allows the action",
        "no permissions boundary allows the action",
    ]
