"""The base image is the newest that the filter matches, or the one with the configured id."""

from datetime import UTC, datetime

import pytest

from bake.base_image import resolve_base_image
from common.clients import Clients
from common.errors import Refused
from common.image_settings import ImageSettings
from localcloud.account import ec2_backend

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
