"""What runc needs to know of a container: its config.json. Reads only the container's own files.

Follows the OCI runtime specification (config.md and config-linux.md, version 1.0.2); capabilities
and masked paths are the defaults of container engines, as on Fargate
(docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html).
"""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.patches.ecs.runtime import ContainerPlan

Tree = dict[str, Any]

CAPABILITIES = (
    *("CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL"),
    *("CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID"),
    "CAP_SYS_CHROOT",
)
MASKED = (
    *("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug"),
    *("/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware"),
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PAGE = 4096
PERIOD_US = 100_000  # of the CPU quota
OPEN_FILES = (65535, 65535)  # Fargate's: .../developerguide/fargate-tasks-services.html
CA = "/usr/local/share/ca-certificates/raykiln-local-cloud.crt"
IN_MEMORY = "size=65536k"  # of /dev and of /dev/shm, as container engines have it


@dataclass(frozen=True)
class User:
    """Who the container's process is."""

    uid: int = 0
    gid: int = 0
    home: str = "/root"
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What a container gets from its task: namespace, group, size, host name, files to mount."""

    root: Path
    network: Path
    group: str  # cgroupsPath
    cpus: float
    memory_mib: int
    hostname: str
    files: Mapping[str, Path]  # by where they are in the container
    volumes: Mapping[str, Path]


class Wrong(Exception):
    """The container cannot be started as it is defined."""


def find_user(root: Path, spec: str) -> User:
    """Return the user of ``name``, ``uid``, ``name:group`` or ``uid:gid``; raises Wrong."""
    name, _, group = spec.partition(":")
    if not name:
        return User()
    known = _entries(root / "etc/passwd")
    entry = next((e for e in known if e[0] == name or e[2] == name), None)
    if entry is None and not name.isdigit():
        raise Wrong(f"unable to find user {name}: no matching entries in passwd file")
    uid, gid, home = (int(entry[2]), int(entry[3]), entry[5]) if entry else (int(name), 0, "/")
    groups = _entries(root / "etc/group")
    if group:
        found = next((e for e in groups if e[0] == group or e[2] == group), None)
        if found is None and not group.isdigit():
            raise Wrong(f"unable to find group {group}: no matching entries in group file")
        gid = int(found[2]) if found else int(group)
    more = tuple(int(e[2]) for e in groups if entry and entry[0] in e[3].split(","))
    return User(uid, gid, home, more)


def _entries(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    lines = [line.split(":") for line in path.read_text(errors="replace").splitlines()]
    return [line for line in lines if len(line) >= 4]


def command_of(plan: ContainerPlan, image: Mapping[str, Any]) -> list[str]:
    """Return what to run: an own entry point leaves the image's command aside. Raises Wrong."""
    entry = plan.entry_point or image.get("Entrypoint") or ()
    command = plan.command or (() if plan.entry_point else image.get("Cmd") or ())
    if not (entry or command):
        raise Wrong("no command specified")
    return [*entry, *command]


def configuration(plan: ContainerPlan, image: Mapping[str, Any], around: Surroundings) -> Tree:
    """Return the container's config.json; raises Wrong."""
    user = find_user(around.root, plan.user or str(image.get("User") or ""))
    powers = list(CAPABILITIES)
    effective = powers if user.uid == 0 else []
    soft, hard = plan.open_files or OPEN_FILES
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return {
        "ociVersion": "1.0.2",
        "hostname": around.hostname,
        "root": {"path": str(around.root), "readonly": plan.read_only},
        "process": {
            "terminal": False,
            "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
            "args": command_of(plan, image),
            "env": _environment(plan, image, user),
            "cwd": plan.folder or str(image.get("WorkingDir") or "/"),
            "capabilities": {
                "bounding": powers,
                "effective": effective,
                "permitted": effective,
                "inheritable": [],
                "ambient": [],
            },
            "rlimits": [
                {
                    "type": "RLIMIT_NOFILE",
                    "soft": min(soft, allowed),
                    "hard": min(hard, allowed),
                }
            ],
            "noNewPrivileges": False,
        },
        "mounts": [*_system_mounts(), *_own_mounts(plan, around)],
        "linux": {
            "cgroupsPath": around.group,
            "resources": _resources(plan, around),
            "namespaces": [
                *({"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")),
                {"type": "network", "path": str(around.network)},
            ],
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READ_ONLY),
        },
    }


def _environment(plan: ContainerPlan, image: Mapping[str, Any], user: User) -> list[str]:
    of_image = dict(pair.partition("=")[::2] for pair in image.get("Env") or ())
    found = {"PATH": SEARCHED, "HOME": user.home, **of_image, "AWS_CA_BUNDLE": CA}
    return [f"{name}={value}" for name, value in {**found, **plan.environment}.items()]


def _resources(plan: ContainerPlan, around: Surroundings) -> Tree:
    """Return the container's limits. Without its own it sees the task's, as on Fargate, where the
    machine has the task's size; a page more, so that it is the task's that is reached.
    """
    memory = (plan.memory_mib << 20) or (around.memory_mib << 20) + PAGE
    return {
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": {"limit": memory},
        "cpu": {"quota": int(around.cpus * PERIOD_US), "period": PERIOD_US},
    }


def _system_mounts() -> list[Tree]:
    safe = ["nosuid", "noexec", "nodev"]
    points = ["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    return [
        _mount("/proc", "proc", "proc", []),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", IN_MEMORY]),
        _mount("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", *points]),
        _mount("/dev/shm", "tmpfs", "shm", [*safe, "mode=1777", IN_MEMORY]),  # noqa: S108
        _mount("/dev/mqueue", "mqueue", "mqueue", safe),
        _mount("/sys", "sysfs", "sysfs", [*safe, "ro"]),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", [*safe, "relatime", "ro"]),
    ]


def _own_mounts(plan: ContainerPlan, around: Surroundings) -> list[Tree]:
    mounts = [
        _mount(where, "bind", str(path), ["bind", "ro"]) for where, path in around.files.items()
    ]
    for volume, where, read_only in plan.mounts:
        options: Sequence[str] = ["bind", "ro" if read_only else "rw"]
        mounts.append(_mount(where, "bind", str(around.volumes[volume]), options))
    return mounts


def _mount(where: str, kind: str, source: str, options: Sequence[str]) -> Tree:
    return {"destination": where, "type": kind, "source": source, "options": list(options)}
