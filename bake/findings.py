"""The known vulnerabilities of an image: its inventory's packages as OSV has them. No AWS.

Distributions correct old versions in place, so their packages are asked for as the distribution's
own security tracker has them: Debian's and Ubuntu's records in OSV, by source package
(https://ossf.github.io/osv-schema/#defined-ecosystems). The base's own Python distributions are
such packages too. Those of virtual environments are asked for as PyPI's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError
from packaging.version import InvalidVersion, Version

from bake.inventory import Inventory
from bake.osv import Osv, Package, Record
from common.errors import Refused

# The least first; "unknown" where no source rates it.
SEVERITIES = ("unknown", "low", "medium", "high", "critical")
# Words of Ubuntu's priority (documentation.ubuntu.com/security/security-updates/osv), of GitHub's
# advisories, and of Debian's urgency that mean something else than their CVSS rating.
WORDS = {"negligible": "low", "moderate": "medium", "unimportant": "low", "none": "low"}
VECTORS = {"CVSS_V4": CVSS4, "CVSS_V3": CVSS3, "CVSS_V2": CVSS2}  # the newest first
BASE_PYTHON = "/usr"
CVE = re.compile(r"CVE-\d{4}-\d+")


@dataclass(frozen=True)
class Finding:
    """A vulnerability of a package; ``place``: the Python environment, or empty.

    ``ids``: the CVE first if there is one, then its other names. ``fixed``: the first version
    without it; empty where there is none yet.
    """

    ids: tuple[str, ...]
    severity: str
    package: str
    version: str
    fixed: str
    place: str

    @property
    def words(self) -> str:
        """Return it as a line."""
        where = f" in {self.place}" if self.place else ""
        fixed = f"fixed in {self.fixed}" if self.fixed else "not fixed yet"
        return f"{self.severity} {self.ids[0]}: {self.package} {self.version}{where}, {fixed}"

    def refuses(self, scan: str) -> bool:
        """Say whether it is at least as severe as ``[images] scan``, and a new bake can fix it."""
        if scan not in SEVERITIES or not self.fixed:
            return False
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(scan)


def findings(osv: Osv, inventory: Inventory) -> tuple[Finding, ...]:
    """Return what is known of an image's packages, the most severe first.

    Raises Refused for a distribution that OSV is not asked about.
    """
    places = packages_of(inventory)
    affecting = osv.affecting(places)
    records = osv.records(name for ids in affecting.values() for name in ids)
    found = [
        finding
        for package, ids in affecting.items()
        for finding in _of_package(package, places[package], [records[name] for name in ids])
    ]
    return tuple(
        sorted(found, key=lambda one: (-SEVERITIES.index(one.severity), one.package, one.ids))
    )


def packages_of(inventory: Inventory) -> dict[Package, str]:
    """Return the packages to ask for, each with its Python environment; empty: a distribution's."""
    ecosystem = _ecosystem(inventory.system)
    found = {
        Package(ecosystem, one.source or name, one.source_version or one.version): ""
        for name, one in inventory.debian.items()
    }
    for place, distributions in inventory.python.items():
        if place != BASE_PYTHON:
            for name, version in distributions.items():
                bare = re.sub(r"[-_.]+", "-", name).lower()
                package = Package("PyPI", bare, version)
                found[package] = ", ".join(filter(None, (found.get(package), place)))
    return found


def _ecosystem(system: Mapping[str, str]) -> str:
    name, version = system["id"], system["version_id"]
    if name == "debian":
        return f"Debian:{version}"
    if name == "ubuntu":
        return f"Ubuntu:{version}{':LTS' if ' LTS' in system['pretty_name'] else ''}"
    raise Refused(
        f"vulnerabilities of {system['pretty_name']} are not looked up: only Debian's and Ubuntu's",
        hint="give its bill of materials to a scanner that knows it (invoke images.show AMI)",
    )


def _of_package(package: Package, place: str, records: list[Record]) -> Iterator[Finding]:
    """Yield one finding for each vulnerability; several records may be of the same."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        if not record.get("withdrawn"):
            grouped.setdefault(_cve(record) or record["id"], []).append(record)
    for name, same in grouped.items():
        if _is_summary(same[0], grouped):
            continue
        names = dict.fromkeys((name, *(one["id"] for one in same)))
        severities = [_severity(one, package) for one in same]
        yield Finding(
            tuple(names),
            max(severities, key=SEVERITIES.index),
            package.name,
            package.version,
            next((fixed for one in same if (fixed := _fixed(one, package))), ""),
            place,
        )


def _names(record: Record) -> set[str]:
    """Return the CVEs that a record is of; distributions prefix them, as in DEBIAN-CVE-2024-1."""
    names = (record["id"], *record.get("aliases", []), *record.get("upstream", []))
    return {match[0] for name in names if (match := CVE.search(name))}


def _cve(record: Record) -> str:
    names = _names(record)
    return names.pop() if len(names) == 1 else ""


def _is_summary(record: Record, known: Mapping[str, Any]) -> bool:
    """Say whether a notice, as a DSA or USN, only sums up what other records say in detail."""
    names = _names(record)
    return len(names) > 1 and names <= known.keys()


def _severity(record: Record, package: Package) -> str:
    """Return the distribution's own rating, else GitHub's, else that of the CVSS vector."""
    rated = {one["type"]: str(one["score"]) for one in record.get("severity", [])}
    affected = list(_affected(record, package))
    urgencies = (one.get("ecosystem_specific", {}).get("urgency") for one in affected)
    words = (
        rated.get("Ubuntu"),
        next((one for one in urgencies if one == "unimportant"), None),
        record.get("database_specific", {}).get("severity"),
    )
    for word in filter(None, words):
        severity = WORDS.get(str(word).lower(), str(word).lower())
        if severity in SEVERITIES:
            return severity
    vectors = (_of_vector(kind, rated[kind]) for kind in VECTORS if kind in rated)
    return next(filter(None, vectors), SEVERITIES[0])


def _of_vector(kind: str, vector: str) -> str:
    """Return the rating of a CVSS vector's base score; empty for a vector that is none."""
    try:
        word = str(VECTORS[kind](vector).severities()[0]).lower()
    except CVSSError:
        return ""
    return WORDS.get(word, word)


def _affected(record: Record, package: Package) -> Iterator[Record]:
    for one in record.get("affected", []):
        named = one.get("package", {})
        if (named.get("ecosystem"), named.get("name")) == (package.ecosystem, package.name):
            yield one


def _fixed(record: Record, package: Package) -> str:
    """Return the first version without the vulnerability that is later than the package's."""
    versions = [
        str(event["fixed"])
        for one in _affected(record, package)
        for span in one.get("ranges", [])
        if span.get("type") != "GIT"
        for event in span.get("events", [])
        if "fixed" in event
    ]
    return _first_later(versions, package) if package.ecosystem == "PyPI" else "".join(versions[:1])


def _first_later(versions: Iterable[str], package: Package) -> str:
    try:
        later = [one for one in map(Version, versions) if one > Version(package.version)]
    except InvalidVersion:
        return ""
    return str(min(later)) if later else ""
