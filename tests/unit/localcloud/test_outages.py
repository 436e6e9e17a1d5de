"""A service that is declared to be throttled or down answers so, as its clients read it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug.serving import make_server

from localcloud import outages
from localcloud.api import Serialized

ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The local cloud's API without TLS, in this process."""
    world: Any = SimpleNamespace(lock=threading.RLock())
    server = make_server("127.0.0.1", 0, Serialized(world), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def declared(tmp_path: Path) -> Iterator[Path]:
    outages.follow(tmp_path / "outages")
    yield tmp_path / "outages"
    outages.follow(None)


def client(service: str, url: str) -> Any:
    return boto3.client(service, region_name="us-east-1", endpoint_url=url, config=ONCE)


@pytest.mark.parametrize(
    ("service", "effect", "status", "code"),
    [
        ("dynamodb", "throttled", 400, "ThrottlingException"),
        ("dynamodb", "down", 503, "ServiceUnavailable"),
        ("s3vectors", "down", 503, "ServiceUnavailable"),
        ("s3vectors", "throttled", 400, "ThrottlingException"),
        ("s3", "down", 503, "ServiceUnavailable"),
        ("sqs", "throttled", 400, "ThrottlingException"),
        ("sns", "down", 503, "ServiceUnavailable"),
    ],
)
def test_a_declared_outage_is_an_error_of_that_service(
    url: str, declared: Path, service: str, effect: str, status: int, code: str
) -> None:
    calls = {
        "dynamodb": "list_tables",
        "s3vectors": "list_vector_buckets",
        "s3": "list_buckets",
        "sqs": "list_queues",
        "sns": "list_topics",
    }
    declared.write_text(f"{service} {effect}\n")

    with pytest.raises(ClientError) as error:
        getattr(client(service, url), calls[service])()

    answer: Any = error.value.response
    assert answer["Error"]["Code"] == code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status


def test_other_services_answer_and_so_does_it_once_the_file_is_gone(
    url: str, declared: Path
) -> None:
    declared.write_text("dynamodb throttled\n")
    assert client("sqs", url).list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200

    declared.unlink()

    assert client("dynamodb", url).list_tables()["TableNames"] == []
