"""Select from a lock, which covers every platform, the packages that one image needs. No AWS.

pip evaluates markers for the interpreter that runs it, even with ``pip download
--python-version`` (pip's documentation, "pip download"), so they are evaluated here instead.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.errors import PipelineError

HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Target:
    """The platform of an image: its Python, for example 3.11, and its processor as EC2 names it."""

    python: str
    architecture: str

    @property
    def machine(self) -> str:
        """The processor as Linux and wheels name it."""
        return "aarch64" if self.architecture == "arm64" else self.architecture

    def markers(self) -> dict[str, str]:
        """Return the environment that markers are evaluated in (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


@dataclass(frozen=True)
class Pin:
    """One package at one version, and the hashes that its files may have."""

    name: str
    version: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}=={self.version} " + " ".join(f"--hash={h}" for h in self.hashes)


def pins_for(lock: str, target: Target) -> tuple[Pin, ...]:
    """Return the pins of a lock file that apply to ``target``."""
    found = (_pin(line, target) for line in logical_lines(lock))
    return tuple(pin for pin in found if pin)


def logical_lines(lock: str) -> Iterator[str]:
    """Yield a lock's lines, each with those that continue it, without comments."""
    lines = (line.partition(" #")[0].strip() for line in lock.replace("\\\n", " ").splitlines())
    return (line for line in lines if line and not line.startswith("#"))


def _pin(line: str, target: Target) -> Pin | None:
    requirement = Requirement(line.partition(" --hash")[0].strip())
    if requirement.marker and not requirement.marker.evaluate(target.markers()):
        return None
    (specifier,) = requirement.specifier
    name = canonicalize_name(requirement.name)
    return Pin(name, specifier.version, tuple(HASH.findall(line)))


def ray_version(lock: str, target: Target) -> str:
    """Return the version of Ray in a lock file; raises PipelineError when it has none."""
    for pin in pins_for(lock, target):
        if pin.name == "ray":
            return pin.version
    raise PipelineError("ray.lock does not hold ray", hint="invoke lock")
