"""Ray's processes below the guard, with a fake ``ray`` package: what is started,
and that it ends.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from node.ray.head_start import starter
from tests.unit.node import pretended_ray

REPOSITORY = Path(__file__).parents[4]

GUARD = """
import os, sys, time
from pathlib import Path
from node.ray.launches import Launches
from node.ray.processes import descendants
from node.ray.head_process import RayHeadProcess
from tests.unit.node.fakes import FakeGcs, an_identity

def wait(is_so):
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)

ray = RayHeadProcess(an_identity(), FakeGcs("10.0.0.1"), Launches(Path("launches.json")))
wait(ray.warm)
assert not os.path.exists(os.environ["TOLD"] + ".whole"), "nothing of Ray runs yet"
ray.start()
wait(lambda: os.path.exists(os.environ["TOLD"] + ".whole"))
assert ray.is_running()
assert ray.is_healthy()
{then}
"""


def guarded(tmp_path: Path, then: str, **settings: str) -> Path:
    """Run a guard that warms and starts the fake Ray, and return what Ray was called with."""
    site, told = tmp_path / "site", tmp_path / "told"
    pretended_ray.install(site)
    environment = {**os.environ, "TOLD": str(told), "PYTHONPATH": str(site), **settings}
    command = [sys.executable, "-c", GUARD.format(then=then)]
    subprocess.run(command, check=True, cwd=REPOSITORY, env=environment, timeout=90)
    return Path(f"{told}.whole")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    path = guarded(tmp_path_factory.mktemp("ray"), "wait(ray.kill); assert not descendants()")
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_one_kill_ends_all_of_ray_with_its_daemons(told: dict[str, object]) -> None:
    assert told  # the guard's own assertions: warm, started, healthy, killed, nothing left


def test_ray_gets_its_address_and_starts_no_autoscaler(told: dict[str, object]) -> None:
    argv = told["argv"]
    assert isinstance(argv, list)

    assert argv[:3] == ["ray", "start", "--head"]
    assert {"--block", "--num-cpus=0", "--node-ip-address=10.0.0.1"} <= set(argv)
    assert "--no-monitor" in argv


def test_ray_finds_its_token_by_path_and_its_instance_by_name(told: dict[str, object]) -> None:
    assert told["settings"] == {
        "RAY_CLOUD_INSTANCE_ID": "i-0a",
        "RAY_NODE_TYPE_NAME": "head",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": "/run/ray/token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ROTATION_MAX_BYTES": "33554432",
        "RAY_ROTATION_BACKUP_COUNT": "2",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_PROMETHEUS_HOST": "http://127.0.0.1:9090",
        "RAY_GRAFANA_HOST": "DISABLED",
    }


def test_ray_starts_first_what_clients_and_workers_wait_for(told: dict[str, object]) -> None:
    assert told["started"] == [
        "GCS",
        "raylet",
        "dashboard: warm,heard",
        "raylet is alive",
        "client server",
        "log monitor",
    ]


def test_the_raylet_of_a_head_has_our_agent_and_nothing_else_changes() -> None:
    told: dict[str, list[str]] = {}
    services = SimpleNamespace(start_ray_process=lambda command, kind: told.update({kind: command}))
    start = starter(services, SimpleNamespace())  # type: ignore[arg-type]
    agent = "/opt/ray/lib/python3.11/site-packages/ray/dashboard/agent.py"
    command = ["raylet", f"--dashboard_agent_command=python -u {agent} --head", agent]

    start(command, "raylet")
    start(command, "log_monitor")

    ours = "--dashboard_agent_command=python -u -m node.ray.dashboard_agent --head"
    assert told["raylet"] == ["raylet", ours, agent]
    assert told["log_monitor"] == command


def test_without_a_warm_dashboard_ray_starts_its_own(tmp_path: Path) -> None:
    path = guarded(tmp_path, "wait(ray.kill)", RAY_BREAKS_THE_DASHBOARD="1")

    assert json.loads(path.read_text())["started"][2] == "dashboard: cold,heard"


def test_ray_does_not_inherit_the_guards_socket(told: dict[str, object]) -> None:
    assert told["stdin"] == "/dev/null"


def test_a_killed_ray_can_be_warmed_and_started_again(tmp_path: Path) -> None:
    then = "wait(ray.kill); wait(ray.warm); ray.start(); assert ray.is_running(); wait(ray.kill)"

    assert guarded(tmp_path, then).exists()


def test_ray_ends_with_its_gcs(tmp_path: Path) -> None:
    then = """
os.kill(int(open(os.environ["TOLD"] + ".gcs_server.pids").read()), 9)
wait(lambda: not ray.is_running())
wait(ray.kill)
"""

    assert guarded(tmp_path, then).exists()


def test_an_autoscaler_that_is_killed_is_started_again_and_ray_runs_on(tmp_path: Path) -> None:
    then = """
def monitors():
    called = lambda pid: open(f"/proc/{pid}/cmdline").read().split(chr(0))[1:4]
    wanted = ["-m", "node.ray.autoscaler", "10.0.0.1"]
    return [pid for pid in descendants() if called(pid) == wanted]

wait(monitors)
(first,) = monitors()
os.kill(first, 9)
wait(lambda: ray.is_running() and monitors() not in ([], [first]))
wait(ray.kill)
assert not descendants()
"""

    assert guarded(tmp_path, then).exists()


def test_a_ray_that_is_not_warm_cannot_be_started(tmp_path: Path) -> None:
    then = """
wait(ray.kill)
try:
    ray.start()
except RuntimeError as error:
    assert "not warm" in str(error)
else:
    raise AssertionError("it was started")
"""

    assert guarded(tmp_path, then).exists()
