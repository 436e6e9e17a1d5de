"""Print facts of a machine as JSON. Runs on the build instance, and again in image tests.

Needs only the base image's Python, 3.10 or later, and no packages.
"""

import hashlib
import json
import pwd
import subprocess
from pathlib import Path


def enabled_units() -> list[str]:
    """Return the enabled unit files."""
    listing = _output("systemctl", "list-unit-files", "--state=enabled", "--plain", "--no-legend")
    return sorted(line.split()[0] for line in listing.splitlines())


def users() -> dict[str, str]:
    """Return every user's shell by name."""
    return {user.pw_name: user.pw_shell for user in pwd.getpwall()}


def privileged_files() -> list[str]:
    """Return every file that runs with its owner's or group's rights (setuid, setgid)."""
    return sorted(
        _output("find", "/", "-xdev", "-type", "f", "-perm", "/6000", "-print").splitlines()
    )


def machine_id() -> str:
    """Return systemd's machine id; an instance of the image must have another one."""
    return Path("/etc/machine-id").read_text().strip()


def host_keys() -> dict[str, str]:
    """Return the sha256 of every public SSH host key by its file's name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path("/etc/ssh").glob("ssh_host_*_key.pub"))
    }


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    facts = (enabled_units, users, privileged_files, machine_id, host_keys)
    print(json.dumps({fact.__name__: fact() for fact in facts}, indent=1, sort_keys=True))
