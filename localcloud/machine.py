"""Real machines for the local cloud: the driver (localcloud/driver.py) by systemd-nspawn. No AWS.

Every call returns at once: slow work runs in threads, one step of a machine after the other.
"""

import logging
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from localcloud import disks, nspawn
from localcloud.cgroups import EVEN, Group, Limits
from localcloud.containers.container import command_in, shell_in
from localcloud.containers.task import host_of
from localcloud.driver import Answer, Copying, Host, Power, Probed, Work
from localcloud.functions import Functions
from localcloud.images import Images
from localcloud.network import Network, entered
from localcloud.patches.ssm.targets import container_in, task_in
from localcloud.paths import Paths, namespace_path
from localcloud.probes import Probes
from localcloud.processes import run_for
from localcloud.terminal import Terminal

BOOT_SECONDS = 60.0
STOP_SECONDS = 60.0
DESTROY_SECONDS = 5.0
KILL_SECONDS = 5.0
LOOK_EVERY = 0.02
DIAL_SECONDS = 10.0
# An EC2 instance boots on its own CPUs. Machines share the host's: one that boots, and then
# imports what it will need, gets what the others leave.
NEW_SECONDS = 30.0
NEW_WEIGHT = 6
CONSOLE_BYTES = 65_536  # as much as GetConsoleOutput returns

log = logging.getLogger("localcloud.machine")


class Machine:
    """One machine: its disk, its cable, its process and its state."""

    def __init__(self, host: Host, paths: Paths, network: Network, images: Images) -> None:
        self.host = host
        self.power = Power.BOOTING
        self._disk = paths.machines / host.instance_id
        self._group = Group(paths.name, host.instance_id)
        self._network = network
        self._images = images
        self._process: subprocess.Popen[bytes] | None = None
        self._stepping = threading.Lock()
        self._ended = threading.Event()
        self._ended.set()
        self.last_output = ""

    @property
    def leader(self) -> int | None:
        """The machine's PID 1 as the host sees it, or None while it does not run."""
        return nspawn.leader_of(self._process.pid) if self._process else None

    def begin(self, power: Power, step: Callable[[], None]) -> None:
        """Set the machine's state and take ``step`` in a thread, after the steps before it."""
        self.power = power
        threading.Thread(target=self._take, args=(step,), daemon=True).start()

    def _take(self, step: Callable[[], None]) -> None:
        with self._stepping:
            step()

    def create(self) -> None:
        """Make the disk from its image, then boot."""
        try:
            self._images.prepare(self.host.instance_id, self.host.ami_id)
        except OSError as error:
            self._fail(error)
            return
        self.boot()

    def boot(self) -> None:
        """Boot; the machine is up when its systemd runs."""
        try:
            self._process = self._spawned()
        except OSError as error:
            self._fail(error)
            return
        self._ended.clear()
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()
        self._await_leader()

    def _spawned(self) -> "subprocess.Popen[bytes]":
        instance_id, address = self.host.instance_id, self.host.private_ip
        root = self._images.mount(instance_id)
        namespace = self._network.attach(instance_id, [address], self.host.mac)
        binds = disks.attach(self._disk, self.host.disks, self.host.disk_gb)
        limits = Limits(
            cpus=min(self.host.vcpus, os.cpu_count() or 1),
            memory_bytes=self.host.memory_mib << 20,
            weight=NEW_WEIGHT,
        )
        return nspawn.spawn(
            nspawn.Container(
                name=instance_id,
                root=root,
                namespace=namespace,
                hostname=f"ip-{address.replace('.', '-')}",
                console=self._disk / "console.log",
                group=self._group,
                limits=limits,
                binds=binds,
            )
        )

    def _await_leader(self) -> None:
        for _ in range(int(BOOT_SECONDS / LOOK_EVERY)):
            if self.leader:
                self.power = Power.UP
                return
            if self._ended.wait(LOOK_EVERY):
                break
        self.power = Power.FAILED
        self._kill()

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until the machine stops, for any reason, and release what it used."""
        self._await_age(process)
        process.wait()
        was_up = self.power in (Power.UP, Power.STOPPING)
        try:
            self._release()
        except (OSError, TimeoutError):
            log.exception("%s left something behind", self.host.instance_id)
        self.power = Power.DOWN if was_up else Power.FAILED
        self._ended.set()

    def _await_age(self, process: "subprocess.Popen[bytes]") -> None:
        """Give the machine an even share of the CPUs once it is no longer new."""
        try:
            process.wait(NEW_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(OSError):  # it has just stopped
                self._group.weigh(EVEN)

    def _release(self) -> None:
        nspawn.clean_up(self.host.instance_id, self._group)
        nspawn.forget_lock(self._disk / "root")
        self._network.detach(self.host.instance_id)
        self._images.unmount(self.host.instance_id)
        disks.detach(self._disk)

    def stop(self) -> None:
        self._power_off(STOP_SECONDS)

    def pull_plug(self) -> None:
        self._kill()
        if not self._ended.wait(KILL_SECONDS):
            self._group.kill()
            self._ended.wait()

    def destroy(self) -> None:
        """Remove the machine; its power-off is orderly if that takes only seconds."""
        self._power_off(DESTROY_SECONDS)
        self.last_output = self.console()
        self._images.destroy(self.host.instance_id)
        self.power = Power.GONE

    def console(self) -> str:
        """Return the end of the console output, also after the disk is gone."""
        try:
            output = (self._disk / "console.log").read_bytes()
        except FileNotFoundError:
            return self.last_output
        return output[-CONSOLE_BYTES:].decode(errors="replace")

    def _power_off(self, seconds: float) -> None:
        if self._process and not self._ended.is_set():
            nspawn.power_off(self._process.pid)
            if not self._ended.wait(seconds):
                self.pull_plug()

    def _kill(self) -> None:
        if self._process and not self._ended.is_set():
            nspawn.kill(self._process.pid)

    def _fail(self, error: Exception) -> None:
        """Write to the console why the boot failed, and release what was set up."""
        self.power = Power.FAILED
        self._disk.mkdir(parents=True, exist_ok=True)
        (self._disk / "console.log").write_text(f"the machine could not be started: {error}\n")
        self._release()


class Machines:
    """The driver of real machines."""

    def __init__(self, paths: Paths, network: Network, images: Images) -> None:
        self._paths = paths
        self._network = network
        self._images = images
        self._machines: dict[str, Machine] = {}
        self._gone: dict[str, str] = {}
        self._copies: dict[str, Copying] = {}
        self._answers: dict[tuple[str, str], Answer | None] = {}
        self._probes = Probes(network)
        self._functions = Functions(paths)

    def launch(self, host: Host) -> None:
        machine = Machine(host, self._paths, self._network, self._images)
        self._machines[host.instance_id] = machine
        machine.begin(Power.BOOTING, machine.create)

    def start(self, instance_id: str) -> None:
        machine = self._machines[instance_id]
        machine.begin(Power.BOOTING, machine.boot)

    def stop(self, instance_id: str) -> None:
        machine = self._machines[instance_id]
        machine.begin(Power.STOPPING, machine.stop)

    def pull_plug(self, instance_id: str) -> None:
        machine = self._machines[instance_id]
        machine.begin(Power.STOPPING, machine.pull_plug)

    def destroy(self, instance_id: str) -> None:
        machine = self._machines.get(instance_id)
        if machine:
            machine.begin(Power.STOPPING, machine.destroy)

    def power(self, instance_id: str) -> Power:
        machine = self._machines.get(instance_id)
        if machine is None:
            return Power.GONE
        if machine.power is Power.GONE:
            self._gone[instance_id] = machine.last_output
            del self._machines[instance_id]
        return machine.power

    def copy(self, instance_id: str, ami_id: str) -> None:
        self._copy(self._images.capture, instance_id, ami_id)

    def copy_image(self, source: str, ami_id: str) -> None:
        self._copy(self._images.duplicate, source, ami_id)

    def _copy(self, make: Callable[[str, str], None], source: str, ami_id: str) -> None:
        self._copies[ami_id] = Copying.PENDING
        threading.Thread(target=self._make, args=(make, source, ami_id), daemon=True).start()

    def _make(self, make: Callable[[str, str], None], source: str, ami_id: str) -> None:
        try:
            make(source, ami_id)
            self._copies[ami_id] = Copying.AVAILABLE
        except OSError:
            self._copies[ami_id] = Copying.FAILED

    def copying(self, ami_id: str) -> Copying:
        return self._copies[ami_id]

    def forget_image(self, ami_id: str) -> None:
        self._copies.pop(ami_id, None)
        threading.Thread(target=self._images.forget, args=(ami_id,), daemon=True).start()

    def run(self, command_id: str, instance_id: str, script: str, seconds: float) -> None:
        key = (command_id, instance_id)
        self._answers[key] = None
        threading.Thread(target=self._run, args=(key, script, seconds), daemon=True).start()

    def _run(self, key: tuple[str, str], script: str, seconds: float) -> None:
        machine = self._machines.get(key[1])
        leader = machine.leader if machine else None
        if leader is None:
            self._answers[key] = Answer(255, "", "the machine is not running")
            return
        command = nspawn.command_inside(leader, ["sh", "-s"])
        self._answers[key] = run_for(command, script, seconds)

    def answer(self, command_id: str, instance_id: str) -> Answer | None:
        return self._answers[command_id, instance_id]

    def dial(self, target: str, host: str, port: int) -> socket.socket:
        task_id = task_in(target)
        asked = self._inside(target, task_id, ["getent", "ahostsv4", host])
        if asked is None:
            raise ConnectionError(f"{target} is not running")
        found = run_for(asked, "", DIAL_SECONDS).stdout.split()
        if not found:
            raise ConnectionError(f"{host} does not resolve on {target}")
        space = self._network.space_of(host_of(task_id) if task_id else target)
        with entered(namespace_path(space)):
            return socket.create_connection((found[0], port), DIAL_SECONDS)

    def shell(self, target: str, command: Sequence[str]) -> Terminal:
        return Terminal(shell_in(self._paths, container_in(target), command))

    def _inside(self, target: str, task_id: str, command: list[str]) -> list[str] | None:
        """Return a command that runs ``command`` in a task or on a machine, if it runs."""
        if task_id:
            return command_in(self._paths, task_id, command)
        machine = self._machines.get(target)
        leader = machine.leader if machine else None
        return nspawn.command_inside(leader, command) if leader else None

    def probe(
        self, from_ip: str, ip: str, port: int, http_path: str | None, seconds: float
    ) -> Probed | None:
        return self._probes.probe(from_ip, ip, port, http_path, seconds)

    def invoke(self, request_id: str, work: Work) -> None:
        self._functions.invoke(request_id, work)

    def invoked(self, request_id: str) -> Answer | None:
        return self._functions.invoked(request_id)

    def leader(self, instance_id: str) -> int | None:
        """Return a machine's PID 1 as the host sees it."""
        machine = self._machines.get(instance_id)
        return machine.leader if machine else None

    def console(self, instance_id: str) -> str:
        machine = self._machines.get(instance_id)
        return machine.console() if machine else self._gone.get(instance_id, "")
