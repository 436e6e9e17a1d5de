"""Copies of images: which there are, how they begin, and when they are done."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bake.fresh_instance import SshAccess
from bake.image_copies import (
    Copy,
    Origin,
    Wanted,
    complete_copy,
    find_copies,
    remove_failed,
    start_copy,
    wait_for_copies,
)
from bake.image_sharing import Original
from bake.ssh import as_root
from common.errors import TimedOut
from tests.unit.answers import Answers
from tests.unit.localcloud.fakes import FakeClock

KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
ORIGIN = Origin("123456789012", "us-east-1", "ami-1")
TAGS = {"raykiln:role": "head", "raykiln:verified": "2026-11-22", "aws:x": "y"}
ORIGINAL = Original("ami-1", "ray-head", TAGS, (), (), frozenset())
WANTED = Wanted(ORIGINAL, ORIGIN, encrypted=False, key="")
COPY = Copy("ami-2", str(ORIGIN), "available", "2026-11-22", "", (KEY,))


def test_an_origin_is_written_as_account_region_and_image() -> None:
    assert str(ORIGIN) == "123456789012/us-east-1/ami-1"


@pytest.mark.parametrize(
    ("state", "failed"),
    [("pending", False), ("available", False), ("disabled", False), ("failed", True)],
)
def test_a_copy_in_any_other_state_has_failed(state: str, failed: bool) -> None:
    assert replace(COPY, state=state).has_failed is failed


@pytest.mark.parametrize(
    ("wanted", "copy", "met"),
    [
        (WANTED, COPY, True),
        (replace(WANTED, key=KEY), COPY, True),
        (replace(WANTED, key=KEY), replace(COPY, keys=()), True),
        (replace(WANTED, key="another"), COPY, False),
        (WANTED, replace(COPY, state="failed"), False),
        (WANTED, replace(COPY, origin="123456789012/us-east-1/ami-9"), False),
    ],
)
def test_a_copy_is_the_one_wanted_by_its_origin_and_its_key(
    wanted: Wanted, copy: Copy, met: bool
) -> None:
    assert wanted.is_met_by(copy) is met


def an_entry(name: str, created: str, *snapshots: str, **tags: str) -> dict[str, Any]:
    given = {"raykiln:copied-from": str(ORIGIN), **tags}
    return {
        "ImageId": name,
        "State": "available",
        "CreationDate": created,
        "Tags": [{"Key": key, "Value": value} for key, value in given.items()],
        "BlockDeviceMappings": [
            {"VirtualName": "ephemeral0"},
            *({"Ebs": {"SnapshotId": one}} for one in snapshots),
        ],
    }


def test_copies_are_found_by_their_tag_newest_first_with_their_keys() -> None:
    verified = {"raykiln:verified": "2026-11-23"}
    aws: Any = Answers(
        describe_images={
            "Images": [
                an_entry("ami-2", "2026-11-21", "snap-1", "snap-2", "snap-3"),
                an_entry("ami-3", "2026-11-22", **verified),
            ]
        },
        describe_snapshots=(
            {"Snapshots": [{"SnapshotId": "snap-1", "KmsKeyId": KEY}]},
            {"Snapshots": [{"SnapshotId": "snap-2"}]},
        ),
    )

    assert find_copies(aws, [ORIGIN, ORIGIN]) == (
        Copy("ami-3", str(ORIGIN), "available", "2026-11-22", "2026-11-23", ()),
        Copy("ami-2", str(ORIGIN), "available", "2026-11-21", "", (KEY,)),
    )
    filters = [{"Name": "tag:raykiln:copied-from", "Values": [str(ORIGIN)]}]
    assert aws.requests == [
        ("ec2:describe_images", {"Owners": ["self"], "Filters": filters, "IncludeDisabled": True}),
        ("ec2:describe_snapshots", {"OwnerIds": ["self"], "Filters": filters}),
    ]


def started(wanted: Wanted, *before: Copy) -> dict[str, Any]:
    aws: Any = Answers(copy_image={"ImageId": "ami-7"})
    assert start_copy(aws, wanted, before) == "ami-7"
    ((operation, request),) = aws.requests
    assert operation == "ec2:copy_image"
    return dict(request)


def test_a_copy_begins_with_all_tags_but_that_it_is_verified() -> None:
    pairs = [
        {"Key": "raykiln:role", "Value": "head"},
        {"Key": "raykiln:copied-from", "Value": str(ORIGIN)},
    ]

    assert started(WANTED) == {
        "Name": "ray-head",
        "Description": f"Copied from {ORIGIN}",
        "SourceImageId": "ami-1",
        "SourceRegion": "us-east-1",
        "ClientToken": hashlib.sha256(f"{ORIGIN}  []".encode()).hexdigest(),
        "TagSpecifications": [
            {"ResourceType": "image", "Tags": pairs},
            {"ResourceType": "snapshot", "Tags": pairs},
        ],
    }


def test_a_copy_is_encrypted_with_its_key_or_the_account_s_default() -> None:
    default = started(replace(WANTED, encrypted=True))
    given = started(replace(WANTED, encrypted=True, key=KEY))

    assert (default["Encrypted"], "KmsKeyId" in default) == (True, False)
    assert (given["Encrypted"], given["KmsKeyId"]) == (True, KEY)
    assert "KmsKeyId" not in started(replace(WANTED, key=KEY))


def test_another_copy_has_another_name_of_at_most_128_characters_and_another_token() -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html."""
    long = replace(WANTED, original=replace(ORIGINAL, title="x" * 130))
    failed = replace(COPY, state="failed")

    again, third = started(WANTED, failed), started(long, failed, replace(failed, ami_id="ami-3"))

    assert again["Name"] == "ray-head-2"
    assert third["Name"] == "x" * 126 + "-3"
    assert again["ClientToken"] == started(WANTED, failed)["ClientToken"]
    assert again["ClientToken"] != started(WANTED)["ClientToken"]


class Told:
    """Remembers what is reported."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def say(self, line: str, words: str) -> None:
        self.words.append(f"{line} … {words}")

    def end(self, line: str, outcome: str, *, failed: bool = False) -> None:
        self.words.append(f"{line} {'✗' if failed else '✓'} {outcome}")


def state(name: str, state: str, snapshot: str = "", reason: str = "") -> dict[str, Any]:
    ebs = {"SnapshotId": snapshot} if snapshot else {}
    return {
        "ImageId": name,
        "State": state,
        "BlockDeviceMappings": [{"VirtualName": "ephemeral0"}, {"Ebs": ebs}],
        **({"StateReason": {"Message": reason}} if reason else {}),
    }


def test_copies_are_awaited_each_with_its_line() -> None:
    looks = [
        [],
        [state("ami-2", "pending", "snap-2"), state("ami-3", "available")],
        [state("ami-2", "failed", reason="Stuck"), state("ami-3", "available")],
    ]
    aws: Any = Answers(
        describe_images=[{"Images": entries} for entries in looks],
        describe_snapshots={"Snapshots": [{"SnapshotId": "snap-2", "Progress": "40%"}]},
    )
    told, clock = Told(), FakeClock()
    began = clock.now()

    failed = wait_for_copies(aws, {"ami-2": "head", "ami-3": "worker"}, clock=clock, lines=told)

    assert failed == ("head: ami-2 is failed Stuck",)
    assert told.words == [
        "head … ami-2: copying, 0%",
        "worker … ami-3: copying, 0%",
        "head … ami-2: copying, 40%",
        "worker ✓ ami-3: available",
        "head ✗ ami-2: failed",
    ]
    assert clock.now() - began == 10
    filters = [{"Name": "image-id", "Values": ["ami-2", "ami-3"]}]
    asked = {"Owners": ["self"], "Filters": filters, "IncludeDisabled": True}
    assert [request for name, request in aws.requests if "images" in name] == [asked] * 3
    assert ("ec2:describe_snapshots", {"SnapshotIds": ["snap-2"]}) in aws.requests


def test_copies_that_never_end_are_given_up_before_a_session_of_four_hours_ends() -> None:
    aws: Any = Answers(
        describe_images={"Images": [state("ami-2", "pending", "snap-2")]},
        describe_snapshots={"Snapshots": [{"SnapshotId": "snap-2"}]},
    )
    told, clock = Told(), FakeClock()
    began = clock.now()

    with pytest.raises(TimedOut, match="1 of 1 still copying") as raised:
        wait_for_copies(aws, {"ami-2": "head"}, clock=clock, lines=told)

    assert clock.now() - began == pytest.approx(3.5 * 3600, abs=5)
    assert raised.value.hint == "promote again: it goes on from here"
    assert set(told.words) == {"head … ami-2: copying, 0%"}


def test_failed_copies_are_removed_with_their_snapshots() -> None:
    aws: Any = Answers(deregister_image={})

    remove_failed(aws, [COPY, replace(COPY, ami_id="ami-3", state="error")])

    assert aws.requests == [
        ("ec2:deregister_image", {"ImageId": "ami-3", "DeleteAssociatedSnapshots": True})
    ]


def test_a_fresh_instance_is_asked_as_root_by_its_own_key(tmp_path: Path) -> None:
    access = SshAccess("i-1", "10.0.0.1", "admin", tmp_path / "key")

    command = as_root(access, "cat", "/etc/os-release")

    config = tmp_path / "ssh_config"
    assert command == ["ssh", "-F", str(config), "admin@10.0.0.1", "sudo", "cat", "/etc/os-release"]
    assert f"IdentityFile {tmp_path}/key\n" in config.read_text()
    assert f"ControlPath {tmp_path}/ssh\n" in config.read_text()


def test_a_copy_is_deprecated_a_year_after_the_original_was_baked_but_not_in_the_past() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    aws: Any = Answers(modify_image_attribute={}, enable_image_deprecation={})

    complete_copy(aws, "ami-1", "2026-11-01T12:00:00Z", now)
    complete_copy(aws, "ami-2", "2025-11-01T12:00:00Z", now)

    assert aws.requests == [
        (
            "ec2:modify_image_attribute",
            {"ImageId": "ami-1", "ImdsSupport": {"Value": "v2.0"}},
        ),
        (
            "ec2:enable_image_deprecation",
            {"ImageId": "ami-1", "DeprecateAt": datetime(2027, 11, 1, 12, 0, tzinfo=UTC)},
        ),
        (
            "ec2:modify_image_attribute",
            {"ImageId": "ami-2", "ImdsSupport": {"Value": "v2.0"}},
        ),
        (
            "ec2:enable_image_deprecation",
            {"ImageId": "ami-2", "DeprecateAt": now + timedelta(minutes=2)},
        ),
    ]
