"""The driver of simulated machines (``localcloud.driver.Driver``): everything takes time on
the simulation's clock, and fails on request.
"""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from localcloud.driver import Answer, Copying, Host, Power, Probed, Work
from localcloud.terminal import Terminal
from tests.simulation.machine import Machine
from tests.simulation.network import Network, NobodyListens, Silence
from tests.simulation.settings import Settings
from tests.simulation.timeline import Timeline

CONSOLE_LINES = 20

Probe = tuple[str, str, int, str | None]
# What a machine answers to a connection: an HTTP status, or None when nothing listens there.
Listen = Callable[[Machine, int, str | None], Probed]
Run = Callable[[Machine, str], Answer]


class SimulatedDriver:
    """``booted`` starts a machine's units; ``listen`` and ``command`` answer for them."""

    def __init__(
        self,
        timeline: Timeline,
        settings: Settings,
        folder: Path,
        network: Network,
        *,
        booted: Callable[[Machine], None],
        listen: Listen,
        command: Run,
    ) -> None:
        self._timeline, self.settings, self._folder = timeline, settings, folder
        self._booted, self._listen, self._command = booted, listen, command
        self._network = network
        self.machines: dict[str, Machine] = {}
        self.boots_fail = False
        self._logs: dict[str, list[str]] = {}
        self._images: dict[str, Copying] = {}
        self._answers: dict[tuple[str, str], Answer | None] = {}
        self._probes: dict[Probe, Probed | None] = {}

    def launch(self, host: Host) -> None:
        machine = Machine(host, self._timeline, self.settings, self._folder)
        self.machines[host.instance_id] = machine
        self._logs[host.instance_id] = machine.log_lines
        self._network.connect(machine)
        self._boot(machine)

    def start(self, instance_id: str) -> None:
        self._boot(self.machines[instance_id])

    def stop(self, instance_id: str) -> None:
        self._power_off(self.machines[instance_id], Power.DOWN)

    def pull_plug(self, instance_id: str) -> None:
        self.machines[instance_id].lose_power(Power.DOWN)

    def destroy(self, instance_id: str) -> None:
        machine = self.machines.get(instance_id)
        if machine:
            self._power_off(machine, Power.GONE)

    def power(self, instance_id: str) -> Power:
        machine = self.machines.get(instance_id)
        return machine.power if machine else Power.GONE

    def copy(self, instance_id: str, ami_id: str) -> None:
        self._images[ami_id] = Copying.PENDING
        self._timeline.after(
            self.settings.power_off,
            lambda: self._images.update({ami_id: Copying.AVAILABLE}),
        )

    def copy_image(self, source: str, ami_id: str) -> None:
        self.copy(source, ami_id)

    def copying(self, ami_id: str) -> Copying:
        return self._images[ami_id]

    def forget_image(self, ami_id: str) -> None:
        self._images.pop(ami_id, None)

    def run(self, command_id: str, instance_id: str, script: str, seconds: float) -> None:
        key, machine = (command_id, instance_id), self.machines[instance_id]
        self._answers[key] = None
        machine.after(
            self.settings.command,
            lambda: self._answers.update({key: self._command(machine, script)}),
        )

    def answer(self, command_id: str, instance_id: str) -> Answer | None:
        return self._answers[command_id, instance_id]

    def dial(self, instance_id: str, host: str, port: int) -> socket.socket:
        raise NotImplementedError("simulated machines have no sockets")

    def shell(self, target: str, command: Sequence[str]) -> Terminal:
        raise NotImplementedError("simulated machines have no containers")

    def console(self, instance_id: str) -> str:
        return "\n".join(self._logs.get(instance_id, [])[-CONSOLE_LINES:])

    def probe(
        self, from_ip: str, ip: str, port: int, http_path: str | None, seconds: float
    ) -> Probed | None:
        key = (from_ip, ip, port, http_path)
        if key not in self._probes:
            self._probes[key] = None
            met = self._met(ip, port, http_path)
            wait = seconds if met is None else 0.0
            answer = met or Probed(connected=False)
            self._timeline.after(wait, lambda: self._probes.update({key: answer}))
            return None
        found = self._probes[key]
        if found is not None:
            del self._probes[key]
        return found

    def invoke(self, request_id: str, work: Work) -> None:
        raise NotImplementedError("the simulated cloud runs no Lambda functions")

    def invoked(self, request_id: str) -> Answer | None:
        raise NotImplementedError("the simulated cloud runs no Lambda functions")

    def _met(self, ip: str, port: int, http_path: str | None) -> Probed | None:
        """None when nothing comes back."""
        try:
            machine = self._network.reach(None, ip, port)
            return self._listen(machine, port, http_path)
        except NobodyListens:
            return Probed(connected=False)
        except Silence:
            return None

    def _boot(self, machine: Machine) -> None:
        machine.power = Power.BOOTING
        machine.after(self.settings.boot, lambda: self._up(machine))

    def _up(self, machine: Machine) -> None:
        if self.boots_fail:
            machine.lose_power(Power.FAILED)
            return
        machine.power = Power.UP
        machine.after(self.settings.cloud_init, lambda: self._booted(machine))

    def _power_off(self, machine: Machine, then: Power) -> None:
        """Stop in order while it is up; a machine in any other state just loses its power."""
        if machine.power is Power.UP:
            machine.power = Power.STOPPING
            machine.shut_down()
            machine.after(self.settings.power_off, lambda: self._off(machine, then))
        elif machine.power is Power.STOPPING and then is Power.GONE:
            machine.after(self.settings.power_off, lambda: self._off(machine, then))
        elif machine.power is not Power.STOPPING:
            self._off(machine, then)

    def _off(self, machine: Machine, then: Power) -> None:
        machine.lose_power(then)
        if then is Power.GONE:
            self._network.disconnect(machine)
            self.machines.pop(machine.host.instance_id, None)
