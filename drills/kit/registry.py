"""Every drill: a file in drills/ that says what breaks, and breaks it. No AWS.

A drill's docstring is a first line that says what breaks, then paragraphs that begin with
``In the field:``, ``Must hold:`` and ``Runbook:``. Its function ``run`` takes a scene; ``RECOVERY``
is what the cluster has to do about it, ``WITHIN`` the seconds in which it must have, ``LOCAL_ONLY``
says why it cannot be done on AWS.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType

from common.environment import Environment
from common.errors import Refused
from drills.kit.phases import Recovery
from drills.kit.scene import Scene

FOLDER = Path(__file__).resolve().parents[1]
PARTS = ("In the field", "Must hold", "Runbook")


@dataclass(frozen=True)
class Drill:
    """One outage."""

    module: ModuleType

    @property
    def name(self) -> str:
        """The file's name."""
        return self.module.__name__.rpartition(".")[2]

    @property
    def title(self) -> str:
        """What breaks, in a sentence."""
        return (self.module.__doc__ or "").strip().splitlines()[0]

    @cached_property
    def parts(self) -> dict[str, str]:
        """The paragraphs of the docstring, by how they begin."""
        text = " ".join((self.module.__doc__ or "").split())
        found = re.split(rf"\b({'|'.join(PARTS)}): ", text)
        return dict(zip(found[1::2], map(str.strip, found[2::2]), strict=True))

    @property
    def run(self) -> Callable[[Scene], None]:
        """Break it."""
        found: Callable[[Scene], None] = self.module.run
        return found

    @property
    def recovery(self) -> Recovery:
        """What the cluster has to do about it."""
        found: Recovery = self.module.RECOVERY
        return found

    @property
    def within(self) -> float:
        """Seconds in which all phases must have been reached."""
        return float(getattr(self.module, "WITHIN", 180.0))

    @property
    def local_only(self) -> str:
        """Why it cannot be done on AWS; empty when it can."""
        return str(getattr(self.module, "LOCAL_ONLY", ""))


def drills() -> tuple[Drill, ...]:
    """Return every drill, by name."""
    names = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    return tuple(Drill(import_module(f"drills.{name}")) for name in names)


def drill_named(name: str) -> Drill:
    """Return a drill; raises Refused when there is none of that name."""
    found = {drill.name: drill for drill in drills()}
    if name.replace("-", "_") not in found:
        raise Refused(f"there is no drill {name!r}", hint="invoke drill --list")
    return found[name.replace("-", "_")]


def drill_for(name: str, environment: Environment) -> Drill:
    """Return a drill; raises Refused when there is none, or when it cannot be done there."""
    drill = drill_named(name)
    if drill.local_only and environment.provider != "localcloud":
        raise Refused(
            f"{drill.name} can be done on the local cloud only: {drill.local_only}",
            hint=f"invoke drill {drill.name} --env local",
        )
    return drill
