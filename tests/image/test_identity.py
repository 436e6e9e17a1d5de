"""What an image says about itself, and how it sets up the machine."""

import json
from typing import Any

from tests.image.conftest import Expected

NOFILE = 65536
SYSCTLS = {
    "net.ipv4.ip_local_reserved_ports": "52365",
    "net.core.somaxconn": "8192",
    "net.ipv4.tcp_max_syn_backlog": "8192",
    "net.ipv4.tcp_syn_retries": "3",
}


def test_image_json_says_which_image_this_is(machine: Any, expected: Expected) -> None:
    image = json.loads(machine.check_output("cat /etc/raykiln/image.json"))

    assert set(image) == {"role", "digest", "ray_version"}
    assert (image["role"], image["digest"], image["ray_version"]) == (
        expected.role,
        expected.digest,
        expected.ray,
    )


def test_the_software_report_lists_every_debian_package(
    machine: Any, facts: dict[str, Any]
) -> None:
    reported = json.loads(machine.check_output("cat /etc/raykiln/software.json"))["debian"]

    assert reported == facts["debian_packages"]


def test_the_kernel_is_set_up_for_a_cluster(machine: Any) -> None:
    lines = machine.check_output("/lib/systemd/systemd-sysctl --cat-config").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    settings = {key.strip(): value.strip() for key, value in pairs}
    # A container may not be allowed to write there; systemd-sysctl then does not run.
    applied = machine.check_output(
        "systemctl show --value --property ConditionResult systemd-sysctl"
    )

    for key, value in SYSCTLS.items():
        assert settings[key] == value
        assert applied == "no" or machine.check_output(f"sysctl --values {key}") == value


def test_sessions_may_open_as_many_files_as_ray_needs(machine: Any) -> None:
    ceiling = int(machine.check_output("prlimit --pid 1 --nofile --output HARD --noheadings"))
    allowed = int(machine.check_output("su -s /bin/sh ray -c 'ulimit -n'"))

    assert allowed == NOFILE or ceiling < NOFILE
