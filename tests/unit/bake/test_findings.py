"""What OSV's records say of an image's packages: severity, first fixed version, one line each."""

from typing import Any

import pytest

from bake.findings import Finding, findings, packages_of
from bake.inventory import Inventory
from bake.osv import Osv, Package
from common.errors import Refused
from tests.unit.bake.inventories import inventory_json
from tests.unit.bake.osv_server import Known, osv_server

DEBIAN = {
    "openssl": ["3.0.11-1~deb12u2", "amd64", "openssl", "3.0.11-1~deb12u2"],
    "libssl3:amd64": ["3.0.11-1~deb12u2", "amd64", "openssl", "3.0.11-1~deb12u2"],
    # Rebuilt: the binary's version is another one than the source's.
    "libacl1:amd64": ["2.3.1-3+b1", "amd64", "acl", "2.3.1-3"],
}
UBUNTU = {"id": "ubuntu", "version_id": "24.04", "pretty_name": "Ubuntu 24.04.3 LTS"}
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
HIGH = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N"


def affected(ecosystem: str, name: str, *fixed: str, **more: Any) -> dict[str, Any]:
    spans: list[dict[str, str]] = [{"introduced": "0"}, *({"fixed": one} for one in fixed)]
    return {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": spans}],
        **more,
    }


def found_in(known: Known, *records: dict[str, Any], **parts: Any) -> tuple[Finding, ...]:
    with osv_server(known, *records) as server:
        return findings(Osv(server.address), Inventory.parse(inventory_json(**parts)))


def of_openssl(*records: dict[str, Any], **parts: Any) -> list[str]:
    """Return the words of what is found when these records are those of openssl."""
    known = {("Debian:12", "openssl", "3.0.11-1~deb12u2"): [one["id"] for one in records]}
    return [one.words for one in found_in(known, *records, **({"debian": DEBIAN} | parts))]


def test_packages_are_asked_for_by_source_and_those_of_environments_as_pypis() -> None:
    python = {
        "/usr": {"version": "3.11.2", "packages": {"six": "1.16.0"}},
        "/opt/ray": {"version": "3.11.2", "packages": {"Ray_Core": "2.60.0", "six": "1.17.0"}},
        "/opt/own": {"version": "3.11.2", "packages": {"six": "1.17.0"}},
    }

    found = packages_of(Inventory.parse(inventory_json(debian=DEBIAN, python=python)))

    assert found == {
        Package("Debian:12", "openssl", "3.0.11-1~deb12u2"): "",
        Package("Debian:12", "acl", "2.3.1-3"): "",
        Package("PyPI", "ray-core", "2.60.0"): "/opt/ray",
        Package("PyPI", "six", "1.17.0"): "/opt/ray, /opt/own",
    }


def test_an_inventory_from_before_has_the_packages_own_versions() -> None:
    found = packages_of(Inventory.parse(inventory_json()))

    assert Package("Debian:12", "openssl", "3.0.17-1") in found


@pytest.mark.parametrize(
    ("system", "ecosystem"),
    [
        (UBUNTU, "Ubuntu:24.04:LTS"),
        (
            {"id": "ubuntu", "version_id": "25.04", "pretty_name": "Ubuntu 25.04"},
            "Ubuntu:25.04",
        ),
    ],
)
def test_a_release_is_named_as_osv_has_it(system: dict[str, str], ecosystem: str) -> None:
    found = packages_of(Inventory.parse(inventory_json(system=system, python={})))

    assert {one.ecosystem for one in found} == {ecosystem}


def test_another_distribution_is_refused() -> None:
    system = {"id": "amzn", "version_id": "2023", "pretty_name": "Amazon Linux 2023"}

    with pytest.raises(Refused, match="of Amazon Linux 2023 are not looked up"):
        packages_of(Inventory.parse(inventory_json(system=system)))


def test_a_record_of_debian_is_rated_by_its_vector_and_names_what_fixes_it_there() -> None:
    record = {
        "id": "DEBIAN-CVE-2024-6119",
        "upstream": ["CVE-2024-6119"],
        "severity": [{"type": "CVSS_V3", "score": CRITICAL}],
        "affected": [
            affected("Debian:11", "openssl", "1.1.1w-0+deb11u3"),
            affected("Debian:12", "openssl", "3.0.14-1~deb12u2"),
        ],
    }

    assert of_openssl(record) == [
        "critical CVE-2024-6119: openssl 3.0.11-1~deb12u2, fixed in 3.0.14-1~deb12u2"
    ]


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({}, "unknown"),
        ({"severity": [{"type": "CVSS_V4", "score": HIGH}]}, "high"),
        ({"severity": [{"type": "CVSS_V3", "score": "no vector"}]}, "unknown"),
        ({"database_specific": {"severity": "MODERATE"}}, "medium"),
        (
            {
                "severity": [{"type": "CVSS_V3", "score": CRITICAL}],
                "database_specific": {"severity": "LOW"},
            },
            "low",
        ),
    ],
)
def test_a_rating_comes_from_who_published_it_before_the_vector(
    fields: dict[str, Any], severity: str
) -> None:
    (words,) = of_openssl({"id": "GHSA-1", **fields})

    assert words.startswith(f"{severity} GHSA-1: ")


def test_what_debian_calls_unimportant_is_low_whatever_its_vector() -> None:
    unimportant = affected("Debian:12", "openssl", ecosystem_specific={"urgency": "unimportant"})
    record = {"id": "DEBIAN-CVE-2007-6755", "severity": [{"type": "CVSS_V3", "score": CRITICAL}]}

    assert of_openssl(record | {"affected": [unimportant]}) == [
        "low CVE-2007-6755: openssl 3.0.11-1~deb12u2, not fixed yet"
    ]


def test_ubuntus_priority_counts_in_ubuntu() -> None:
    known = {("Ubuntu:24.04:LTS", "openssl", "3.0.13-0ubuntu3"): ["UBUNTU-CVE-2024-6119"]}
    record: dict[str, Any] = {
        "id": "UBUNTU-CVE-2024-6119",
        "severity": [
            {"type": "CVSS_V3", "score": CRITICAL},
            {"type": "Ubuntu", "score": "negligible"},
        ],
        "affected": [
            affected("Ubuntu:Pro:24.04:LTS", "openssl", "3.0.13-0ubuntu3.9"),
            affected("Ubuntu:24.04:LTS", "openssl", "3.0.13-0ubuntu3.4"),
        ],
    }
    debian = {"openssl": ["3.0.13-0ubuntu3", "amd64", "openssl", "3.0.13-0ubuntu3"]}

    (found,) = found_in(known, record, system=UBUNTU, debian=debian)

    assert (found.severity, found.fixed) == ("low", "3.0.13-0ubuntu3.4")


def test_several_records_of_one_vulnerability_are_one_finding() -> None:
    python = {"/opt/ray": {"version": "3.11.2", "packages": {"jinja2": "3.1.4"}}}
    ghsa: dict[str, Any] = {
        "id": "GHSA-q2x7-8rv6-6q7h",
        "aliases": ["CVE-2024-56326"],
        "database_specific": {"severity": "HIGH"},
        "affected": [affected("PyPI", "jinja2", "2.11.3", "3.1.5", "4.0.0")],
    }
    pysec: dict[str, Any] = {
        "id": "PYSEC-2024-1",
        "aliases": ["CVE-2024-56326", "GHSA-q2x7-8rv6-6q7h"],
    }
    known = {("PyPI", "jinja2", "3.1.4"): [pysec["id"], ghsa["id"]]}

    (found,) = found_in(known, pysec, ghsa, python=python)

    assert found == Finding(
        ("CVE-2024-56326", "PYSEC-2024-1", "GHSA-q2x7-8rv6-6q7h"),
        *("high", "jinja2", "3.1.4", "3.1.5", "/opt/ray"),
    )
    assert found.words == "high CVE-2024-56326: jinja2 3.1.4 in /opt/ray, fixed in 3.1.5"


def test_a_notice_that_sums_up_other_records_is_left_out() -> None:
    ids = ["CVE-2024-1001", "CVE-2024-1002"]
    records = [{"id": f"DEBIAN-{name}", "upstream": [name]} for name in ids]
    notice = {"id": "DSA-1-1", "upstream": ids}

    assert len(of_openssl(*records, notice)) == 2
    # It says more than the others.
    assert len(of_openssl(records[0], notice)) == 2


def test_what_was_withdrawn_is_left_out() -> None:
    assert of_openssl({"id": "GHSA-1", "withdrawn": "2024-01-01T00:00:00Z"}) == []


def test_the_most_severe_come_first() -> None:
    rated = {"low": "LOW", "critical": "CRITICAL", "high": "HIGH"}
    records = [
        {"id": f"GHSA-{name}", "database_specific": {"severity": word}}
        for name, word in rated.items()
    ]

    assert [words.partition(" ")[0] for words in of_openssl(*records)] == [
        *("critical", "high", "low"),
    ]


@pytest.mark.parametrize(
    ("severity", "fixed", "scan", "refuses"),
    [
        ("critical", "2", "critical", True),
        ("critical", "", "critical", False),
        ("high", "2", "critical", False),
        ("high", "2", "high", True),
        ("unknown", "2", "low", False),
        ("critical", "2", "none", False),
    ],
)
def test_an_image_is_refused_for_what_is_severe_enough_and_can_be_fixed(
    severity: str, fixed: str, scan: str, refuses: bool
) -> None:
    assert Finding(("CVE-2024-1",), severity, "p", "1", fixed, "").refuses(scan) is refuses
