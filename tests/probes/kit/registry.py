"""Find the probes and ask them: each file of the folder above is one.

The first line of its docstring is what is taken for granted, and ``SOURCE`` the page that says so.
``probe`` takes a place and returns what AWS did; ``ASSUMED`` is what Raykiln counts on.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from common.errors import Refused
from tests.probes.kit.place import Place

FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True)
class Probe:
    """One question to AWS."""

    module: ModuleType

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.module.__name__.rpartition(".")[2]

    @property
    def title(self) -> str:
        """What is taken for granted, in one sentence."""
        return (self.module.__doc__ or "").strip().splitlines()[0]

    @property
    def source(self) -> str:
        """The page that says so."""
        return str(self.module.SOURCE)

    @property
    def assumed(self) -> str:
        """What AWS does, as far as Raykiln knows."""
        return str(self.module.ASSUMED)

    def ask(self, place: Place) -> str:
        """Return what AWS does; raises botocore's errors, and TimedOut."""
        return str(self.module.probe(place))


def probes() -> tuple[Probe, ...]:
    """Return all of them, ordered by name."""
    names = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    return tuple(Probe(import_module(f"tests.probes.{name}")) for name in names)


def chosen(names: list[str]) -> tuple[Probe, ...]:
    """Return the probes with these names, or all; raises Refused for a name that none has."""
    known = {probe.name: probe for probe in probes()}
    for name in names:
        if name not in known:
            raise Refused(f"there is no probe {name!r}", hint="invoke probe --list")
    return tuple(known[name] for name in names) if names else tuple(known.values())
