"""The catalog: what was baked, what is verified, and what a new image must require."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bake.catalog import find_verified, harden, images, mark_verified, verified_image
from deploy.clients import Clients
from deploy.errors import Refused
from tests.unit.bake.conftest import register

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def described(clients: Clients, ami_id: str) -> Any:
    return clients("ec2").describe_images(ImageIds=[ami_id])["Images"][0]


def test_an_unverified_image_is_listed_but_not_offered(clients: Clients) -> None:
    ami_id = register(clients, "head", verified=False)

    assert [image.ami_id for image in images(clients)] == [ami_id]
    with pytest.raises(Refused, match="no verified head image") as caught:
        verified_image(clients, "head")
    assert caught.value.hint == "invoke bake"


def test_the_newest_verified_image_of_the_role_is_offered(clients: Clients) -> None:
    register(clients, "head")
    newer = register(clients, "head")
    register(clients, "head", verified=False)
    register(clients, "worker")

    assert verified_image(clients, "head").ami_id == newer


def test_an_image_for_another_processor_is_not_offered(clients: Clients) -> None:
    register(clients, "head")

    with pytest.raises(Refused, match="arm64"):
        verified_image(clients, "head", "arm64")


def test_images_that_are_not_ours_are_not_in_the_catalog(clients: Clients) -> None:
    clients("ec2").register_image(Name="somebody-elses")

    assert images(clients) == ()


def test_an_image_is_verified_from_the_moment_it_is_marked(clients: Clients) -> None:
    ami_id = register(clients, "head", verified=False)
    (image,) = images(clients)
    assert find_verified(images(clients), "head", image.digest) is None

    mark_verified(clients, ami_id, NOW)

    found = find_verified(images(clients), "head", image.digest)
    assert found is not None
    assert found.verified == "2026-11-22T12:00:00Z"


def test_a_hardened_image_requires_imdsv2_and_grows_old(clients: Clients) -> None:
    ami_id = register(clients, "head", verified=False)

    harden(clients, ami_id, NOW)

    assert described(clients, ami_id)["ImdsSupport"] == "v2.0"
    assert described(clients, ami_id)["DeprecationTime"].startswith("2027-11-22")
