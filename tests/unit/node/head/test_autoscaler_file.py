"""The autoscaler's YAML by tag, from moto's S3."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from moto import mock_aws

from node.contract import AUTOSCALER_TAG
from node.head.autoscaler_file import AutoscalerFile, check_autoscaler, one_line
from node.identity import NoMetadata
from node.ray.token import NotFit, NotNow
from tests.unit.node.fakes import RecordedLog, an_identity

PLACE = "s3://bucket/test/autoscaler"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


class Node:
    """A head with its tags, and the file."""

    def __init__(self, s3: Any, folder: Path) -> None:
        self.path, self.log = folder / "autoscaler.yaml", RecordedLog()
        self.tags: dict[str, str] = {}
        self.metadata_is_up = True
        self.tried: list[bytes] = []
        self.ray_refuses: dict[bytes, str] = {}  # what Ray says of a document, by its content
        self.ray_answers = True
        self._s3 = s3
        self.file = self.started_again()

    def started_again(self) -> AutoscalerFile:
        """Return the file as another process of this head finds it."""
        return AutoscalerFile(
            self.path,
            an_identity(),
            s3=self._s3,
            read_tag=self._read_tag,
            refusal=self._refusal,
            log=self.log,
        )

    def _refusal(self, path: Path) -> str:
        if not self.ray_answers:
            raise NotNow("Ray's check did not end")
        self.tried.append(path.read_bytes())
        return self.ray_refuses.get(path.read_bytes(), "")

    def _read_tag(self, key: str) -> str | None:
        if not self.metadata_is_up:
            raise NoMetadata("the metadata service cannot be reached")
        return self.tags.get(key)

    @property
    def warnings(self) -> list[str]:
        return [str(said["why"]) for event, said in self.log.lines if event.endswith("kept")]


@pytest.fixture
def node(s3: Any, tmp_path: Path) -> Node:
    return Node(s3, tmp_path)


def a_document(**changes: object) -> bytes:
    whole: dict[str, object] = {
        "cluster_name": "test",
        "provider": {"type": "aws", "region": "us-east-1"},
        "head_node_type": "head",
        "available_node_types": {"head": {"node_config": {}, "resources": {"CPU": 0}}},
    }
    return yaml.safe_dump({**whole, **changes}).encode()


def stored(s3: Any, content: bytes, name: str | None = None) -> str:
    name = name or hashlib.sha256(content).hexdigest()[:16]
    s3.put_object(Bucket="bucket", Key=f"test/autoscaler/{name}.yaml", Body=content)
    return f"{PLACE}/{name}.yaml"


def test_the_document_that_the_tag_names_is_written_as_it_is(s3: Any, node: Node) -> None:
    content = a_document()
    node.tags[AUTOSCALER_TAG] = stored(s3, content)

    node.file.refresh()

    assert node.path.read_bytes() == content
    assert node.file.uri == node.tags[AUTOSCALER_TAG]


def test_a_missing_tag_may_pass(s3: Any, node: Node) -> None:
    with pytest.raises(NotNow, match="no tag raykiln:autoscaler"):
        node.file.refresh()

    node.tags[AUTOSCALER_TAG] = stored(s3, a_document())
    node.file.refresh()

    assert node.path.exists()


def test_an_unreachable_metadata_service_may_pass(node: Node) -> None:
    node.metadata_is_up = False

    with pytest.raises(NotNow, match="cannot be reached"):
        node.file.refresh()


def test_missing_permissions_may_pass(tmp_path: Path) -> None:
    class Refusing:
        def get_object(self, **_: object) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    node = Node(Refusing(), tmp_path)
    node.tags[AUTOSCALER_TAG] = f"{PLACE}/any.yaml"

    with pytest.raises(NotNow, match="AccessDenied"):
        node.file.refresh()


@pytest.mark.parametrize("uri", [f"{PLACE}/any.yaml", "file:///etc/passwd", "nonsense"])
def test_a_missing_first_document_is_final(node: Node, uri: str) -> None:
    node.tags[AUTOSCALER_TAG] = uri

    with pytest.raises(NotFit, match=uri):
        node.file.refresh()


def test_another_document_replaces_the_first_and_is_fetched_once(s3: Any, node: Node) -> None:
    node.tags[AUTOSCALER_TAG] = stored(s3, a_document())
    node.file.refresh()
    node.tags[AUTOSCALER_TAG] = stored(s3, a_document(max_workers=9))

    node.file.refresh()
    s3.delete_object(Bucket="bucket", Key=node.tags[AUTOSCALER_TAG].removeprefix("s3://bucket/"))
    node.file.refresh()

    assert b"max_workers: 9" in node.path.read_bytes()
    assert node.file.uri == node.tags[AUTOSCALER_TAG]
    assert node.warnings == []


def test_a_bad_document_never_replaces_a_good_one_and_is_logged_once(s3: Any, node: Node) -> None:
    good = node.tags[AUTOSCALER_TAG] = stored(s3, a_document())
    node.file.refresh()
    content = node.path.read_bytes()
    node.tags[AUTOSCALER_TAG] = stored(s3, a_document(cluster_name="prod"))

    node.file.refresh()
    node.file.refresh()

    assert (node.path.read_bytes(), node.file.uri) == (content, good)
    assert node.warnings == [f"{node.tags[AUTOSCALER_TAG]} is for prod, not test"]


def test_a_document_that_ray_refuses_is_told_and_the_last_good_one_stays(
    s3: Any, node: Node
) -> None:
    good = node.tags[AUTOSCALER_TAG] = stored(s3, a_document())
    node.file.refresh()
    content = node.path.read_bytes()
    bad = a_document(max_worker=5)
    node.ray_refuses[bad] = "'max_worker' was unexpected"
    uri = node.tags[AUTOSCALER_TAG] = stored(s3, bad)

    node.file.refresh()
    node.file.refresh()

    assert (node.path.read_bytes(), node.file.uri) == (content, good)
    assert node.file.refused == f"{uri} Ray refuses {uri}: 'max_worker' was unexpected"
    assert node.warnings == [f"Ray refuses {uri}: 'max_worker' was unexpected"]
    assert node.tried == [content, bad]  # each once: a check costs a second of CPU
    assert sorted(path.name for path in node.path.parent.iterdir()) == [
        "autoscaler.uri",
        "autoscaler.yaml",
    ]


def test_a_refusal_is_over_with_another_document(s3: Any, node: Node) -> None:
    good = node.tags[AUTOSCALER_TAG] = stored(s3, a_document())
    node.file.refresh()
    node.tags[AUTOSCALER_TAG] = stored(s3, a_document(cluster_name="prod"))
    node.file.refresh()
    assert node.file.refused.endswith("is for prod, not test")

    node.tags[AUTOSCALER_TAG] = good
    node.file.refresh()
    assert node.file.refused == ""


def test_a_first_document_that_ray_refuses_is_final(s3: Any, node: Node) -> None:
    bad = a_document(max_worker=5)
    node.ray_refuses[bad] = "'max_worker' was unexpected"
    node.tags[AUTOSCALER_TAG] = stored(s3, bad)

    with pytest.raises(NotFit, match="'max_worker' was unexpected"):
        node.file.refresh()
    assert not node.path.exists()


def test_a_check_that_does_not_end_is_no_refusal_and_is_tried_again(s3: Any, node: Node) -> None:
    node.tags[AUTOSCALER_TAG] = stored(s3, a_document())
    node.file.refresh()
    uri = node.tags[AUTOSCALER_TAG] = stored(s3, a_document(max_workers=9))
    node.ray_answers = False

    node.file.refresh()
    assert (node.file.refused, node.warnings) == ("", ["Ray's check did not end"])

    node.ray_answers = True
    node.file.refresh()
    assert node.file.uri == uri


def test_what_a_deployer_reads_is_one_line_of_a_bounded_length() -> None:
    told = one_line("s3://bucket/a.yaml", NotFit("one\ntwo " + "x" * 9000))

    assert told.startswith("s3://bucket/a.yaml one two xxx")
    assert len(told) == len("s3://bucket/a.yaml ") + 500


def test_a_good_document_is_kept_without_tag_and_metadata_service(s3: Any, node: Node) -> None:
    node.tags[AUTOSCALER_TAG] = stored(s3, a_document())
    node.file.refresh()

    node.tags.clear()
    node.file.refresh()
    node.metadata_is_up = False
    node.file.refresh()

    assert node.path.exists()
    assert len(node.warnings) == 2


def test_the_next_process_knows_what_the_last_one_fetched(s3: Any, node: Node) -> None:
    good = node.tags[AUTOSCALER_TAG] = stored(s3, a_document())
    node.file.refresh()
    node.tags[AUTOSCALER_TAG] = f"{PLACE}/missing.yaml"

    file = node.started_again()
    file.refresh()

    assert file.uri == good


def test_an_object_without_the_digest_in_its_name_is_refused(s3: Any, node: Node) -> None:
    node.tags[AUTOSCALER_TAG] = stored(s3, a_document(), name="0123456789abcdef")

    with pytest.raises(NotFit, match="does not have the digest in its name"):
        node.file.refresh()
    assert not node.path.exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a: [1,\nb: 2", r"does not parse: line 2"),
        (b"\x00", "does not parse: no YAML"),
        (b"just text", "is not a mapping"),
        (b"cluster_name: test", "lacks available_node_types, head_node_type, provider"),
        (a_document(cluster_name="prod"), "is for prod, not test"),
        (a_document(head_node_type="boss"), "does not call"),
    ],
)
def test_a_document_that_ray_cannot_use_is_refused(content: bytes, complaint: str) -> None:
    with pytest.raises(NotFit, match=complaint):
        check_autoscaler(content, f"{PLACE}/any.yaml", an_identity())
