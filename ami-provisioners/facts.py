"""Print facts of a machine as JSON. Runs on the build instance, and again in image tests.

Needs only the base image's Python, 3.10 or later, and no packages.
"""

import hashlib
import importlib.metadata
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

UPLOADS = "/tmp/raykiln"  # noqa: S108 (the folder that 00-first-boot.sh makes)
PRIVATE_KEY = "^-----BEGIN [A-Z ]*PRIVATE KEY-----"
# NVIDIA's vendor id, and the beginning of the class of display controllers (PCI Code and ID
# Assignment Specification).
NVIDIA, DISPLAY = "0x10de", "0x03"
PCI = Path("/sys/bus/pci/devices")
ASK_SECONDS = 60  # without a persistence daemon the driver starts at the first question
ASK_GPUS = ("--query-gpu=name,driver_version", "--format=csv,noheader")
# Of a DHCP client, udp; whether it has one open depends on its lease.
DHCP_CLIENT = {"68", "546"}


def enabled_units() -> list[str]:
    """Return the enabled unit files."""
    listing = lines_of("systemctl", "list-unit-files", "--state=enabled", "--plain", "--no-legend")
    return sorted(line.split()[0] for line in listing)


def failed_units() -> list[str]:
    """Return the units that failed since boot."""
    return sorted(
        line.split()[0] for line in lines_of("systemctl", "--failed", "--plain", "--no-legend")
    )


def users() -> dict[str, list[str]]:
    """Return user id and shell of every user of /etc/passwd (passwd(5)), by name."""
    rows = (line.split(":") for line in Path("/etc/passwd").read_text().splitlines())
    return {row[0]: [row[2], row[6]] for row in rows if len(row) == 7}


def open_ports() -> list[str]:
    """Return the ports that are open to other machines, such as ``tcp/22``."""
    return sorted(
        {f"tcp/{port}" for port in _listening("t")}
        | {f"udp/{port}" for port in _listening("u") - DHCP_CLIENT}
    )


def privileged_files() -> list[str]:
    """Return every file that runs with its owner's or group's rights (setuid, setgid)."""
    return sorted(lines_of("find", "/", "-xdev", "-type", "f", "-perm", "/6000", "-print"))


def home_files() -> list[str]:
    """Return every file in the home folders."""
    return sorted(lines_of("find", "/root", "/home", "-xdev", "-type", "f", "-print"))


def private_keys() -> list[str]:
    """Return every text file with a private key where configuration and state are kept."""
    places = ("/etc", "/root", "/home", "/opt/raykiln", "/var/lib")
    # grep exits with 1 when it finds nothing, and with 2 when a file went away meanwhile.
    return sorted(lines_of("grep", "-rlsIE", PRIVATE_KEY, *places, fails_with=(1, 2)))


def wheels() -> list[str]:
    """Return every Python wheel; but not our uploads, nor those that Ray's packages have inside."""
    ours = ("-not", "-path", "/opt/ray/*", "-not", "-path", f"{UPLOADS}/*")
    return sorted(lines_of("find", "/", "-xdev", "-name", "*.whl", *ours))


def debian_packages() -> dict[str, str]:
    """Return every installed package with its version."""
    form = "${db:Status-Abbrev}|${binary:Package}|${Version}\n"
    rows = (line.split("|") for line in lines_of("dpkg-query", "--show", f"--showformat={form}"))
    return {package: version for status, package, version in rows if status.startswith("ii")}


def python_packages() -> dict[str, str]:
    """Return every distribution that this interpreter finds, with its version."""
    return {str(found.name): found.version for found in importlib.metadata.distributions()}


def machine_id() -> str:
    """Return systemd's machine id; an instance of the image must have another one."""
    return Path("/etc/machine-id").read_text().strip()


def host_keys() -> dict[str, str]:
    """Return the sha256 of every public SSH host key by its file's name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path("/etc/ssh").glob("ssh_host_*_key.pub"))
    }


def port_units() -> dict[str, str]:
    """Return which unit has an open port; those of processes without one are left out."""
    found = {}
    for kind, protocol in (("t", "tcp"), ("u", "udp")):
        for line in lines_of("ss", f"-Hlnp{kind}"):
            port = line.split()[3].rpartition(":")[2]
            for pid in re.findall(r"pid=(\d+)", line):
                if (unit := _unit_of(pid)).endswith(".service"):
                    found[f"{protocol}/{port}"] = unit
    return found | {
        f"tcp/{line.split()[0].rpartition(':')[2]}": line.split()[1]
        for line in lines_of("systemctl", "list-sockets", "--plain", "--no-legend")
        if not line.startswith("/")
    }


def nvidia() -> dict[str, Any]:
    """Return how many NVIDIA GPUs there are, whether their tool is, and its line for each GPU."""
    gpus = [
        device
        for device in PCI.glob("*")
        if _read(device / "vendor") == NVIDIA and _read(device / "class").startswith(DISPLAY)
    ]
    tool = shutil.which("nvidia-smi")
    return {"gpus": len(gpus), "tool": bool(tool), "answer": _asked(tool) if tool and gpus else []}


FACTS = (
    *(enabled_units, failed_units, users, open_ports, privileged_files, home_files),
    *(private_keys, wheels, debian_packages, python_packages, machine_id, host_keys),
    *(port_units, nvidia),
)


def _asked(tool: str) -> list[str]:
    """Return a line for each GPU; none when the driver does not answer."""
    try:
        done = subprocess.run(
            [tool, *ASK_GPUS], check=True, capture_output=True, text=True, timeout=ASK_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()


def _unit_of(pid: str) -> str:
    """Return the unit of a process; empty when it has ended."""
    return _read(Path(f"/proc/{pid}/cgroup")).partition("\n")[0].rpartition("/")[2]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _listening(kind: str) -> set[str]:
    """Return the ports of ``t`` (TCP) or ``u`` (UDP) that are not on the loopback interface."""
    addresses = (line.split()[3] for line in lines_of("ss", f"-Hln{kind}"))
    outside = (each for each in addresses if not each.startswith(("127.", "[::1]")))
    return {each.rpartition(":")[2] for each in outside}


def lines_of(*command: str, fails_with: tuple[int, ...] = ()) -> list[str]:
    """Return the lines that a command prints; exits when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode not in (0, *fails_with):
        raise SystemExit(f"FAILED {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.splitlines()


if __name__ == "__main__":
    print(json.dumps({fact.__name__: fact() for fact in FACTS}, indent=1, sort_keys=True))
