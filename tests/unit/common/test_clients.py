"""Clients: the errors when AWS refuses or does not answer, and AWS's clock."""

import os
import time
from pathlib import Path
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from moto import mock_aws

from common.clients import Clients, translated
from common.errors import Denied, PipelineError, Refused, Unanswered


@pytest.fixture
def without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which no credentials are found."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.mark.usefixtures("without_credentials")
def test_missing_credentials_are_refused_with_a_hint() -> None:
    with pytest.raises(Refused) as refused, translated("asking AWS who we are"):
        Clients("us-east-1")("sts").get_caller_identity()

    assert "no AWS credentials were found" in str(refused.value)
    assert "--env local" in refused.value.hint


@pytest.mark.usefixtures("without_credentials")
def test_credentials_that_come_later_are_used() -> None:
    clients = Clients("us-east-1")
    with pytest.raises(NoCredentialsError):
        clients("sts").get_caller_identity()

    with mock_aws():  # which has credentials
        assert clients("sts").get_caller_identity()["Account"] == "123456789012"
        assert clients("sts") is clients("sts")


def test_an_error_has_aws_s_code_and_the_attempted_action() -> None:
    with (
        mock_aws(),
        pytest.raises(PipelineError) as failed,
        translated("reading the table"),
    ):
        Clients("us-east-1")("dynamodb").describe_table(TableName="none")

    assert "reading the table: AWS answered ResourceNotFoundException" in str(failed.value)


def test_every_request_is_counted() -> None:
    clients = Clients("us-east-1")
    with mock_aws():
        clients("sts").get_caller_identity()
        clients("sts").get_caller_identity()

    assert clients.calls == 2


@pytest.mark.parametrize("off", [-240.0, 0.0, 240.0])
def test_aws_s_time_is_known_when_the_machine_s_clock_is_off(off: float) -> None:
    right, clients = time.time, Clients("us-east-1")
    with patch("time.time", lambda: right() + off), mock_aws():
        clients("sts").get_caller_identity()

        assert time.time() + clients.ahead == pytest.approx(right(), abs=2.0)
        assert clients.ahead == pytest.approx(-off, abs=2.0)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", Denied),
        ("UnauthorizedOperation", Denied),
        ("InternalError", Unanswered),
        ("ExpiredToken", Unanswered),
    ],
)
def test_what_these_credentials_may_not_do_is_denied(code: str, kind: type[Unanswered]) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "GetItem")

    with pytest.raises(Unanswered) as caught, translated("reading the table"):
        raise error

    assert type(caught.value) is kind
