"""What is fetched before Ray starts, from moto's SSM and S3."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError, ConnectTimeoutError
from moto import mock_aws

from node.identity import Identity
from node.settings import NotFit, NotNow, check_autoscaler, fetch_autoscaler, fetch_token
from node.settings import refresh_token as refresh
from tests.unit.node.fakes import an_identity

SECRET = "not-to-be-seen-anywhere-0123456789"


@pytest.fixture
def ssm() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("ssm", region_name="us-east-1")
        client.put_parameter(Name="/ray/test/redis_password", Type="SecureString", Value=SECRET)
        yield client


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


class Refusing:
    """A service that always answers with one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_parameter(self, **_: object) -> None:
        raise self._error

    get_object = get_parameter


def denied() -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": f"no {SECRET}"}}, "GetObject")


def an_autoscaler(**changes: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "cluster_name": "test",
        "provider": {"type": "aws", "region": "us-east-1"},
        "head_node_type": "head",
        "available_node_types": {"head": {"node_config": {}, "resources": {"CPU": 0}}},
    }
    return {**whole, **changes}


def stored(s3: Any, content: bytes, name: str | None = None) -> Identity:
    name = name or hashlib.sha256(content).hexdigest()[:16]
    s3.put_object(Bucket="bucket", Key=f"test/autoscaler/{name}.yaml", Body=content)
    return an_identity(autoscaler=f"s3://bucket/test/autoscaler/{name}.yaml")


def test_the_token_is_readable_by_its_owner_alone(ssm: Any, tmp_path: Path) -> None:
    path = tmp_path / "token"

    fetch_token(ssm, an_identity(), path)

    assert path.read_text() == SECRET
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_missing_secret_is_final_and_named(ssm: Any, tmp_path: Path) -> None:
    identity = an_identity(secret="/ray/other/redis_password")

    with pytest.raises(NotFit, match=r"/ray/other/redis_password.*ParameterNotFound"):
        fetch_token(ssm, identity, tmp_path / "token")


def test_permissions_may_be_on_their_way(tmp_path: Path) -> None:
    with pytest.raises(NotNow, match="AccessDenied"):
        fetch_autoscaler(Refusing(denied()), an_identity(), tmp_path / "autoscaler.yaml")


def test_no_error_quotes_what_aws_said(tmp_path: Path) -> None:
    with pytest.raises(NotNow) as caught:
        fetch_token(Refusing(denied()), an_identity(), tmp_path / "token")

    assert SECRET not in str(caught.value)


def test_a_rotated_secret_replaces_the_old_one(ssm: Any, tmp_path: Path) -> None:
    path = tmp_path / "token"
    fetch_token(ssm, an_identity(), path)
    ssm.put_parameter(
        Name="/ray/test/redis_password", Type="SecureString", Value="new", Overwrite=True
    )

    assert refresh(ssm, an_identity(), path) == ""
    assert path.read_text() == "new"


def test_a_known_secret_serves_while_aws_cannot_be_asked(tmp_path: Path) -> None:
    away = Refusing(ConnectTimeoutError(endpoint_url="https://ssm"))
    path = tmp_path / "token"

    with pytest.raises(NotNow):
        refresh(away, an_identity(), path)
    path.write_text("old")
    assert "ssm" in refresh(away, an_identity(), path)
    assert path.read_text() == "old"


def test_a_fit_autoscaler_yaml_is_written_as_it_is(s3: Any, tmp_path: Path) -> None:
    content = yaml.safe_dump(an_autoscaler()).encode()
    path = tmp_path / "autoscaler.yaml"

    fetch_autoscaler(s3, stored(s3, content), path)

    assert path.read_bytes() == content


def test_a_missing_autoscaler_yaml_is_final(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFit, match=r"any\.yaml.*NoSuchKey"):
        fetch_autoscaler(s3, an_identity(), tmp_path / "autoscaler.yaml")


def test_an_object_that_is_not_what_its_name_says_is_refused(s3: Any, tmp_path: Path) -> None:
    content = yaml.safe_dump(an_autoscaler()).encode()
    path = tmp_path / "autoscaler.yaml"

    with pytest.raises(NotFit, match="not what its name says"):
        fetch_autoscaler(s3, stored(s3, content, name="0123456789abcdef"), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a: [1,\nb: 2", r"does not parse: line 2"),
        (b"\x00", "does not parse"),
        (b"just text", "is not a mapping"),
        (b"cluster_name: test", "lacks available_node_types, head_node_type, provider"),
        (yaml.safe_dump(an_autoscaler(cluster_name="prod")).encode(), "is for prod, not test"),
        (yaml.safe_dump(an_autoscaler(head_node_type="boss")).encode(), "does not call"),
    ],
)
def test_an_autoscaler_yaml_that_cannot_work_is_refused(content: bytes, complaint: str) -> None:
    with pytest.raises(NotFit, match=complaint):
        check_autoscaler(content, an_identity())
