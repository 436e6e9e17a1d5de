"""An image's bills of materials hold all of its inventory, and are as their standards say."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.json.json_parser import parse_from_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from bake.inventory import Inventory
from bake.sbom import Subject, cyclonedx, spdx, write_bills
from common.errors import PipelineError
from tests.unit.bake.inventories import SHA1, SHA256, inventory_json
from tests.unit.bake.test_build import a_build_spec

SUBJECT = Subject("ray-head", "d" * 64, "2026-11-22T12:00:00Z")
MANY = Inventory.parse(
    inventory_json(
        debian={
            "libc6:amd64": ["2.36-9", "amd64", "glibc"],
            "tzdata": ["2025b-0+deb12u2", "all", "tzdata"],
        }
    )
)


def test_cyclonedx_has_packages_with_their_addresses_and_files_with_their_hashes() -> None:
    bill = json.loads(cyclonedx(SUBJECT, MANY))

    assert bill["metadata"]["component"]["name"] == "ray-head"
    assert bill["metadata"]["component"]["version"] == "d" * 64
    assert {one.get("purl", one["name"]) for one in bill["components"]} == {
        "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc",
        "pkg:deb/debian/tzdata@2025b-0%2Bdeb12u2?arch=all&distro=debian-12&upstream=tzdata",
        "pkg:pypi/six@1.16.0",
        "pkg:pypi/ray@2.60.0",
        "/opt/raykiln/node/log.py",
    }
    (file,) = (one for one in bill["components"] if one["type"] == "file")
    assert file["hashes"] == [{"alg": "SHA-256", "content": SHA256}]
    (ray,) = (one for one in bill["components"] if one["name"] == "ray")
    assert ray["properties"] == [{"name": "raykiln:environment", "value": "/opt/ray"}]


def test_spdx_has_the_same() -> None:
    bill = json.loads(spdx(SUBJECT, MANY))

    assert {(one["name"], one["versionInfo"]) for one in bill["packages"]} == {
        ("ray-head", "d" * 64),
        ("libc6:amd64", "2.36-9"),
        ("tzdata", "2025b-0+deb12u2"),
        ("six", "1.16.0"),
        ("ray", "2.60.0"),
    }
    (file,) = bill["files"]
    assert file["fileName"] == "./opt/raykiln/node/log.py"
    assert {one["algorithm"]: one["checksumValue"] for one in file["checksums"]} == {
        "SHA1": SHA1,
        "SHA256": SHA256,
    }


def test_both_are_valid(tmp_path: Path) -> None:
    file = tmp_path / "sbom.spdx.json"
    file.write_text(spdx(SUBJECT, MANY))

    assert validate_full_spdx_document(parse_from_file(str(file))) == []
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(cyclonedx(SUBJECT, MANY)) is None


def test_one_image_has_the_same_bills_each_time() -> None:
    assert cyclonedx(SUBJECT, MANY) == cyclonedx(SUBJECT, MANY)
    assert spdx(SUBJECT, MANY) == spdx(SUBJECT, MANY)


def test_a_build_instance_that_says_nothing_of_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inventory.json").write_text("{}")

    with pytest.raises(PipelineError, match="did not say what is in the image") as failed:
        write_bills(a_build_spec(tmp_path))

    assert str(tmp_path / "inventory.json") in failed.value.hint
