"""Bring the local cloud up and down, and look at it. No AWS.

``up`` changes nothing when it is up. ``down`` leaves no process, mount, namespace, control group
or file of this cloud behind, whatever state a crash left; the cache stays.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.checkout import REPOSITORY
from common.errors import PipelineError, Refused
from common.file_lock import locked
from common.waiting import Seen, SystemClock, wait_for
from localcloud import disks, nspawn, session
from localcloud.base_image import base_images
from localcloud.certificates import certificates
from localcloud.cgroups import Group, joining
from localcloud.containers.container import command_in
from localcloud.deletion import delete_folder
from localcloud.images import mount_overlay, unmount
from localcloud.network import Network, namespaces
from localcloud.paths import Paths, paths
from localcloud.places import (
    check_places,
    check_space,
    make_links,
    own_mounts,
    remove_if_empty,
    remove_links,
)
from localcloud.processes import SERVER, server_of

TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "dnsmasq": "dnsmasq-base",
    "haproxy": "haproxy",
    "redis-server": "redis-server",
    "docker-registry": "docker-registry",
    "buildah": "buildah",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "losetup": "mount",
}
READY_SECONDS = 240.0  # is reached only on a machine that does much else
STOP_SECONDS = 15.0

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Status:
    """The state of the local cloud."""

    running: bool
    pid: int | None
    namespace: str
    machines: tuple[str, ...]
    log: Path


def up(progress: Progress = lambda words: None) -> None:
    """Bring the cloud up; does nothing when it is up. Raises PipelineError."""
    place = paths()
    check_host()
    check_places(place)
    with locked(place.lock):
        if server_of(place) and place.ready_file.exists():
            return
        _clean(place, progress)
        try:
            check_space(place)
            make_links(place)
            check_disk(place)
            base_images(place.base_images, certificates(place.certificates).ca, progress)
            _start(place, progress)
        except BaseException:
            _clean(place, progress)
            raise


def down(progress: Progress = lambda words: None) -> None:
    """Take the cloud down and remove everything that belongs to it, even without its home."""
    place = paths()
    if not (place.home.exists() or namespaces(place.name) or Group(place.name).processes()):
        return
    check_host()
    check_places(place)
    with locked(place.lock):
        _clean(place, progress)
        place.log.unlink(missing_ok=True)
    place.lock.unlink(missing_ok=True)
    remove_if_empty(place.home)


def status() -> Status:
    """Return the state of the cloud now."""
    place = paths()
    pid = server_of(place)
    machines = sorted(path.name for path in place.machines.glob("i-*"))
    return Status(pid is not None, pid, place.name, tuple(machines), place.log)


def shell_command(instance_id: str, command: list[str]) -> list[str]:
    """Return a command that runs ``command`` as root on a machine, or as its user in the first
    container of a task; raises Refused if it is down.
    """
    place = paths()
    if inside := command_in(place, instance_id, command):
        return inside
    pids = Group(place.name, instance_id).processes()
    for pid in sorted(pids):
        leader = nspawn.leader_of(pid)
        if leader:
            return nspawn.command_inside(leader, command)
    raise Refused(
        f"{instance_id} is not a running machine or task of this cloud",
        hint=f"running: {', '.join(status().machines) or 'none'}",
    )


def check_host() -> None:
    """Raise Refused unless this host can run the local cloud."""
    if os.geteuid() != 0:
        raise Refused("the local cloud needs root", hint="run the same command with sudo")
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        packages = " ".join(sorted({TOOLS[tool] for tool in missing}))
        raise Refused(
            f"the local cloud needs {', '.join(missing)}", hint=f"apt-get install {packages}"
        )
    if "overlay" not in Path("/proc/filesystems").read_text():
        subprocess.run(["modprobe", "overlay"], capture_output=True, check=False)
        if "overlay" not in Path("/proc/filesystems").read_text():
            raise Refused("this kernel has no overlayfs", hint="load the module `overlay`")


def check_disk(place: Paths) -> None:
    """Raise Refused unless the home can hold machines' disks: overlayfs may not work there."""
    trial = place.run / "trial"
    for part in ("lower", "upper", "work", "root"):
        (trial / part).mkdir(parents=True, exist_ok=True)
    try:
        mount_overlay([trial / "lower"], trial)
        unmount(trial / "root")
    except OSError as error:
        raise Refused(
            f"machines' disks cannot be kept in {place.home}: {error.strerror}",
            hint="set RAYKILN_HOME to a folder on ext4 or xfs; in a container, allow it to mount",
        ) from error
    shutil.rmtree(trial)


def _start(place: Paths, progress: Progress) -> None:
    progress("starting the control plane")
    place.machines.mkdir(parents=True, exist_ok=True)
    place.run.mkdir(parents=True, exist_ok=True)
    session.write_files(place)
    Network(place.name).up()
    group = Group(place.name, "server")
    try:
        group.make()
    except OSError as error:
        raise PipelineError(
            f"cannot create control groups here: {error}",
            hint="in a container, give it its own writable /sys/fs/cgroup",
        ) from error
    process = _spawn(place, group)
    wait_for(
        "the local cloud",
        lambda: _readiness(place, process),
        clock=SystemClock(),
        seconds=READY_SECONDS,
        every=0.05,
        hint=f"see {place.log}",
    )


def _spawn(place: Paths, group: Group) -> "subprocess.Popen[bytes]":
    command = ["nsenter", f"--net={place.namespace}", sys.executable, "-m", SERVER]
    environment = os.environ | {
        "RAYKILN_HOME": str(place.home),
        "RAYKILN_CACHE": str(place.cache),
        "PYTHONPATH": str(REPOSITORY),
    }
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            joining(group.paths, command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    place.pid_file.write_text(f"{process.pid}\n")
    return process


def _readiness(place: Paths, process: "subprocess.Popen[bytes]") -> Seen[bool]:
    if place.ready_file.exists():
        return Seen(True, "ready")
    if process.poll() is not None:
        tail = "".join(place.log.read_text().splitlines(keepends=True)[-15:])
        raise PipelineError(
            f"the control plane exited:\n{tail}", hint=f"the whole log: {place.log}"
        )
    return Seen(None, "starting")


def _clean(place: Paths, progress: Progress) -> None:
    """Remove everything of this cloud except cache, lock and log."""
    make_links(place)
    _stop_server(place)
    group = Group(place.name)
    if group.processes():
        progress("killing machines")
    group.kill()
    group.remove()
    for point in own_mounts(place):
        nspawn.forget_lock(point)
        unmount(point)
    disks.detach_all(place.machines)
    if namespaces(place.name):
        Network(place.name).down()
    nspawn.forget(path.name for path in place.machines.glob("i-*"))
    for folder in (place.machines, place.images, place.tasks, place.run):
        delete_folder(folder)
    remove_links(place)


def _stop_server(place: Paths) -> None:
    """Ask the server to exit after its current step; ``_clean`` kills what remains."""
    pid = server_of(place)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while server_of(place) and time.monotonic() < deadline:
        time.sleep(0.02)
