"""What is fetched before Ray starts, from moto's SSM."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from moto import mock_aws

from node.ray.token import NotFit, NotNow, fetch_secret
from node.ray.token import refresh_secret as refresh

NAME = "/ray/test/redis_password"
SECRET = "not-to-be-seen-anywhere-0123456789"


@pytest.fixture
def ssm() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("ssm", region_name="us-east-1")
        client.put_parameter(Name=NAME, Type="SecureString", Value=SECRET)
        yield client


class Refusing:
    """A service that always answers with one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_parameter(self, **_: object) -> None:
        raise self._error


def denied() -> ClientError:
    return ClientError(
        {"Error": {"Code": "AccessDenied", "Message": f"no {SECRET}"}}, "GetParameter"
    )


def test_the_token_is_readable_by_its_owner_and_the_folders_group_alone(
    ssm: Any, tmp_path: Path
) -> None:
    path = tmp_path / "token"

    fetch_secret(ssm, NAME, path)

    assert path.read_text() == SECRET
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_missing_secret_is_final_and_named(ssm: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFit, match=r"/ray/other/redis_password.*ParameterNotFound"):
        fetch_secret(ssm, "/ray/other/redis_password", tmp_path / "token")


def test_missing_permissions_may_pass(tmp_path: Path) -> None:
    with pytest.raises(NotNow, match="AccessDenied"):
        fetch_secret(Refusing(denied()), NAME, tmp_path / "token")


def test_no_error_quotes_aws(tmp_path: Path) -> None:
    with pytest.raises(NotNow) as caught:
        fetch_secret(Refusing(denied()), NAME, tmp_path / "token")

    assert SECRET not in str(caught.value)


def test_a_rotated_secret_replaces_the_old_one(ssm: Any, tmp_path: Path) -> None:
    path = tmp_path / "token"
    fetch_secret(ssm, NAME, path)
    ssm.put_parameter(Name=NAME, Type="SecureString", Value="new", Overwrite=True)

    assert refresh(ssm, NAME, path) == ""
    assert path.read_text() == "new"


def test_a_known_secret_is_kept_while_aws_does_not_answer(tmp_path: Path) -> None:
    away = Refusing(ConnectTimeoutError(endpoint_url="https://ssm"))
    path = tmp_path / "token"

    with pytest.raises(NotNow):
        refresh(away, NAME, path)
    path.write_text("old")
    assert "ssm" in refresh(away, NAME, path)
    assert path.read_text() == "old"
