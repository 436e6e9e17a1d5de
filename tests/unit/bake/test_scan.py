"""An image's vulnerabilities come from what its bake kept; deploys are refused where so set."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bake.catalog import Image, image_by_id, images
from bake.channels import set_channel
from bake.scan import scan, vulnerable
from bake.wanted import WantedImage
from commands import images_scan
from commands.images_scan import images_to_scan, refuse
from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from deploy.release.choice import refuse_vulnerable
from deploy.release.settings import NodeImage
from tests.unit.bake.conftest import register
from tests.unit.bake.inventories import keep_inventory
from tests.unit.bake.osv_server import OsvServer, osv_server
from tests.unit.deploy.builders import an_environment

RECORD: dict[str, Any] = {
    "id": "DEBIAN-CVE-2024-6119",
    "upstream": ["CVE-2024-6119"],
    "database_specific": {"severity": "HIGH"},
    "affected": [
        {
            "package": {"ecosystem": "Debian:12", "name": "openssl"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1"}]}],
        }
    ],
}
NOW = datetime(2026, 11, 22, tzinfo=UTC)
WORDS = "high CVE-2024-6119: openssl 3.0.17-1, fixed in 3.1"


@pytest.fixture
def osv() -> Iterator[OsvServer]:
    with osv_server({("Debian:12", "openssl", "3.0.17-1"): [RECORD["id"]]}, RECORD) as server:
        yield server


def scanning(osv: OsvServer, severity: str = "high") -> Environment:
    return an_environment(images={"scan": severity, "osv": osv.address})


@pytest.fixture
def image(clients: Clients, tmp_path: Path) -> Image:
    found = image_by_id(clients, register(clients, "head"))
    bucket = an_environment().images_bucket
    keep_inventory(clients, bucket, found.digest, found.ami_id, tmp_path)
    return found


def test_what_is_known_of_an_image_is_found(clients: Clients, image: Image, osv: OsvServer) -> None:
    (found,) = scan(clients, scanning(osv), image)

    assert found.words == WORDS


def test_an_image_without_an_inventory_cannot_be_scanned(clients: Clients, osv: OsvServer) -> None:
    other = image_by_id(clients, register(clients, "head"))

    with pytest.raises(Refused, match=f"{other.ami_id} cannot be scanned"):
        scan(clients, scanning(osv), other)


@pytest.mark.parametrize(("severity", "refused"), [("high", True), ("critical", False)])
def test_the_setting_says_from_which_severity_on_an_image_is_refused(
    clients: Clients, image: Image, osv: OsvServer, severity: str, refused: bool
) -> None:
    found = list(vulnerable(clients, scanning(osv, severity), image))

    assert found == ([f"{image.ami_id}: {WORDS}"] if refused else [])


def test_a_deploy_is_refused_with_what_was_found(
    clients: Clients, image: Image, osv: OsvServer
) -> None:
    node = NodeImage(image.ami_id, image.digest, "2.60.0", "/dev/xvda")

    with pytest.raises(Refused, match=r"dev refuses images .*images\.scan = high") as refused:
        refuse_vulnerable(clients, scanning(osv), images(clients), [node])
    assert f"  {image.ami_id}: {WORDS}" in refused.value.message
    refuse_vulnerable(clients, scanning(osv, "critical"), images(clients), [node])


def test_without_the_setting_nothing_is_asked(clients: Clients, image: Image) -> None:
    node = NodeImage(image.ami_id, image.digest, "2.60.0", "/dev/xvda")
    nowhere = an_environment(images={"osv": "http://127.0.0.1:9"})

    refuse_vulnerable(clients, nowhere, images(clients), [node])


def test_the_command_scans_an_image_or_those_of_the_channel(
    clients: Clients, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = an_environment()
    monkeypatch.setattr(images_scan, "clients_of", lambda environment: clients)
    with pytest.raises(Refused, match="the channel of dev names no image"):
        images_to_scan(environment, "", "")
    worker = image_by_id(clients, register(clients, "worker"))
    chosen = {WantedImage("head"): image, WantedImage("worker"): worker}
    set_channel(clients, "dev", chosen, NOW)

    assert images_to_scan(environment, image.ami_id, "") == (image,)
    assert images_to_scan(environment, "", "") == (image, worker)
    assert images_to_scan(environment, "", "worker") == (worker,)
    with pytest.raises(Refused, match="an image has its own role"):
        images_to_scan(environment, image.ami_id, "head")


def test_the_command_fails_where_a_deploy_would_be_refused(
    clients: Clients, image: Image, osv: OsvServer
) -> None:
    found = {image: scan(clients, scanning(osv), image)}

    refuse(found, "none")
    refuse(found, "critical")
    with pytest.raises(Refused, match="1 of them can be fixed and are high or worse"):
        refuse(found, "high")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"scan": "severe"}, "images.scan: one of none, low, medium, high, critical"),
        ({"scan": {"base_id": "ami-1"}}, "images.scan: one of"),
        ({"osv": "api.osv.dev"}, "images.osv: an address such as https://api.osv.dev"),
    ],
)
def test_another_value_of_the_settings_is_refused(table: dict[str, object], words: str) -> None:
    with pytest.raises((Refused, ValidationError), match=words):
        an_environment(images=table)


def test_nothing_is_scanned_unless_it_is_asked_for() -> None:
    environment = an_environment()

    assert (environment.images_scan, environment.images_osv) == ("none", "https://api.osv.dev")
