"""The configuration bucket: immutable documents, and a pointer that may be unreadable."""

from typing import Any

import boto3
import pytest
from moto import mock_aws

from common.clients import Clients
from common.errors import PipelineError
from deploy.release.config_bucket import (
    autoscaler_document,
    current_release,
    find_release,
    point_to_release,
    remove_documents,
    store_document,
    stored_keys,
)
from tests.unit.deploy.builders import REGION, a_release

BUCKET = "a-bucket"


@pytest.fixture
def clients() -> Any:
    with mock_aws():
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield Clients(REGION)


def test_a_document_is_keyed_by_its_content() -> None:
    first, second = autoscaler_document("dev", "a: 1\n"), autoscaler_document("dev", "a: 2\n")

    assert first.key != second.key
    assert first == autoscaler_document("dev", "a: 1\n")
    assert first.uri(BUCKET) == f"s3://{BUCKET}/{first.key}"


def test_a_stored_document_is_not_written_again(clients: Clients) -> None:
    document = autoscaler_document("dev", "a: 1\n")
    store_document(clients, BUCKET, document)

    store_document(clients, BUCKET, document)

    versions = clients("s3").list_object_versions(Bucket=BUCKET)["Versions"]
    assert [version["Key"] for version in versions] == [document.key]


def test_the_pointer_returns_its_release(clients: Clients) -> None:
    point_to_release(clients, BUCKET, "dev", a_release())

    assert current_release(clients, BUCKET, "dev") == a_release()


def test_without_a_pointer_there_is_no_release(clients: Clients) -> None:
    assert current_release(clients, BUCKET, "dev") is None


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"release": {"head": 1}}'])
def test_an_unreadable_pointer_is_none(clients: Clients, body: str) -> None:
    key = "dev/releases/current.json"
    clients("s3").put_object(Bucket=BUCKET, Key=key, Body=body.encode())

    assert current_release(clients, BUCKET, "dev") is None


def test_a_stored_release_is_found_by_its_id(clients: Clients) -> None:
    key = f"dev/releases/{a_release().id}.json"
    clients("s3").put_object(Bucket=BUCKET, Key=key, Body=a_release().to_json().encode())
    clients("s3").put_object(Bucket=BUCKET, Key="dev/releases/broken.json", Body=b"[]")

    assert find_release(clients, BUCKET, "dev", a_release().id) == a_release()
    assert find_release(clients, BUCKET, "prod", a_release().id) is None
    assert find_release(clients, BUCKET, "dev", "broken") is None


def test_emptying_deletes_all_versions_and_markers_under_the_prefix_only(
    clients: Clients,
) -> None:
    s3 = clients("s3")
    for body in (b"1", b"2"):
        s3.put_object(Bucket=BUCKET, Key="dev/a", Body=body)
    s3.delete_object(Bucket=BUCKET, Key="dev/a")
    s3.put_object(Bucket=BUCKET, Key="other/b", Body=b"keep")

    assert remove_documents(clients, BUCKET, "dev/") == 3
    assert stored_keys(clients, BUCKET, "other") == {"other/b"}


def test_a_missing_bucket_is_empty(clients: Clients) -> None:
    assert remove_documents(clients, "no-such-bucket") == 0
    assert stored_keys(clients, "no-such-bucket", "dev") == frozenset()


def test_an_object_that_cannot_be_deleted_is_an_error() -> None:
    class Locked:
        def __call__(self, service: str) -> "Locked":
            return self

        def list_object_versions(self, **_: Any) -> Any:
            return {"Versions": [{"Key": "dev/a", "VersionId": "1"}]}

        def delete_objects(self, **_: Any) -> Any:
            return {"Errors": [{"Key": "dev/a", "Code": "AccessDenied"}]}

    locked: Any = Locked()

    with pytest.raises(PipelineError) as raised:
        remove_documents(locked, BUCKET)

    assert raised.value.message == "s3://a-bucket/dev/a cannot be deleted: AccessDenied"
    assert raised.value.hint == "check the bucket's policy and object locks, then destroy again"


def test_emptying_asks_for_as_many_versions_as_one_request_deletes() -> None:
    """1,000 keys: docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html."""
    asked: list[dict[str, Any]] = []

    class Empty:
        def __call__(self, service: str) -> "Empty":
            return self

        def list_object_versions(self, **request: Any) -> Any:
            asked.append(request)
            return {}

    empty: Any = Empty()

    assert remove_documents(empty, BUCKET, "dev/") == 0
    assert asked == [{"Bucket": BUCKET, "Prefix": "dev/", "MaxKeys": 1000}]
