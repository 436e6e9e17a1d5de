"""The base image is the newest that the filter matches, or the one with the configured id."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bake.base_image import BaseImage, resolve_base_image
from common.clients import Clients
from common.errors import Refused
from common.image_settings import ImageSettings
from localcloud.account import ec2_backend
from tests.unit.answers import Answers

DEBIAN = "136693071363"


def settings(**changes: str) -> ImageSettings:
    values = changes or {"base_name": "debian-12-*", "base_owner": DEBIAN}
    return ImageSettings.model_validate(values)


def test_the_filter_gives_the_newest_image_with_its_root_device(clients: Clients) -> None:
    base = resolve_base_image(clients, settings())

    assert base.name.startswith("debian-12-")
    assert base.root_device == "/dev/xvda"


def test_of_several_that_match_the_newest_by_date_is_taken(clients: Clients) -> None:
    backend = ec2_backend()
    for number, month in ((1, 3), (2, 9), (3, 6)):
        backend.amis[f"ami-{number}"].creation_date = datetime(2026, month, 1, tzinfo=UTC)

    assert resolve_base_image(clients, settings()).ami_id == "ami-2"


def test_an_id_gives_that_image(clients: Clients) -> None:
    assert resolve_base_image(clients, settings(base_id="ami-3")).ami_id == "ami-3"


@pytest.mark.parametrize(
    "values",
    [
        {"base_name": "debian-99-*", "base_owner": DEBIAN},
        {"base_name": "debian-12-*", "base_owner": "099720109477"},
        {"base_name": "debian-12-*", "base_owner": DEBIAN, "architecture": "arm64"},
        {"base_id": "ami-0123456789abcdef0"},
    ],
)
def test_when_no_image_matches_the_error_names_the_filter(
    clients: Clients, values: dict[str, str]
) -> None:
    with pytest.raises(Refused, match="no base image matches") as caught:
        resolve_base_image(clients, settings(**values))

    assert values.get("base_name", values.get("base_id", "")) in caught.value.message
    assert "base_name" in caught.value.hint


def test_an_image_for_another_architecture_is_refused(clients: Clients) -> None:
    with pytest.raises(Refused, match="is for x86_64, not arm64"):
        resolve_base_image(clients, settings(base_id="ami-3", architecture="arm64"))


def test_a_filter_asks_for_images_that_can_be_built_from() -> None:
    newest = {
        "ImageId": "ami-2",
        "Name": "debian-12-b",
        "RootDeviceName": "/dev/xvda",
        "OwnerId": DEBIAN,
        "CreationDate": "2026-11-01T00:00:00.000Z",
        "DeprecationTime": "2028-11-01T00:00:00.000Z",
        "Architecture": "x86_64",
        "State": "available",
    }
    older = {**newest, "ImageId": "ami-1", "CreationDate": "2026-10-01T00:00:00.000Z"}
    pending = {**newest, "ImageId": "ami-3", "CreationDate": "2026-12-01", "State": "pending"}
    aws: Any = Answers(describe_images={"Images": [older, newest, pending]})

    assert resolve_base_image(aws, settings()) == BaseImage(
        "ami-2",
        "debian-12-b",
        "/dev/xvda",
        owner=DEBIAN,
        created="2026-11-01T00:00:00.000Z",
        deprecated="2028-11-01T00:00:00.000Z",
    )
    filters = {
        "name": "debian-12-*",
        "architecture": "x86_64",
        "root-device-type": "ebs",
        "virtualization-type": "hvm",
        "state": "available",
    }
    assert aws.requests == [
        (
            "ec2:describe_images",
            {
                "Owners": [DEBIAN],
                "Filters": [{"Name": name, "Values": [value]} for name, value in filters.items()],
            },
        )
    ]


def test_an_image_by_its_id_may_be_deprecated_and_may_lack_what_ec2_leaves_out() -> None:
    bare = {"ImageId": "ami-1", "RootDeviceName": "/dev/sda1", "Architecture": "x86_64"}
    aws: Any = Answers(
        describe_images={"Images": [bare | {"CreationDate": "2026-11-01T00:00:00Z"}]}
    )

    found = resolve_base_image(aws, settings(base_id="ami-1"))

    assert found == BaseImage("ami-1", "", "/dev/sda1", created="2026-11-01T00:00:00Z")
    assert (found.epoch, BaseImage("ami-1", "", "").epoch) == (1_793_491_200, 0)
    by_id = [{"Name": "image-id", "Values": ["ami-1"]}]
    assert aws.requests == [("ec2:describe_images", {"Filters": by_id, "IncludeDeprecated": True})]


@pytest.mark.parametrize(
    ("deprecated", "now", "is_deprecated"),
    [
        ("", "2026-11-01T00:00:00+00:00", False),
        ("2026-11-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00", True),
        ("2026-11-01T00:00:01+00:00", "2026-11-01T00:00:00+00:00", False),
    ],
)
def test_a_base_image_is_deprecated_from_its_date_on(
    deprecated: str, now: str, is_deprecated: bool
) -> None:
    image = BaseImage("ami-1", "", "", deprecated=deprecated)

    assert image.is_deprecated(datetime.fromisoformat(now)) == is_deprecated


def test_what_does_not_match_is_said_in_full_with_what_to_correct() -> None:
    none: Any = Answers(describe_images={"Images": []})

    with pytest.raises(Refused) as refused:
        resolve_base_image(none, settings(), "images.gpu")

    assert refused.value.message == (
        f"no base image matches name 'debian-12-*', owner {DEBIAN}, x86_64"
    )
    assert refused.value.hint == (
        "correct base_name and base_owner (or base_id) in the file's [images.gpu]"
    )
    with pytest.raises(Refused) as refused:
        resolve_base_image(none, settings(base_id="ami-9"))
    assert refused.value.message == "no base image matches id ami-9"

    arm = {"ImageId": "ami-1", "RootDeviceName": "", "Architecture": "arm64", "CreationDate": ""}
    other: Any = Answers(describe_images={"Images": [arm]})
    with pytest.raises(Refused) as refused:
        resolve_base_image(other, settings(base_id="ami-1"), "images.gpu")
    assert refused.value.message == "ami-1 is for arm64, not x86_64"
    assert refused.value.hint == (
        "correct [images.gpu] architecture or base_id in the environment's file"
    )
