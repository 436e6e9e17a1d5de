"""The bills of materials of an image hold what the machine itself lists."""

import json
import re
from typing import Any

import pytest

from tests.image.conftest import Expected

Found = set[tuple[str, str]]


def in_cyclonedx(expected: Expected) -> tuple[Found, Found, dict[str, str]]:
    """Return Debian packages, Ray's distributions, and files with their hashes."""
    bill = json.loads((expected.facts / "sbom.cdx.json").read_text())
    debian, python, files = set(), set(), {}
    for one in bill["components"]:
        places = [place["value"] for place in one.get("properties", [])]
        if one["type"] == "file":
            files[one["name"]] = one["hashes"][0]["content"]
        elif one["purl"].startswith("pkg:deb/"):
            debian.add((one["name"], one["version"]))
        elif places == ["/opt/ray"]:
            python.add((one["name"], one["version"]))
    return debian, python, files


def in_spdx(expected: Expected) -> tuple[Found, Found, dict[str, str]]:
    """Return the same of the other bill."""
    bill = json.loads((expected.facts / "sbom.spdx.json").read_text())
    debian, python, files = set(), set(), {}
    for one in bill["packages"]:
        found = (one["name"], one.get("versionInfo", ""))
        urls = [each["referenceLocator"] for each in one.get("externalRefs", [])]
        if urls and urls[0].startswith("pkg:deb/"):
            debian.add(found)
        elif one.get("comment") == "in /opt/ray":
            python.add(found)
    for one in bill["files"]:
        hashes = {each["algorithm"]: each["checksumValue"] for each in one["checksums"]}
        files[one["fileName"].removeprefix(".")] = hashes["SHA256"]
    return debian, python, files


BILLS = pytest.mark.parametrize("read", [in_cyclonedx, in_spdx])


@BILLS
def test_every_package_of_dpkg_is_in_the_bill(machine: Any, expected: Expected, read: Any) -> None:
    lines = machine.check_output("dpkg -l | grep ^ii").splitlines()
    listed = {tuple(line.split()[1:3]) for line in lines}

    assert read(expected)[0] == listed


@BILLS
def test_every_distribution_of_pip_is_in_the_bill(
    machine: Any, expected: Expected, read: Any
) -> None:
    command = "/opt/ray/bin/python -B -m pip list --format json --disable-pip-version-check"
    listed = {(one["name"], one["version"]) for one in json.loads(machine.check_output(command))}

    def plain(found: Found) -> Found:
        return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found}

    assert plain(read(expected)[1]) == plain(listed)


@BILLS
def test_every_file_of_ours_is_in_the_bill_as_it_is(
    machine: Any, expected: Expected, read: Any
) -> None:
    ours = "/opt/raykiln /usr/local/bin /etc/systemd/system /etc/tmpfiles.d /etc/sysctl.d"
    find = f"find {ours} -type f -not -name '*.pyc' -exec sha256sum {{}} +"
    pairs = (line.split(maxsplit=1) for line in machine.check_output(find).splitlines())
    there = {path: content for content, path in pairs}
    units = {f"/etc/systemd/system/{path.name}" for path in (expected.source / "systemd").iterdir()}

    bill = read(expected)[2]

    assert units < set(there)
    assert {path: bill.get(path) for path in units} == {path: there[path] for path in units}
    assert {path: bill[path] for path in there if path in bill} == {
        path: content for path, content in there.items() if path in bill
    }
    assert [path for path in there if path.startswith("/opt/raykiln/") and path not in bill] == []
