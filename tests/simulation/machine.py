"""One simulated machine: power, clock, a folder for its files, cables that can be cut."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from localcloud.driver import Host, Power
from tests.simulation.settings import Settings
from tests.simulation.timeline import Event, Timeline

AWS = "aws"  # a machine's route to all APIs of AWS
NODES = "nodes"  # its route to all other machines and the load balancer
KEPT_LINES = 200


class Unit(Protocol):
    """A service on a machine."""

    def stop(self) -> None:
        """Stop in order, as at a shutdown."""

    def kill(self) -> None:
        """End at once: there is no power."""


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
        self.passes_on = ""  # the leader's address that this machine relays to
        self.units: list[Unit] = []
        self.log_lines: list[str] = []
        self._life = 0
        self._spent = 0.0

    @property
    def is_up(self) -> bool:
        """True while it runs, and so answers on its network."""
        return self.power in (Power.UP, Power.STOPPING)

    def clock(self) -> float:
        """Return the node's own seconds, which blocking calls advance."""
        return self.timeline.now() + self._spent

    def after(self, seconds: float, call: Callable[[], object]) -> Event:
        """Plan a call that happens only if the machine has power until then."""
        life = self._life
        return self.timeline.after(seconds, lambda: call() if life == self._life else None)

    def wait(self, seconds: float) -> None:
        """Have the node's current call block for so many seconds: see ``spending``."""
        self._spent += seconds

    @contextmanager
    def spending(self) -> Iterator[Callable[[], float]]:
        """Yield how long the calls made inside have blocked; outside no time has passed."""
        before, self._spent = self._spent, 0.0
        spent = [0.0]
        try:
            yield lambda: spent[0]
        finally:
            spent[0], self._spent = self._spent, before

    def log(self, event: str, *, level: int = 6, **fields: object) -> None:
        """Log an event, as node code does."""
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        self.log_lines.append(f"{self.timeline.now():.2f} <{level}> {event} {told}".rstrip())
        del self.log_lines[:-KEPT_LINES]

    def cut_off(self, *what: str) -> None:
        """Lose the route to ``what``: a service's name, AWS, another machine's address, NODES; by
        default to AWS and NODES.
        """
        self.cuts |= set(what or (AWS, NODES))

    def reconnect(self) -> None:
        """Restore every cable."""
        self.cuts.clear()

    def lose_power(self, power: Power) -> None:
        """End everything that runs here, without any notice."""
        self._life += 1
        units, self.units = self.units, []
        for unit in units:
            unit.kill()
        self.power = power

    def shut_down(self) -> None:
        """Ask every unit to end."""
        for unit in self.units:
            unit.stop()
