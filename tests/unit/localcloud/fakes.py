"""A clock that tests move, and machines that are entries in a dictionary."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from localcloud.driver import Answer, Copying, Host, Power, Probed, Work
from localcloud.terminal import Terminal


class FakeClock:
    """Time stands still until a test advances it; each tick calls the listeners."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start
        self.listeners: list[Callable[[], None]] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float, every: float = 1.0) -> None:
        """Let time pass in ticks of ``every`` seconds; ``advance(0)`` is one tick without time."""
        end = self.time + seconds
        while True:
            self.time = min(self.time + every, end)
            for listener in self.listeners:
                listener()
            if self.time >= end:
                return


@dataclass
class FakeMachine:
    """One machine: its state, and what it serves.

    ``ports`` maps an open port to the paths that answer 200 to GET there (others answer 503).
    """

    host: Host
    power: Power = Power.BOOTING
    due: float = 0.0
    ports: dict[int, set[str]] = field(default_factory=dict)
    cut_off: bool = False
    boots: int = 0


class FakeDriver:
    """Machines that boot within ``boot_seconds``, unless a test says otherwise.

    Follows ``localcloud.driver.Driver``. A machine fails to boot while ``boots_fail`` is set.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.boot_seconds = 5.0
        self.stop_seconds = 2.0
        self.copy_seconds = 2.0
        self.run_seconds = 1.0
        self.boots_fail = False
        self.copies_fail = False
        self.machines: dict[str, FakeMachine] = {}
        self.images: dict[str, float] = {}
        self.consoles: dict[str, str] = {}
        self.scripts: list[tuple[str, str]] = []
        self.on_run: Callable[[str, str], Answer] = lambda instance_id, script: Answer(0, "", "")
        self.works: list[Work] = []
        self.on_invoke: Callable[[Work], Answer] = lambda work: Answer(0, "", "")
        self.work_seconds = 0.0
        self._works: dict[str, tuple[float, Work]] = {}
        self._answers: dict[tuple[str, str], tuple[float, Answer]] = {}
        self.probed: list[tuple[str, str, int, str | None]] = []
        self._probes: dict[tuple[str, str, int, str | None], float] = {}

    def launch(self, host: Host) -> None:
        self.machines[host.instance_id] = FakeMachine(host)
        self._boot(self.machines[host.instance_id])

    def start(self, instance_id: str) -> None:
        self._boot(self.machines[instance_id])

    def stop(self, instance_id: str) -> None:
        self._begin(instance_id, Power.STOPPING, self.stop_seconds)

    def pull_plug(self, instance_id: str) -> None:
        self._begin(instance_id, Power.DOWN, 0)

    def destroy(self, instance_id: str) -> None:
        machine = self.machines.get(instance_id)
        if machine and machine.power in (Power.UP, Power.BOOTING):
            self._begin(instance_id, Power.STOPPING, self.stop_seconds)
            machine.boots = -1
        else:
            self.machines.pop(instance_id, None)

    def power(self, instance_id: str) -> Power:
        machine = self.machines.get(instance_id)
        if machine is None:
            return Power.GONE
        if machine.due <= self.clock.now():
            self._settle(machine)
        return machine.power if instance_id in self.machines else Power.GONE

    def copy(self, instance_id: str, ami_id: str) -> None:
        self.images[ami_id] = self.clock.now() + self.copy_seconds

    def copy_image(self, source: str, ami_id: str) -> None:
        self.images[ami_id] = self.clock.now() + self.copy_seconds

    def copying(self, ami_id: str) -> Copying:
        if self.clock.now() < self.images[ami_id]:
            return Copying.PENDING
        return Copying.FAILED if self.copies_fail else Copying.AVAILABLE

    def forget_image(self, ami_id: str) -> None:
        self.images.pop(ami_id, None)

    def run(self, command_id: str, instance_id: str, script: str, seconds: float) -> None:
        self.scripts.append((instance_id, script))
        answer = self.on_run(instance_id, script)
        due = self.clock.now() + self.run_seconds
        self._answers[command_id, instance_id] = (due, answer)

    def answer(self, command_id: str, instance_id: str) -> Answer | None:
        due, answer = self._answers[command_id, instance_id]
        return answer if due <= self.clock.now() else None

    def console(self, instance_id: str) -> str:
        return self.consoles.get(instance_id, "")

    def probe(
        self, from_ip: str, ip: str, port: int, http_path: str | None, seconds: float
    ) -> Probed | None:
        """A probe takes one tick; without any answer it takes all its ``seconds``."""
        key = (from_ip, ip, port, http_path)
        met = self._met(ip, port, http_path)
        if key not in self._probes:
            self.probed.append(key)
            self._probes[key] = self.clock.now() + (seconds if met is None else 0)
            return None
        if self.clock.now() < self._probes[key]:
            return None
        del self._probes[key]
        return met or Probed(connected=False)

    def dial(self, instance_id: str, host: str, port: int) -> socket.socket:
        """Connect to a port of the test's own machine, whatever the host."""
        if self.power(instance_id) is not Power.UP:
            raise ConnectionError(f"{instance_id} is not running")
        return socket.create_connection(("127.0.0.1", port), 5.0)

    def shell(self, target: str, command: Sequence[str]) -> Terminal:
        """Run the command on the test's own machine."""
        return Terminal(command)

    def invoke(self, request_id: str, work: Work) -> None:
        self.works.append(work)
        self._works[request_id] = (self.clock.now() + self.work_seconds, work)

    def invoked(self, request_id: str) -> Answer | None:
        due, work = self._works[request_id]
        return self.on_invoke(work) if due <= self.clock.now() else None

    # What tests do to machines.

    def serve(self, instance_id: str, port: int, *paths: str) -> None:
        """Open a port that answers 200 to these paths (and accepts connections)."""
        self.machines[instance_id].ports[port] = set(paths)

    def silence(self, instance_id: str) -> None:
        """Close every port of a machine that keeps running."""
        self.machines[instance_id].ports.clear()

    def crash(self, instance_id: str) -> None:
        """The machine powers itself off, as after a kernel panic."""
        self._begin(instance_id, Power.DOWN, 0)

    def _met(self, ip: str, port: int, http_path: str | None) -> Probed | None:
        """None when no machine has the address, or the one that has it is cut off."""
        for instance_id, machine in list(self.machines.items()):
            if machine.host.private_ip == ip and self.power(instance_id) is Power.UP:
                if machine.cut_off:
                    return None
                paths = machine.ports.get(port)
                if paths is None:
                    return Probed(connected=False)
                status = 200 if http_path in paths else 503
                return Probed(connected=True, status=None if http_path is None else status)
        return None

    def _boot(self, machine: FakeMachine) -> None:
        machine.boots += 1
        self._begin(machine.host.instance_id, Power.BOOTING, self.boot_seconds)

    def _begin(self, instance_id: str, power: Power, seconds: float) -> None:
        machine = self.machines[instance_id]
        machine.power, machine.due = power, self.clock.now() + seconds

    def _settle(self, machine: FakeMachine) -> None:
        if machine.power is Power.BOOTING:
            machine.power = Power.FAILED if self.boots_fail else Power.UP
        elif machine.power is Power.STOPPING and machine.boots < 0:
            del self.machines[machine.host.instance_id]
        elif machine.power is Power.STOPPING:
            machine.power = Power.DOWN
