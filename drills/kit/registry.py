"""Find the drills: each file in drills/ describes a fault and injects it. No AWS.

The first line of a drill's docstring says what breaks; paragraphs that begin with
``In the field:``, ``Must hold:`` and ``Runbook:`` follow. Its function ``run`` takes the cluster
under test; ``RECOVERY`` is what the cluster must recover, ``WITHIN`` in how many seconds, and
``LOCAL_ONLY`` says why the drill cannot run on AWS.
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
from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

FOLDER = Path(__file__).resolve().parents[1]
PARTS = ("In the field", "Must hold", "Runbook")


@dataclass(frozen=True)
class Drill:
    """One drill."""

    module: ModuleType

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.module.__name__.rpartition(".")[2]

    @property
    def title(self) -> str:
        """What breaks, in one sentence."""
        return (self.module.__doc__ or "").strip().splitlines()[0]

    @cached_property
    def parts(self) -> dict[str, str]:
        """The paragraphs of the docstring by their first words, which are in PARTS."""
        text = " ".join((self.module.__doc__ or "").split())
        found = re.split(rf"\b({'|'.join(PARTS)}): ", text)
        return dict(zip(found[1::2], map(str.strip, found[2::2]), strict=True))

    @property
    def run(self) -> Callable[[ClusterUnderTest], None]:
        """The function that injects the fault."""
        found: Callable[[ClusterUnderTest], None] = self.module.run
        return found

    @property
    def recovery(self) -> Recovery:
        """What the cluster must recover."""
        found: Recovery = self.module.RECOVERY
        return found

    @property
    def within(self) -> float:
        """The seconds within which all phases must be reached."""
        return float(getattr(self.module, "WITHIN", 180.0))

    @property
    def local_only(self) -> str:
        """Why it cannot run on AWS; empty when it can."""
        return str(getattr(self.module, "LOCAL_ONLY", ""))


def drills() -> tuple[Drill, ...]:
    """Return every drill, ordered by name."""
    names = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    return tuple(Drill(import_module(f"drills.{name}")) for name in names)


def drill_named(name: str) -> Drill:
    """Return the drill with a name; raises Refused when it is unknown. Dashes in it are allowed."""
    found = {drill.name: drill for drill in drills()}
    if name.replace("-", "_") not in found:
        raise Refused(f"there is no drill {name!r}", hint="invoke drill --list")
    return found[name.replace("-", "_")]


def drill_for(name: str, environment: Environment) -> Drill:
    """Return the drill with a name; raises Refused when it is unknown or cannot run there."""
    drill = drill_named(name)
    if drill.local_only and environment.provider != "localcloud":
        raise Refused(
            f"{drill.name} runs on the local cloud only: {drill.local_only}",
            hint=f"invoke drill {drill.name} --env local",
        )
    return drill
