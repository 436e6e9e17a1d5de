"""Tests of an image, on a fresh instance that was booted from it without user data.

Run by bake, as ``pytest tests/image --hosts=ssh://… --image-role=head …``; without a host
nothing is collected.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra


@dataclass(frozen=True)
class Expected:
    """What bake says of the image under test.

    ``source`` has the files that it was built from, ``additions`` those that a person adds, and
    ``facts`` what the build instance had at three moments: at first, and before and after these.
    """

    role: str
    digest: str
    ray: str
    python: str
    user: str
    ssm_agent: bool
    source: Path
    additions: Path
    facts: Path

    @property
    def provisioners(self) -> Path:
        return self.source / "ami-provisioners"

    @property
    def units(self) -> set[str]:
        """The units that the image's role enables."""
        return entries(self.provisioners / "roles" / f"{self.role}.units")

    @property
    def added_units(self) -> set[str]:
        """The units that a person adds as files."""
        return {path.name for path in (self.additions / "units").iterdir()}

    @property
    def masked(self) -> set[str]:
        """The units that no image may start."""
        return entries(self.provisioners / "roles" / "masked.units")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options with which bake says what the image should be."""
    group = parser.getgroup("image")
    for name in ("role", "digest", "ray", "python", "user"):
        group.addoption(f"--image-{name}", default="")
    group.addoption("--image-ssm-agent", action="store_true")
    for name in ("source", "additions", "facts"):
        group.addoption(f"--image-{name}", type=Path)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect nothing without an image under test: these do not test the checkout."""
    return None if config.getoption("--image-role", "") else True


@pytest.fixture(scope="session")
def expected(pytestconfig: pytest.Config) -> Expected:
    option = pytestconfig.getoption
    names = ("role", "digest", "ray", "python", "user")
    texts = {name: str(option(f"--image-{name}")) for name in names}
    return Expected(
        **texts,
        ssm_agent=bool(option("--image-ssm-agent")),
        source=option("--image-source"),
        additions=option("--image-additions"),
        facts=option("--image-facts"),
    )


@pytest.fixture(scope="session")
def machine(pytestconfig: pytest.Config) -> Any:
    """The instance, once it has finished booting; testinfra's own fixture is a module's."""
    host = testinfra.get_host(
        pytestconfig.getoption("--hosts"),
        ssh_config=pytestconfig.getoption("--ssh-config"),
        sudo=True,
    )
    host.run("systemctl is-system-running --wait")
    return host


@pytest.fixture(scope="session")
def plain(expected: Expected) -> dict[str, Any]:
    """Facts of the base image, read on the build instance before our provisioners ran."""
    return facts_at(expected, "base")


@pytest.fixture(scope="session")
def base(plain: dict[str, Any], expected: Expected) -> dict[str, Any]:
    """Facts of the base image, with what a person's additions made of them."""
    return with_additions(plain, facts_at(expected, "before"), facts_at(expected, "after"))


@pytest.fixture(scope="session")
def facts(machine: Any, expected: Expected) -> dict[str, Any]:
    """The same facts of the instance, now."""
    script = (expected.provisioners / "facts.py").read_text()
    found: dict[str, Any] = json.loads(machine.check_output("python3 -I -c %s", script))
    return found


def facts_at(expected: Expected, moment: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((expected.facts / f"{moment}.json").read_text())
    return found


def with_additions(
    base: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    """Return facts of a base image with what changed from ``before`` to ``after``.

    But a unit may never fail, and no image may hold a private key, whoever added it.
    """
    strict = ("failed_units", "private_keys", "machine_id", "host_keys")
    return {
        fact: value if fact in strict else changed(value, before[fact], after[fact])
        for fact, value in base.items()
    }


def changed(value: Any, before: Any, after: Any) -> Any:
    """Return a list or dictionary with what was added, changed and removed in between."""
    if isinstance(value, list):
        return sorted(set(value) - (set(before) - set(after)) | (set(after) - set(before)))
    kept = {key: each for key, each in value.items() if key in after or key not in before}
    new = {key: each for key, each in after.items() if key not in before or before[key] != each}
    return {**kept, **new}


def entries(path: Path) -> set[str]:
    """Return the lines of a list without comments and blank lines."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}
