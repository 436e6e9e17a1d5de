"""The catalog: which images exist, which are verified, and the attributes of a new image."""

from datetime import UTC, datetime
from typing import Any

from bake.catalog import (
    find_verified,
    images,
    mark_tested,
    mark_unverified,
    mark_verified,
    set_image_attributes,
)
from bake.software import Report
from bake.wanted import WantedImage
from common.clients import Clients
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
