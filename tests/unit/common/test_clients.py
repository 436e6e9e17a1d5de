"""Clients: the errors when AWS refuses or does not answer, and AWS's clock."""

import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    LoginRefreshRequired,
    NoCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
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


def said_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, **variables: str) -> Any:
    """Return what is raised when AWS is asked with this ~/.aws/config and these variables."""
    file = tmp_path / "config"
    file.write_text(config)
    for name, value in {"AWS_CONFIG_FILE": str(file), **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PipelineError) as failed:
        ask_who_we_are()
    return failed.value


def ask_who_we_are() -> None:
    sts = Clients("us-east-1")("sts")
    with translated("asking AWS who we are"):
        sts.get_caller_identity()


@pytest.mark.usefixtures("without_credentials")
@pytest.mark.parametrize(
    ("config", "variables", "words"),
    [
        ("", {"AWS_PROFILE": "prdo"}, "The config profile (prdo) could not be found"),
        ("[default\nx", {}, "Unable to parse config file: "),
        ("", {"AWS_ACCESS_KEY_ID": "AKIA"}, "Partial credentials found in env, missing: "),
        (
            "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = gone\n",
            {},
            'The source_profile "gone" referenced in the profile "default" does not exist.',
        ),
        ("", {"AWS_ENDPOINT_URL": "nonsense"}, "Invalid endpoint: nonsense"),
        ("[default]\nendpoint_url = nonsense\n", {}, "Invalid endpoint: nonsense"),
        ("", {"AWS_DEFAULTS_MODE": "abc"}, "Client configured with invalid defaults mode: abc"),
        ("", {"AWS_STS_REGIONAL_ENDPOINTS": "abc"}, "STS regional endpoints option abc is invalid"),
        ("", {"AWS_REQUEST_CHECKSUM_CALCULATION": "abc"}, "Unsupported configuration value for"),
        ("", {"AWS_METADATA_SERVICE_TIMEOUT": "abc"}, "invalid literal for int() with base 10"),
        ("", {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "x y"}, "Invalid endpoint EC2 Instance"),
        ("", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "nonsense"}, "Unsupported host 'None'"),
    ],
)
def test_wrong_settings_are_refused_in_their_own_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    variables: dict[str, str],
    words: str,
) -> None:
    found = said_of(tmp_path, monkeypatch, config, **variables)

    assert type(found) is Refused
    assert found.message.startswith(f"reading AWS's settings: {words}")
    assert found.hint == (
        "correct the variables AWS_…, or the profile that AWS_PROFILE names in ~/.aws/config and "
        "~/.aws/credentials"
    )


SSO = """[default]
sso_session = ours
sso_account_id = 123456789012
sso_role_name = prod-deploy
[sso-session ours]
sso_region = us-east-1
sso_start_url = https://ours.awsapps.com/start
"""


@pytest.mark.usefixtures("without_credentials")
@pytest.mark.parametrize(
    ("config", "words"),
    [
        (SSO, "asking AWS who we are: Error loading SSO Token: Token for ours does not exist"),
        (
            "[default]\ncredential_process = false\n",
            "reading AWS's settings: Error when retrieving credentials from custom-process: ",
        ),
    ],
)
def test_credentials_that_are_not_to_be_had_are_to_be_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, words: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # whose .aws/sso/cache is empty

    found = said_of(tmp_path, monkeypatch, config)

    assert type(found) is Unanswered
    assert found.message == words
    assert found.hint == "renew the credentials: `aws sso login`, or choose another AWS_PROFILE"


@pytest.mark.parametrize(
    "error",
    [
        UnauthorizedSSOTokenError(),
        TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
        LoginRefreshRequired(),
    ],
)
def test_a_session_that_has_ended_is_no_matter_of_the_network(error: BotoCoreError) -> None:
    with pytest.raises(Unanswered) as failed, translated("reading the table"):
        raise error

    assert failed.value.message == f"reading the table: {error}"
    assert failed.value.hint == (
        "renew the credentials: `aws sso login`, or choose another AWS_PROFILE"
    )


def test_an_endpoint_that_is_not_reached_is_a_matter_of_the_network() -> None:
    with pytest.raises(Unanswered) as failed, translated("reading the table"):
        raise EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")

    assert failed.value.hint == "check the network and the region"


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
