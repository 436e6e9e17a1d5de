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


FEW = Inventory.parse(inventory_json())
OPENSSL = "pkg:deb/debian/openssl@3.0.17-1?arch=amd64&distro=debian-12&upstream=openssl"


def test_cyclonedx_is_of_the_image_which_depends_on_its_packages() -> None:
    bill = json.loads(cyclonedx(SUBJECT, FEW))

    def place(folder: str) -> list[dict[str, str]]:
        return [{"name": "raykiln:environment", "value": folder}]

    def library(ref: str, name: str, version: str, **more: object) -> dict[str, object]:
        purl = ref.partition(" ")[0]
        found = {"bom-ref": ref, "name": name, "purl": purl, "version": version}
        return {**found, "type": "library", **more}

    packages = [
        library(OPENSSL, "openssl", "3.0.17-1"),
        library("pkg:pypi/ray@2.60.0 /opt/ray", "ray", "2.60.0", properties=place("/opt/ray")),
        library("pkg:pypi/six@1.16.0 /usr", "six", "1.16.0", properties=place("/usr")),
    ]
    file = "file:/opt/raykiln/node/log.py"
    refs = [str(one["bom-ref"]) for one in packages]
    assert bill == {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "serialNumber": f"urn:uuid:{SUBJECT.uuid}",
        "metadata": {
            "timestamp": "2026-11-22T12:00:00+00:00",
            "component": {
                "bom-ref": "image",
                "type": "operating-system",
                "name": "ray-head",
                "version": "d" * 64,
                "description": "Debian 12 (bookworm)",
                "properties": [{"name": "raykiln:kernel", "value": "6.1.0-41-cloud-amd64"}],
            },
        },
        "components": [
            {
                "bom-ref": file,
                "type": "file",
                "name": "/opt/raykiln/node/log.py",
                "hashes": [{"alg": "SHA-256", "content": SHA256}],
            },
            *packages,
        ],
        "dependencies": [
            {"ref": file},
            {"ref": "image", "dependsOn": refs},
            *({"ref": ref} for ref in refs),
        ],
    }


def test_spdx_describes_the_image_and_its_files_and_the_image_contains_the_packages() -> None:
    bill = json.loads(spdx(SUBJECT, FEW))

    def package(number: int, name: str, version: str, url: str, **more: str) -> dict[str, object]:
        reference = {
            "referenceCategory": "PACKAGE_MANAGER",
            "referenceType": "purl",
            "referenceLocator": url,
        }
        return {
            "SPDXID": f"SPDXRef-package-{number}",
            "name": name,
            "versionInfo": version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "externalRefs": [reference],
            **more,
        }

    def related(one: str, how: str, other: str) -> dict[str, str]:
        return {
            "spdxElementId": f"SPDXRef-{one}",
            "relationshipType": how,
            "relatedSpdxElement": f"SPDXRef-{other}",
        }

    assert bill == {
        "SPDXID": "SPDXRef-DOCUMENT",
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "name": f"ray-head {'d' * 64}",
        "documentNamespace": f"urn:uuid:{SUBJECT.uuid}",
        "creationInfo": {"created": "2026-11-22T12:00:00Z", "creators": ["Tool: raykiln"]},
        "packages": [
            {
                "SPDXID": "SPDXRef-image",
                "name": "ray-head",
                "versionInfo": "d" * 64,
                "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False,
            },
            package(0, "openssl", "3.0.17-1", OPENSSL),
            package(1, "six", "1.16.0", "pkg:pypi/six@1.16.0", comment="in /usr"),
            package(2, "ray", "2.60.0", "pkg:pypi/ray@2.60.0", comment="in /opt/ray"),
        ],
        "files": [
            {
                "SPDXID": "SPDXRef-file-0",
                "fileName": "./opt/raykiln/node/log.py",
                "checksums": [
                    {"algorithm": "SHA1", "checksumValue": SHA1},
                    {"algorithm": "SHA256", "checksumValue": SHA256},
                ],
            }
        ],
        "relationships": [
            related("DOCUMENT", "DESCRIBES", "image"),
            related("DOCUMENT", "DESCRIBES", "file-0"),
            related("image", "CONTAINS", "package-0"),
            related("image", "CONTAINS", "package-1"),
            related("image", "CONTAINS", "package-2"),
        ],
    }


def test_no_other_image_has_the_id_of_a_bill() -> None:
    others = [
        Subject("ray-worker", SUBJECT.digest, SUBJECT.built),
        Subject(SUBJECT.name, "e" * 64, SUBJECT.built),
        Subject(SUBJECT.name, SUBJECT.digest, "2026-11-23T12:00:00Z"),
    ]

    assert len({SUBJECT.uuid, *(other.uuid for other in others)}) == 4
