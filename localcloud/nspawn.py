"""Run one machine: systemd-nspawn with systemd as PID 1, in its own namespace and cgroups. No AWS.

See systemd-nspawn(1). The machine is not registered with machined, so that nothing of the host's
systemd is needed.
"""

import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.cgroups import Group, Limits, groups_of, joining
from localcloud.paths import namespace_path
from localcloud.processes import send_signal

LEFT_BY_NSPAWN = ("propagate", "unix-export")

# Everything a login on the machine would have, and nothing of the host's.
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt",
)


@dataclass(frozen=True)
class Container:
    """What systemd-nspawn needs to know of a machine."""

    name: str
    root: Path
    namespace: str
    hostname: str
    console: Path
    group: Group
    limits: Limits
    binds: tuple[str, ...] = ()  # source:target


def spawn(container: Container) -> "subprocess.Popen[bytes]":
    """Start the machine; returns at once. Its process exits when the machine stops."""
    container.group.make(container.limits)
    with container.console.open("ab") as console:
        return subprocess.Popen(
            joining(container.group.paths, _command(container)),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            # /tmp is on the disk, as on AWS, not in the machine's memory.
            env={"PATH": os.environ.get("PATH", os.defpath), "SYSTEMD_NSPAWN_TMPFS_TMP": "0"},
            start_new_session=True,
        )


def _command(container: Container) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        f"--directory={container.root}",
        f"--machine={container.name}",
        f"--hostname={container.hostname}",
        "--register=no",
        "--keep-unit",
        "--settings=no",
        f"--network-namespace-path={namespace_path(container.namespace)}",
        "--capability=CAP_NET_ADMIN",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        *(f"--bind={bind}" for bind in container.binds),
        # A terminal, so that /dev/console is there for systemd and units to write to.
        "--console=read-only",
        "--boot",
    ]


def leader_of(launcher: int) -> int | None:
    """Return the machine's PID 1 as the host sees it, or None before it runs systemd."""
    try:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
    except OSError:  # it exited in between
        return None
    return None


def power_off(launcher: int) -> None:
    """Ask for an orderly power-off: nspawn passes SIGRTMIN+3 on to the machine's systemd."""
    send_signal(launcher, signal.SIGTERM)


def kill(launcher: int) -> None:
    """Kill the machine as a power loss does: with its PID 1 all its processes die."""
    leader = leader_of(launcher)
    send_signal(leader or launcher, signal.SIGKILL)


def command_inside(leader: int, command: Sequence[str]) -> list[str]:
    """Return a command that runs ``command`` as root in the machine, within its limits."""
    inside = ["nsenter", "-t", str(leader), "-a", "--", "env", "-i", *ENVIRONMENT, *command]
    return joining(groups_of(leader), inside)


def clean_up(name: str, group: Group) -> None:
    """Remove what a stopped machine leaves on the host."""
    group.kill()
    group.remove()
    forget([name])


def forget_lock(root: Path) -> None:
    """Remove the lock on a mounted root, which systemd-nspawn leaves when it is killed.

    It is named after the root's device and inode (systemd, image_path_lock).
    """
    if not root.exists():
        return
    found = root.stat()
    Path(f"/run/systemd/nspawn/locks/inode-{found.st_dev}:{found.st_ino}").unlink(missing_ok=True)


def forget(names: Iterable[str]) -> None:
    """Remove the folders that systemd-nspawn keeps for these machines."""
    for name in names:
        for kind in LEFT_BY_NSPAWN:
            left = Path("/run/systemd/nspawn", kind, name)
            if left.is_dir():
                left.rmdir()
