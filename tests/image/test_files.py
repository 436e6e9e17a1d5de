"""Our files in an image, their content, and who may change them."""

import hashlib
from pathlib import Path
from typing import Any

from node.head.relay import PROXY
from tests.image.conftest import Expected

COMMANDS = "/usr/local/bin/"


def sha256s(machine: Any, *paths: str) -> dict[str, str]:
    lines = machine.check_output("sha256sum " + " ".join(paths)).splitlines()
    return {line.split()[1]: line.split()[0] for line in lines}


def sources(folder: Path, place: str, pattern: str = "*") -> dict[str, str]:
    """Return what files below ``folder`` should be in the image."""
    return {
        f"{place}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_rootfs_is_copied_as_it_is(machine: Any, expected: Expected) -> None:
    wanted = sources(expected.provisioners / "rootfs", "")

    assert sha256s(machine, *wanted) == wanted


def test_rootfs_belongs_to_root_and_only_commands_run(machine: Any, expected: Expected) -> None:
    paths = sorted(sources(expected.provisioners / "rootfs", ""))
    listed = machine.check_output("stat -c '%n %U:%G %a' " + " ".join(paths)).splitlines()

    assert sorted(listed) == [
        f"{path} root:root {755 if path.startswith(COMMANDS) else 644}" for path in paths
    ]


def test_the_node_package_is_exactly_the_checkouts(machine: Any, expected: Expected) -> None:
    wanted = sources(expected.source / "node", "/opt/raykiln/node", "*.py")
    found = machine.check_output("find /opt/raykiln -name '*.py'").splitlines()

    assert sha256s(machine, *found) == wanted


def test_the_units_are_the_checkouts(machine: Any, expected: Expected) -> None:
    wanted = sources(expected.source / "systemd", "/etc/systemd/system")

    assert sha256s(machine, *wanted) == wanted


def test_etc_raykiln_holds_exactly_the_images_records(machine: Any) -> None:
    assert set(machine.check_output("ls -A /etc/raykiln").split()) == {
        "image.env",
        "image.json",
        "metadata.nft",
        "software.json",
    }


def test_no_setuid_or_setgid_file_was_added(facts: dict[str, Any], base: dict[str, Any]) -> None:
    assert facts["privileged_files"] == base["privileged_files"]


def test_no_debian_package_was_added_changed_or_removed(
    facts: dict[str, Any], base: dict[str, Any]
) -> None:
    assert facts["debian_packages"] == base["debian_packages"]


def test_the_machines_own_python_has_the_packages_of_the_base_image(
    facts: dict[str, Any], base: dict[str, Any]
) -> None:
    assert facts["python_packages"] == base["python_packages"]


def test_what_root_runs_only_root_may_write(machine: Any) -> None:
    found = machine.check_output(
        "find /opt/ray /opt/raykiln /etc/raykiln /etc/systemd/system "
        "'(' ! -user root -o ! -type l -perm /022 ')' -print"
    )

    assert found == ""


def test_runtime_and_log_folders_are_made_at_boot(machine: Any, expected: Expected) -> None:
    paths = {
        "head": {
            "/run/ray": "root:ray 2755",
            "/run/ray/autoscaler": "ray-autoscaler:ray 755",
            "/run/ray/redis": "ray:ray 700",
            "/var/log/ray": "ray:adm 750",
            "/var/log/ray-head-bootstrap.log": "root:adm 640",
        },
        "worker": {
            "/run/ray": "root:ray 1770",
            "/var/log/ray": "ray:adm 750",
            "/var/log/ray-worker-bootstrap.log": "root:ray 660",
        },
    }[expected.role]

    listed = machine.check_output(f"stat -c '%n %U:%G %a' {' '.join(paths)}").splitlines()
    assert listed == [f"{path} {mode}" for path, mode in paths.items()]


def test_the_proxy_of_the_relay_is_installed(machine: Any) -> None:
    assert machine.file(PROXY).is_executable
