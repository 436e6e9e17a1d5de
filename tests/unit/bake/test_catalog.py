"""The catalog: which images exist, which are verified, and the attributes of a new image."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bake.catalog import (
    Image,
    check_image_attributes,
    deprecate,
    disable,
    find_verified,
    image_by_id,
    images,
    mark_copied,
    mark_tested,
    mark_unverified,
    mark_verified,
    put_into_use,
    set_image_attributes,
)
from bake.software import Report
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import PipelineError
from tests.unit.answers import Answers
from tests.unit.bake.conftest import register

HEAD = WantedImage("head")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def described(clients: Clients, ami_id: str) -> Any:
    return clients("ec2").describe_images(ImageIds=[ami_id])["Images"][0]


def test_every_image_of_ours_is_listed_newest_first(clients: Clients) -> None:
    unverified = register(clients, "head", verified=False)
    worker = register(clients, "worker")

    assert [image.ami_id for image in images(clients)] == [worker, unverified]


def test_images_that_are_not_ours_are_not_in_the_catalog(clients: Clients) -> None:
    clients("ec2").register_image(Name="another-owners")

    assert images(clients) == ()


def test_an_image_is_verified_once_it_is_marked(clients: Clients) -> None:
    ami_id = register(clients, "head", verified=False)
    (image,) = images(clients)
    assert find_verified(images(clients), HEAD, image.digest) is None

    mark_verified(clients, ami_id, NOW, Report("3.11.2", ""), "t" * 64)

    found = find_verified(images(clients), HEAD, image.digest)
    assert found is not None
    assert found.verified == "2026-11-22T12:00:00Z"
    assert (found.python, found.tests) == ("3.11.2", "t" * 64)


def test_an_image_of_another_name_is_not_the_one(clients: Clients) -> None:
    register(clients, "head", image="gpu")
    (image,) = images(clients)

    assert find_verified(images(clients), HEAD, image.digest) is None
    assert find_verified(images(clients), WantedImage("head", "gpu"), image.digest) == image


def test_an_image_that_fails_other_tests_is_no_longer_verified(clients: Clients) -> None:
    ami_id = register(clients, "head")

    mark_tested(clients, ami_id, NOW, "a" * 64)
    assert [(image.verified, image.tests) for image in images(clients)] == [
        ("2026-11-22T12:00:00Z", "a" * 64)
    ]
    mark_unverified(clients, ami_id)
    assert [image.verified for image in images(clients)] == [""]


def test_a_new_image_requires_imdsv2_and_has_a_deprecation_date(clients: Clients) -> None:
    ami_id = register(clients, "head", verified=False)

    set_image_attributes(clients, ami_id, NOW)

    assert described(clients, ami_id)["ImdsSupport"] == "v2.0"
    assert described(clients, ami_id)["DeprecationTime"].startswith("2027-11-22")


def asked(change: Any, **answers: Any) -> Any:
    """Return the one request that a change makes."""
    aws: Any = Answers(**answers)
    change(aws)
    (request,) = aws.requests
    return request


ENTRY: dict[str, Any] = {
    "ImageId": "ami-1",
    "CreationDate": "2026-11-22T12:00:00.000Z",
    "Architecture": "arm64",
    "RootDeviceName": "/dev/xvda",
    "State": "available",
    "DeprecationTime": "2027-11-22T12:00:00.000Z",
    "Tags": [
        {"Key": f"raykiln:{key}", "Value": value}
        for key, value in {
            "role": "worker",
            "image": "gpu",
            "digest": "d" * 64,
            "ray-version": "2.60.0",
            "git": "abc",
            "contract": "3",
            "verified": "2026-11-22T12:30:00Z",
            "tests": "t" * 64,
            "python": "3.11.2",
        }.items()
    ],
}


def test_an_image_is_what_ec2_and_its_tags_say() -> None:
    aws: Any = Answers(describe_images={"Images": [ENTRY]})

    assert images(aws) == (
        Image(
            ami_id="ami-1",
            role="worker",
            digest="d" * 64,
            ray_version="2.60.0",
            git="abc",
            created="2026-11-22T12:00:00.000Z",
            verified="2026-11-22T12:30:00Z",
            architecture="arm64",
            root_device="/dev/xvda",
            contract="3",
            name="gpu",
            tests="t" * 64,
            python="3.11.2",
            state="available",
            deprecated="2027-11-22T12:00:00.000Z",
        ),
    )


def test_what_an_early_image_lacks_is_empty() -> None:
    bare = {"ImageId": "ami-1", "CreationDate": "2026", "State": "disabled"}
    aws: Any = Answers(describe_images={"Images": [bare]})

    (found,) = images(aws, disabled=True)

    assert found == Image("ami-1", "", "", "", "", "2026", "", "", state="disabled")
    assert (found.root_device, found.contract, found.name, found.tests) == ("", "", "", "")


@pytest.mark.parametrize(
    ("disabled", "states"), [(False, ["available"]), (True, ["available", "disabled"])]
)
def test_images_of_ours_are_asked_for_and_disabled_ones_only_on_demand(
    disabled: bool, states: list[str]
) -> None:
    request = asked(lambda aws: images(aws, disabled=disabled), describe_images={"Images": []})

    assert request == (
        "ec2:describe_images",
        {
            "Owners": ["self"],
            "Filters": [
                {"Name": "tag-key", "Values": ["raykiln:role"]},
                {"Name": "state", "Values": states},
            ],
            "IncludeDisabled": disabled,
        },
    )


def test_an_image_is_found_by_its_id_or_named(clients: Clients) -> None:
    ami_id = register(clients, "head")
    assert image_by_id(clients, ami_id).ami_id == ami_id

    with pytest.raises(PipelineError) as failed:
        image_by_id(clients, "ami-0")

    assert failed.value.message == "ami-0 is not an image of ours"
    assert failed.value.hint == "invoke images lists them"


def test_an_image_that_does_not_require_imdsv2_after_all_is_named() -> None:
    aws: Any = Answers(describe_images=[{"Images": [{"ImdsSupport": "v2.0"}]}, {"Images": [{}]}])

    check_image_attributes(aws, "ami-1")
    with pytest.raises(PipelineError) as failed:
        check_image_attributes(aws, "ami-1")

    assert failed.value.message == "ami-1 does not require IMDSv2 although EC2 accepted the change"
    assert failed.value.hint == "bake again"
    assert aws.requests == [("ec2:describe_images", {"ImageIds": ["ami-1"]})] * 2


def test_what_changes_an_image_is_one_request_each() -> None:
    def tags(**values: str) -> Any:
        pairs = [{"Key": f"raykiln:{key}", "Value": value} for key, value in values.items()]
        return ("ec2:create_tags", {"Resources": ["ami-1"], "Tags": pairs})

    report = Report("3.11.2", "")
    moment = "2026-11-22T12:00:00Z"
    done: dict[str, Any] = {"create_tags": {}}

    assert asked(lambda aws: mark_verified(aws, "ami-1", NOW, report, ""), **done) == tags(
        verified=moment, python="3.11.2"
    )
    assert asked(lambda aws: mark_verified(aws, "ami-1", NOW, report, "t"), **done) == tags(
        verified=moment, python="3.11.2", tests="t"
    )
    assert asked(lambda aws: mark_tested(aws, "ami-1", NOW, "t"), **done) == tags(
        verified=moment, tests="t"
    )
    assert asked(lambda aws: mark_copied(aws, "ami-1", moment), **done) == tags(verified=moment)
    assert asked(lambda aws: mark_unverified(aws, "ami-1"), delete_tags={}) == (
        "ec2:delete_tags",
        {"Resources": ["ami-1"], "Tags": [{"Key": "raykiln:verified"}]},
    )
    assert asked(lambda aws: disable(aws, "ami-1"), disable_image={}) == (
        "ec2:disable_image",
        {"ImageId": "ami-1"},
    )
    assert asked(lambda aws: deprecate(aws, "ami-1", NOW), enable_image_deprecation={}) == (
        "ec2:enable_image_deprecation",
        {"ImageId": "ami-1", "DeprecateAt": NOW + timedelta(minutes=2)},
    )


def an_image(**changes: str) -> Image:
    values = {"created": "2026-11-01T12:00:00+00:00", **changes}
    return Image("ami-1", "head", "d", "2.60.0", "abc", verified="", architecture="", **values)


@pytest.mark.parametrize(
    ("deprecated", "is_deprecated"),
    [
        ("", False),
        ("2026-11-22T12:03:00+00:00", True),
        ("2026-11-22T12:03:01+00:00", False),
    ],
)
def test_an_image_counts_as_deprecated_in_the_minutes_before(
    deprecated: str, is_deprecated: bool
) -> None:
    """EC2 takes no date in the past, and rounds to minutes."""
    assert an_image(deprecated=deprecated).is_deprecated(NOW) == is_deprecated


ENABLED = ("ec2:enable_image", {"ImageId": "ami-1"})
RESTORED = (
    "ec2:enable_image_deprecation",
    {"ImageId": "ami-1", "DeprecateAt": datetime(2027, 11, 1, 12, 0, tzinfo=UTC)},
)
PAST = "2026-11-22T12:00:00+00:00"


@pytest.mark.parametrize(
    ("image", "requests"),
    [
        (an_image(), []),
        (an_image(state="disabled"), [ENABLED]),
        (an_image(deprecated=PAST), [RESTORED]),
        (an_image(state="disabled", deprecated=PAST), [ENABLED, RESTORED]),
        (an_image(deprecated=PAST, created="2025-11-22T12:02:00+00:00"), []),
    ],
)
def test_an_image_that_is_put_into_use_is_as_its_bake_left_it(
    image: Image, requests: list[Any]
) -> None:
    """Not where its own year is over: EC2 takes no date in the past."""
    aws: Any = Answers(enable_image={}, enable_image_deprecation={})

    put_into_use(aws, image, NOW)

    assert aws.requests == requests
