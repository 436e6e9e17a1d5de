"""What is known of an image, and what differs between two, in words, as JSON and as a page."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bake.catalog import images, mark_verified
from bake.channels import set_channel
from bake.software import Report
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import PipelineError
from deploy.operate.image_facts import image_difference, image_facts
from deploy.operate.image_uses import Retention
from deploy.report.image_page import difference_page
from localcloud.world import World
from tests.unit.bake.conftest import register
from tests.unit.bake.inventories import keep_inventory
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BUCKET = "raykiln-dev-bakes-123456789012-us-east-1"


@pytest.fixture
def clients(world: World) -> Clients:  # noqa: F811 - a fixture
    return Clients(REGION)


def baked(clients: Clients, folder: Path, parts: dict[str, Any], git: str = "abc") -> str:
    ami_id = register(clients, "head", git=git)
    mark_verified(clients, ami_id, NOW, Report("3.11.2", ""), "")
    digest = images(clients)[0].digest
    keep_inventory(clients, BUCKET, digest, ami_id, folder, **parts)
    return ami_id


def packages(**versions: str) -> dict[str, list[str]]:
    return {name: [version, "amd64", name] for name, version in versions.items()}


OLD = {"debian": packages(openssl="3.0.17", nfs="2.6")}
NEW = {
    "debian": packages(openssl="3.0.18"),
    "users": {"ray": ["998", "/usr/sbin/nologin"], "eve": ["0", "<b>sh</b>"]},
}


def test_an_image_is_shown_with_all_that_uses_it(clients: Clients, tmp_path: Path) -> None:
    ami_id = baked(clients, tmp_path, OLD)
    (image,) = images(clients)
    for name in ("prod", "staging"):
        set_channel(clients, name, {WantedImage("head"): image}, NOW)

    found = image_facts(clients, an_environment(), ami_id, Retention(3, 30, 180), NOW)

    assert found.words == (
        f"{ami_id}: head, x86_64",
        f"  baked: {image.created}, commit abc",
        "  available; deprecated from no date on",
        f"  digest: {0:064}",
        "  verified: 2026-11-22T12:00:00Z",
        "  own tests: none",
        "  Ray 2.60.0, Python 3.11.2",
        "  in it: Debian 12 (bookworm); 2 Debian packages, 2 Python distributions, "
        "1 files of no package",
        f"  bill of materials: s3://{BUCKET}/{0:064}/{ami_id}/sbom.cdx.json",
        f"  bill of materials: s3://{BUCKET}/{0:064}/{ami_id}/sbom.spdx.json",
        "  tests: not attested",
        "  sbom: not attested",
        "  provenance: not attested",
        "  drills: not attested",
        "  used: in the channel prod/head",
        "  used: in the channel staging/head",
        "  used: one of the last 3 of the channel prod/head",
        "  used: one of the last 3 of the channel staging/head",
    )
    data = json.loads(json.dumps(found.as_json()))
    assert data["inventory"]["debian"] == {"openssl": "3.0.17", "nfs": "2.6"}
    assert data["uses"][0] == "in the channel prod/head"


def test_an_image_that_nothing_uses_is_shown_as_that(clients: Clients, tmp_path: Path) -> None:
    ami_id = register(clients, "head")

    words = image_facts(clients, an_environment(), ami_id, Retention(3, 30, 180), NOW).words

    assert words[-6:] == (
        "  in it: not known: its bake kept no inventory",
        "  tests: not attested",
        "  sbom: not attested",
        "  provenance: not attested",
        "  drills: not attested",
        "  used: by nothing that is seen here",
    )


def test_two_images_differ_in_facts_and_in_what_they_have(clients: Clients, tmp_path: Path) -> None:
    old, new = baked(clients, tmp_path, OLD), baked(clients, tmp_path, NEW, git="def")

    found = image_difference(clients, BUCKET, old, new)

    assert found.words == (
        f"digest: {0:064} → {1:064}",
        "git: abc → def",
        "debian nfs: 2.6 → none",
        "debian openssl: 3.0.17 → 3.0.18",
        "user eve: none → 0 <b>sh</b>",
    )
    expected: dict[str, Any] = {
        "old": old,
        "new": new,
        "facts": {"digest": [f"{0:064}", f"{1:064}"], "git": ["abc", "def"]},
        "changes": {
            "debian": {"nfs": ["2.6", None], "openssl": ["3.0.17", "3.0.18"]},
            "user": {"eve": [None, "0 <b>sh</b>"]},
        },
    }
    assert json.loads(json.dumps(found.as_json())) == expected
    page = difference_page(found)
    assert "Changes: 2 debian, 1 user." in page
    assert "<h2>Debian packages (2)</h2>" in page
    row = "<td>openssl</td><td><code>3.0.17</code></td><td><code>3.0.18</code></td>"
    assert row in page
    assert "0 &lt;b&gt;sh&lt;/b&gt;" in page
    assert "<b>sh" not in page


def test_an_image_and_itself_are_the_same(clients: Clients, tmp_path: Path) -> None:
    ami_id = baked(clients, tmp_path, OLD)

    assert image_difference(clients, BUCKET, ami_id, ami_id).words == ("they are the same",)


def test_without_an_inventory_they_are_not_called_the_same(
    clients: Clients, tmp_path: Path
) -> None:
    old, new = baked(clients, tmp_path, OLD), register(clients, "head")

    assert image_difference(clients, BUCKET, old, new).words[-1] == (
        "what is in them: not known: one of the images has no inventory"
    )


def test_an_image_of_others_is_not_shown(clients: Clients, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="ami-1 is not an image of ours"):
        image_difference(clients, BUCKET, "ami-1", "ami-1")
