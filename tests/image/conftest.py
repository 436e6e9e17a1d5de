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

    ``source`` has the files that it was built from, ``base`` the facts of its base image.
    """

    role: str
    digest: str
    ray: str
    python: str
    user: str
    ssm_agent: bool
    source: Path
    base: Path

    @property
    def provisioners(self) -> Path:
        return self.source / "ami-provisioners"

    @property
    def units(self) -> set[str]:
        """The units that the image's role enables."""
        return entries(self.provisioners / "roles" / f"{self.role}.units")

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
    group.addoption("--image-source", type=Path)
    group.addoption("--image-base", type=Path)


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
        base=option("--image-base"),
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
def base(expected: Expected) -> dict[str, Any]:
    """Facts of the base image, read on the build instance before our provisioners ran."""
    found: dict[str, Any] = json.loads(expected.base.read_text())
    return found


@pytest.fixture(scope="session")
def facts(machine: Any, expected: Expected) -> dict[str, Any]:
    """The same facts of the instance, now."""
    script = (expected.provisioners / "facts.py").read_text()
    found: dict[str, Any] = json.loads(machine.check_output("python3 -I -c %s", script))
    return found


def entries(path: Path) -> set[str]:
    """Return the lines of a list without comments and blank lines."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}
