"""Mount units that are made at boot, and started before Ray. Changes /run and systemd; no AWS.

systemd mounts, so that it also unmounts in its order at shutdown: after Ray, before the network.
"""

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from node.identity import write_whole
from node.log import WARNING, Log

UNITS = Path("/run/systemd/system")
# https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-nfs-mount-settings.html
NFS_OPTIONS = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,_netdev"
# Addresses of a new mount target can take this long to be known:
# https://docs.aws.amazon.com/efs/latest/ug/troubleshooting-efs-mounting.html
SECONDS = 240.0
PAUSE = 5.0

Run = Callable[..., str]


class MountError(Exception):
    """Something could not be mounted; the message says what, and why."""


@dataclass(frozen=True)
class Mount:
    """What a mount unit mounts."""

    what: str
    where: str
    kind: str
    options: str

    def unit(self) -> str:
        """Return the text of the unit; see systemd.mount(5)."""
        return (
            f"[Unit]\nDescription={self.where} of this Ray node\n\n"
            f"[Mount]\nWhat={self.what}\nWhere={self.where}\n"
            f"Type={self.kind}\nOptions={self.options}\nTimeoutSec={SECONDS:.0f}s\n"
        )


def efs_mount(file_system: str, where: str, *, region: str, domain: str) -> Mount:
    """Return the mount of an EFS file system by its name in DNS.

    https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-mount-cmd-dns-name.html
    """
    return Mount(f"{file_system}.efs.{region}.{domain}:/", where, "nfs4", NFS_OPTIONS)


def run(*command: str) -> str:
    """Run a command and return what it prints; raises MountError with what it complains of."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MountError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


def unit_of(where: str, run: Run = run) -> str:
    """Return the name of the unit that mounts there."""
    return run("systemd-escape", "--path", "--suffix=mount", where)


def write_units(mounts: Iterable[Mount], units: Path = UNITS, run: Run = run) -> tuple[str, ...]:
    """Write the units, and return their names."""
    units.mkdir(parents=True, exist_ok=True)
    names = []
    for mount in mounts:
        names.append(unit_of(mount.where, run))
        write_whole(units / names[-1], mount.unit(), 0o644)
    return tuple(names)


def require(places: Iterable[str], service: str, units: Path = UNITS, run: Run = run) -> None:
    """Have a service require what is mounted at these places; systemd reads all units anew."""
    folder = units / f"{service}.service.d"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = " ".join(places)
    write_whole(folder / "storage.conf", f"[Unit]\nRequiresMountsFor={wanted}\n", 0o644)
    run("systemctl", "daemon-reload")


def start(
    unit: str,
    log: Log,
    *,
    run: Run = run,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Start a mount unit, again and again for some minutes; raises MountError."""
    deadline = clock() + SECONDS
    while True:
        try:
            run("systemctl", "start", unit)
        except MountError as error:
            why = run("journalctl", "--unit", unit, "--output=cat", "--lines=3") or str(error)
            if clock() >= deadline:
                raise MountError(f"{unit}: {why}") from error
            log("not mounted yet", level=WARNING, unit=unit, why=why)
            run("systemctl", "reset-failed", unit)
            sleep(PAUSE)
        else:
            return
