"""The endpoint of Amazon Managed Prometheus: who may write, what is written, and two queries."""

import json
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from werkzeug.test import Client

from localcloud.api import Serialized
from localcloud.patches import iam
from localcloud.snappy import unpacked
from localcloud.workspaces import HOST
from localcloud.world import World
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock
from tests.unit.localcloud.prometheus import TYPES, Caller, answered, write

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def packed(data: bytes) -> bytes:
    """Return data as Snappy has it where nothing repeats: one literal."""
    assert 0 < len(data) <= 1 << 16
    return varint(len(data)) + bytes([61 << 2]) + struct.pack("<H", len(data) - 1) + data


def written(labels: dict[str, str], *samples: tuple[float, float]) -> bytes:
    """Return a WriteRequest of one series; samples are times and values."""
    told = b"".join(
        field(1, field(1, name.encode()) + field(2, value.encode()))
        for name, value in labels.items()
    )
    for at, value in samples:
        sample = b"\x09" + struct.pack("<d", value) + b"\x10" + varint(round(at * 1000))
        told += field(2, sample)
    return packed(field(1, told))


@pytest.fixture
def workspace(aws: Clients) -> str:
    return str(aws("amp").create_workspace(alias="one")["workspaceId"])


@pytest.fixture
def arn(aws: Clients, workspace: str) -> str:
    return str(aws("amp").describe_workspace(workspaceId=workspace)["workspace"]["arn"])


@pytest.fixture
def checked(workspace: str) -> Iterator[None]:
    """From here on every request is checked."""
    with iam.enforced():
        yield


def a_user(name: str, action: str, resource: str) -> Caller:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    made = iam.make_user(name, {"Version": "2012-10-17", "Statement": [statement]})
    return Caller(made)


@pytest.fixture
def writer(arn: str) -> Caller:
    """Whoever may write to the workspace, and no more."""
    return a_user("writer", "aps:RemoteWrite", arn)


def query(workspace: str, text: str) -> str:
    return f"/workspaces/{workspace}/api/v1/query?{urlencode({'query': text})}"


def test_a_signed_write_is_taken_and_found_by_its_name(
    workspace: str, writer: Caller, clock: FakeClock, checked: None
) -> None:
    now = clock.now()
    reader = a_user("reader", "aps:QueryMetrics", "*")
    labels = {"__name__": "up", "instance": "10.0.0.1:8480"}

    assert writer.ask(write(workspace), written(labels, (now - 20, 0.0), (now - 5, 1.0))) == (
        "200 OK",
        {},
    )

    _, last = reader.ask(query(workspace, "up"), method="GET", headers={})
    _, count = reader.ask(query(workspace, "count_over_time(up[5m])"), method="GET", headers={})
    assert last["data"]["result"] == [{"metric": labels, "value": [now - 5, "1.0"]}]
    assert count["data"]["result"] == [
        {"metric": {"instance": "10.0.0.1:8480"}, "value": [now, "2"]}
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"service": "s3"}, "Credential should be scoped to correct service: 'aps'."),
        ({"region": "eu-west-1"}, "Credential should be scoped to a valid region"),
        ({"sent": b"\x00\x00"}, "The request signature we calculated does not match"),
    ],
)
def test_a_wrong_signature_service_or_region_is_refused(
    workspace: str, writer: Caller, checked: None, wrong: dict[str, Any], words: str
) -> None:
    status, content = writer.ask(write(workspace), b"\x00", **wrong)

    assert status == "403 Forbidden"
    assert content["message"].startswith(words)


def test_without_a_signature_or_with_an_unknown_key_it_is_refused(
    workspace: str, checked: None
) -> None:
    unsigned = answered("POST", write(workspace), TYPES, b"\x00")
    stranger = Caller({"aws_access_key_id": "AKID", "aws_secret_access_key": "none"})

    assert unsigned == ("403 Forbidden", {"message": "Missing Authentication Token"})
    status, content = stranger.ask(write(workspace), b"\x00")
    assert (status, content["message"]) == (
        "403 Forbidden",
        "The security token included in the request is invalid.",
    )


def test_who_may_write_to_one_workspace_may_neither_query_it_nor_write_to_another(
    workspace: str, writer: Caller, arn: str, aws: Clients, checked: None
) -> None:
    with iam.enforced(False):
        other = aws("amp").create_workspace(alias="other")["workspaceId"]

    for path, action, resource in (
        (write(other), "RemoteWrite", arn.replace(workspace, other)),
        (query(workspace, "up"), "QueryMetrics", arn),
    ):
        status, content = writer.ask(path, b"\x00")
        assert status == "403 Forbidden"
        assert (
            f"perform: aps:{action} on resource: {resource} because no identity-based policy"
            in (content["message"])
        )


def test_a_permissions_boundary_has_to_allow_it_too(
    workspace: str, arn: str, checked: None
) -> None:
    with iam.enforced(False):
        api = boto3.client("iam")
        allow = {"Effect": "Allow", "Action": "aps:RemoteWrite", "Resource": arn}
        boundary = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        version = {"Version": "2012-10-17"}
        made = api.create_policy(
            PolicyName="b", PolicyDocument=json.dumps(version | {"Statement": [boundary]})
        )
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        api.create_role(
            RoleName="head",
            AssumeRolePolicyDocument=json.dumps(version | {"Statement": [trust]}),
            PermissionsBoundary=made["Policy"]["Arn"],
        )
        api.put_role_policy(
            RoleName="head",
            PolicyName="p",
            PolicyDocument=json.dumps(version | {"Statement": [allow]}),
        )
        head = Caller(iam.role_credentials("head"))

    status, content = head.ask(write(workspace), b"\x00")

    assert status == "403 Forbidden"
    assert "because no permissions boundary policy allows" in content["message"]


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/workspaces/ws-none/api/v1/remote_write", TYPES, b"\x00", "404 Not Found"),
        ("/workspaces", TYPES, b"\x00", "404 Not Found"),
        ("", {}, b"\x00", "400 Bad Request"),
        ("", TYPES, b"not snappy", "400 Bad Request"),
        ("", TYPES, packed(b"not protobuf"), "400 Bad Request"),
    ],
)
def test_what_is_no_write_to_a_workspace_is_an_error(
    workspace: str, path: str, headers: dict[str, str], body: bytes, status: str
) -> None:
    assert answered("POST", path or write(workspace), headers, body)[0] == status


def test_a_series_that_has_ended_is_not_returned(workspace: str, clock: FakeClock) -> None:
    now = clock.now()
    for name, samples in (
        ("ended", ((now - 20, 1.0), (now - 5, STALE))),
        ("silent", ((now - 301, 1.0),)),
        ("there", ((now - 299, 1.0),)),
    ):
        answered("POST", write(workspace), TYPES, written({"__name__": name}, *samples))

    shown = {
        name: answered("GET", query(workspace, name), {}, b"")[1]["data"]["result"]
        for name in ("ended", "silent", "there")
    }
    assert {name for name, result in shown.items() if result} == {"there"}


def test_aws_api_has_that_endpoint(workspace: str, world: World) -> None:
    there = {"base_url": f"https://{HOST}", "headers": TYPES}
    api = Client(Serialized(world))

    taken = api.post(write(workspace), data=b"\x00", **there)
    asked = api.get(query(workspace, "up"), **there)
    other = api.get(query(workspace, "sum(up)"), **there)

    assert (taken.status_code, taken.data) == (200, b"")
    assert asked.json == {"status": "success", "data": {"resultType": "vector", "result": []}}
    assert other.status_code == 501


def test_another_query_says_that_it_is_not_emulated(workspace: str) -> None:
    with pytest.raises(NotImplementedError, match=r"the query sum\(up\)"):
        answered("GET", query(workspace, "sum(up)"), {}, b"")


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (b"\x00", b""),
        (b"\x03\x08abc", b"abc"),
        (b"\x0c\x08abc\x15\x03", b"abc" * 4),  # a copy of 9, which overlaps itself
        (b"\x06\x08abc\x0a\x03\x00", b"abc" * 2),  # an offset of two bytes
        (b"\x06\x08abc\x0b\x03\x00\x00\x00", b"abc" * 2),  # of four
        (b"\x46\xf0\x45" + b"x" * 70, b"x" * 70),  # a literal whose size has a byte of its own
    ],
)
def test_snappy_is_unpacked(data: bytes, plain: bytes) -> None:
    assert unpacked(data, 100) == plain


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xff\xff\xff\xff", b"\x04\x08abc", b"\x02\x08abc", b"\x06\x08abc\x0a\x04\x00"],
)
def test_what_is_not_snappy_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Snappy|not there"):
        unpacked(data, 100)


def test_no_more_is_unpacked_than_asked_for() -> None:
    with pytest.raises(ValueError, match="3 bytes, more than 2"):
        unpacked(b"\x03\x08abc", 2)
