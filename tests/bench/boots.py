"""Boots of a head or a worker from volumes (volumes.py), measured. Only in the local cloud."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from common.waiting import Seen, SystemClock, wait_for
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.ray_access import cluster_token
from deploy.cluster.ray_api import RayApi, TokenRefused, Unreachable
from localcloud import control, nspawn
from localcloud.cgroups import Group
from localcloud.images import mounts_below
from localcloud.network import entered
from localcloud.paths import paths
from localcloud.processes import run
from node.contract import BOOTSTRAP_LOGS, HEAD, WORKER
from tests.bench.hand_over import Bench
from tests.bench.volumes import (
    Reading,
    Readings,
    Volume,
    attach,
    detach,
    limit,
    outside,
    unlimit,
    write_volume,
)

T = TypeVar("T")
SECONDS = 300.0
EVERY = 0.1  # seconds between two looks
BASE, CHANGED = "image", "changed"
WARM, READY, ANSWERS, JOINED, GATE = "warm", "ready", "Ray answers", "joined", "gate open"
LOGGED = {
    HEAD: {WARM: "now=standby", READY: "now=leading"},
    WORKER: {GATE: 'event="gate open"'},
}
KEPT = "kept-"
LOOPBACK = "127.0.0.1"
UNITS = """
echo "$(systemctl list-units --all --no-legend --plain | wc -l) loaded"
echo "$(systemctl list-units --state=active --no-legend --plain | wc -l) active"
echo "$(systemctl list-unit-files --state=enabled --no-legend --plain | wc -l) enabled"
"""


class Boot(NamedTuple):
    """One boot: what was taken until each event, and what was read of each file until the last."""

    events: dict[str, Reading]
    power_on: float
    files: dict[str, int]
    units: str


class BootBench:
    """A cluster whose machines are launched from volumes."""

    def __init__(
        self, bench: Bench, folder: Path, *, reads_per_second: int, read_ahead: int
    ) -> None:
        self._bench, self._folder = bench, folder
        self._reads, self._read_ahead = reads_per_second, read_ahead
        self._volumes: dict[str, Volume] = {}  # by the instance that runs from it
        self._seen: dict[str, dict[str, float]] = {}
        self._token = cluster_token(bench.clients, bench.environment)

    @contextmanager
    def image_of(self, role: str, over: Path | None) -> Iterator[dict[str, Path]]:
        """Write the volumes of a role's image; at the end its instances are launched as before."""
        (found, *_) = self._instances(role)
        layers = kept_layers(found.ami_id)
        kinds = {BASE: layers} | ({CHANGED: [over, *layers]} if over else {})
        files = {kind: self._folder / f"{role}-{kind}.ext4" for kind in kinds}
        try:
            for kind, file in files.items():
                write_volume(kinds[kind], file)
            yield files
        finally:
            restore_layers()

    def boot(self, role: str, file: Path, *, looks: bool) -> Boot:
        """Have a role's instance replaced by one that boots from the volume, and measure that.

        The files are looked at if ``looks``: that takes a while.
        """
        root = self._folder / f"{role}-{os.getpid()}-{len(self._volumes)}"
        volume = attach(file, root, self._read_ahead)
        (old, *_) = self._instances(role)
        (paths().images / f"{old.ami_id}.layers").write_text(f"{volume.root}\n")
        self._bench.clients("ec2").terminate_instances(InstanceIds=[old.id])
        with ExitStack() as stack:
            machine = awaited("a machine", lambda: machine_of(volume))
            self._volumes[machine.name] = volume
            group = Group(paths().name, machine.name)
            readings = stack.enter_context(Readings(volume, group))
            leader = awaited("its PID 1", lambda: leader_in(group))
            if self._reads:
                limit(volume, machine.name, leader, self._reads)
            power_on = started(leader)
            ends = awaited(f"the {role}", lambda: self._ends(role, machine))
            if self._reads:
                limit(volume, machine.name, leader, 0)
        events = {name: readings.at(at) for name, at in sorted(ends.items(), key=lambda e: e[1])}
        units = run(*control.shell_command(machine.name, ["bash", "-c", UNITS]))
        files = volume.resident() if looks else {}
        return Boot(events, power_on, files, ", ".join(units.splitlines()))

    def end(self) -> None:
        """Terminate the instances that run from our volumes, and remove those."""
        ours = [name for name in self._volumes if (paths().machines / name).exists()]
        if ours:
            self._bench.clients("ec2").terminate_instances(InstanceIds=ours)
        for name, volume in self._volumes.items():
            machine = paths().machines / name
            awaited(f"the end of {name}", partial(is_gone, machine))
            unlimit(name)
            detach(volume)

    def _instances(self, role: str) -> list[Instance]:
        found = find_instances(self._bench.clients, self._bench.environment.name)
        return [one for one in found if one.role == role and one.is_there]

    def _ends(self, role: str, machine: Path) -> dict[str, float] | None:
        """Return when each event was, once there have been all."""
        log = machine / "upper" / BOOTSTRAP_LOGS[role].lstrip("/")
        found = logged(log, LOGGED[role]) if log.exists() else {}
        ends = self._seen.setdefault(machine.name, {})
        event = ANSWERS if role == HEAD else JOINED
        if event not in ends and self._lists(role, machine.name):
            ends[event] = time.time()
        both = ends | found
        return both if both.keys() >= {event, *LOGGED[role]} else None

    def _lists(self, role: str, instance_id: str) -> bool:
        """Say whether Ray's dashboard, asked on the head itself, lists this instance as alive."""
        addresses = {one.id: one.address for one in self._instances(role)}
        head = instance_id if role == HEAD else next(one.id for one in self._instances(HEAD))
        leader = leader_in(Group(paths().name, head))
        if not leader or instance_id not in addresses:
            return False
        try:
            with entered(Path(f"/proc/{leader}/ns/net")):
                nodes = RayApi(LOOPBACK, self._token).nodes()
        except (OSError, Unreachable, TokenRefused):
            return False
        return any(one.is_alive and one.address == addresses[instance_id] for one in nodes)


def awaited(what: str, look: Callable[[], T | None]) -> T:
    """Look until there is something, and return it; raises TimedOut."""
    return wait_for(
        what, lambda: Seen(look(), "nothing"), clock=SystemClock(), seconds=SECONDS, every=EVERY
    )


def kept_layers(ami_id: str) -> list[Path]:
    """Return the layers of an image, which stay while machines are launched from a volume."""
    listed = paths().images / f"{ami_id}.layers"
    shutil.copy(listed, listed.with_name(f"{KEPT}{listed.name}"))
    return [Path(line) for line in listed.read_text().splitlines()]


def restore_layers() -> None:
    """Have machines launched from their images again."""
    for kept in paths().images.glob(f"{KEPT}*"):
        kept.replace(kept.with_name(kept.name.removeprefix(KEPT)))


def is_gone(machine: Path) -> bool | None:
    """Return True once a machine's folder is gone."""
    return None if machine.exists() else True


def machine_of(volume: Volume) -> Path | None:
    """Return the folder of the machine that runs from a volume."""
    for layers in paths().machines.glob("i-*/layers"):
        with suppress(FileNotFoundError):
            if layers.read_text().strip() == str(volume.root):
                return layers.parent
    return None


@contextmanager
def volumes() -> Iterator[Path]:
    """Make a folder for volumes, where the local cloud unmounts what is left when it goes down."""
    folder = paths().images / "volumes"
    restore_layers()
    for left in mounts_below(folder):  # by a run that was killed
        run(*outside(), "umount", left)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def leader_in(group: Group) -> int | None:
    """Return a machine's PID 1, once there is one."""
    leaders = (nspawn.leader_of(pid) for pid in group.processes())
    return next((leader for leader in leaders if leader), None)


def started(pid: int) -> float:
    """Return when a process was started, in seconds since the epoch."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[19])  # starttime, since the host's boot: proc_pid_stat(5)
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def logged(log: Path, events: dict[str, str]) -> dict[str, float]:
    """Return when the bootstrap log first has each event."""
    found: dict[str, float] = {}
    for line in log.read_text().splitlines():
        for name, words in events.items():
            if name not in found and words in line:
                found[name] = datetime.fromisoformat(line.split()[0]).timestamp()
    return found
