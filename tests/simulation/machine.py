"""One simulated machine: power, clock, a folder for its files, cables that can be cut."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from localcloud.driver import Host, Power
from tests.simulation.settings import Settings
from tests.simulation.timeline import Event, Timeline

AWS = "aws"  # a machine's way to every API of AWS
NODES = "nodes"  # its way to every other machine, and to the load balancer
KEPT_LINES = 200


class Unit(Protocol):
    """A service on a machine."""

    def stop(self) -> None:
        """End in order, as at a shutdown."""

    def kill(self) -> None:
        """End at once: the power is gone."""


class Machine:
    """What was planned with ``after`` ends with the machine's power."""

    def __init__(self, host: Host, timeline: Timeline, settings: Settings, folder: Path) -> None:
        self.host, self.timeline, self.settings = host, timeline, settings
        self.folder = folder / host.instance_id
        self.address = host.private_ip
        self.ray_version = ""  # of its image
        self.power = Power.BOOTING
        self.cuts: set[str] = set()
        self.loses_answers = False
        self.passes_on = ""  # where connections to Ray's ports go from here
        self.units: list[Unit] = []
        self.log_lines: list[str] = []
        self._life = 0
        self._spent = 0.0

    @property
    def is_up(self) -> bool:
        """It runs, so that it answers on its network."""
        return self.power in (Power.UP, Power.STOPPING)

    def clock(self) -> float:
        """Return the node's own seconds, which waiting in a call moves on."""
        return self.timeline.now() + self._spent

    def after(self, seconds: float, call: Callable[[], object]) -> Event:
        """Plan a call that happens only if the machine has run on until then."""
        life = self._life
        return self.timeline.after(seconds, lambda: call() if life == self._life else None)

    def wait(self, seconds: float) -> None:
        """A call of the node's blocks so long: see ``spending``."""
        self._spent += seconds

    @contextmanager
    def spending(self) -> Iterator[Callable[[], float]]:
        """Tell how long the calls made inside have blocked; outside no time has passed."""
        before, self._spent = self._spent, 0.0
        spent = [0.0]
        try:
            yield lambda: spent[0]
        finally:
            spent[0], self._spent = self._spent, before

    def log(self, event: str, *, level: int = 6, **fields: object) -> None:
        """Log a line, as node code does through its journal."""
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        self.log_lines.append(f"{self.timeline.now():.2f} <{level}> {event} {told}".rstrip())
        del self.log_lines[:-KEPT_LINES]

    def cut_off(self, *what: str) -> None:
        """Lose the way to ``what``: a service's name, AWS, another machine's address, NODES; by
        default to AWS and NODES.
        """
        self.cuts |= set(what or (AWS, NODES))

    def reconnect(self) -> None:
        """Mend every cable."""
        self.cuts.clear()

    def lose_power(self, power: Power) -> None:
        """End everything that runs here, without a word to anyone."""
        self._life += 1
        units, self.units = self.units, []
        for unit in units:
            unit.kill()
        self.power = power

    def shut_down(self) -> None:
        """Ask every unit to end."""
        for unit in self.units:
            unit.stop()
