"""An operator outside of the VPC: no line into it, but for Session Manager's."""

import json
import subprocess
import sys
from typing import Any

import pytest

from localcloud import session
from tests.cloud.harness import REPOSITORY, Cloud, eventually, home

SERVE = """
mkdir -p /run/page && echo 'the page of {id}' >/run/page/index.html
systemd-run --quiet --unit page --working-directory /run/page python3 -m http.server 8123
"""
# The road of deploy, in a process that is an operator; it prints JSON.
ROAD = """
import json, sys, urllib.request
from common.clients import Clients
from deploy.reach.road import Road, reach
instance, name, port, host = sys.argv[1:]
clients = Clients("us-east-1")
road = Road(clients, name, lambda: instance)
def page(address):
    return urllib.request.urlopen("http://%s:%d/" % address, timeout=20).read().decode().strip()
found = [page(road.address(int(port))), page(road.address(int(port)))]
with reach(clients, host, int(port), lambda: instance) as address:
    found.append(page(address))
open_ = clients("ssm").describe_sessions(State="Active")["Sessions"]
road.close()
left = clients("ssm").describe_sessions(State="Active")["Sessions"]
print(json.dumps({"pages": found, "road": road.words, "open": len(open_), "left": len(left)}))
"""
DIAL = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
    print("connected")
except OSError as error:
    print(error.strerror or error)
"""


def outside(cloud: Cloud, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as the operator, outside of the VPC."""
    with home(cloud.place.home):
        argv = session.operator_command(list(command))
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=120
        )


def test_the_operator_has_no_route_to_a_machine(cloud: Cloud, machine: dict[str, Any]) -> None:
    routes = outside(cloud, "ip", "route").stdout
    dialled = outside(cloud, sys.executable, "-c", DIAL, machine["PrivateIpAddress"], "22").stdout

    assert "10.77." not in routes
    assert "172.31." not in routes
    assert "default" not in routes
    assert dialled.strip() == "Network is unreachable"


def test_the_operator_does_not_resolve_the_names_of_the_vpc(
    cloud: Cloud, machine: dict[str, Any]
) -> None:
    names = {
        name: cloud.aws.resolve(name) for name in (machine["PrivateDnsName"], "sts.amazonaws.com")
    }
    assert all(names.values())

    found = {name: outside(cloud, "getent", "hosts", name).returncode for name in names}

    assert found == {machine["PrivateDnsName"]: 2, "sts.amazonaws.com": 0}


def test_a_port_of_a_machine_is_reached_through_session_manager(
    cloud: Cloud, machine: dict[str, Any]
) -> None:
    instance = machine["InstanceId"]
    cloud.on(instance, SERVE.format(id=instance))
    eventually(
        "the page", lambda: cloud.attempt(instance, "ss -ltn | grep -q :8123").returncode == 0
    )

    where = ("ray-head.ray.internal", "8123", machine["PrivateIpAddress"])
    done = outside(cloud, sys.executable, "-c", ROAD, instance, *where)
    cloud.on(instance, "systemctl stop page")

    assert done.returncode == 0, done.stderr
    page = f"the page of {instance}"
    assert json.loads(done.stdout) == {
        "pages": [page, page, page],
        "road": "through Session Manager",
        "open": 1,
        "left": 0,
    }


@pytest.mark.parametrize("killed", ["INT", "KILL"])
def test_the_stand_in_for_the_plugin_ends_with_its_caller(
    cloud: Cloud, machine: dict[str, Any], killed: str
) -> None:
    start = (
        "from common.clients import Clients; import os, signal\n"
        "from deploy.reach.port_session import open_session\n"
        f"s = open_session(Clients('us-east-1'), {machine['InstanceId']!r}, 8123)\n"
        f"print(s.process.pid, flush=True); os.kill(os.getpid(), signal.SIG{killed})"
    )
    pid = int(outside(cloud, sys.executable, "-c", start).stdout)

    def is_gone() -> bool:
        shown = subprocess.run(
            ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=False
        )
        return b"session_plugin" not in shown.stdout

    eventually("the plugin's end", is_gone)
