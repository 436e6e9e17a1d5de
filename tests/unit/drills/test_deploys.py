"""A drill starts deploys as processes, awaits their steps and exits, and interrupts those left."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, cast

import pytest

from common.progress import Silent
from common.waiting import SystemClock
from drills.kit import deploys as module
from drills.kit.cluster import ClusterUnderTest, DrillFailed
from drills.kit.deploys import DONE, FAILED, DeployProcess
from drills.kit.phases import InitialState
from tests.unit.deploy.builders import an_environment

STEP = json.dumps({"begins": "hand the lease over to i-new"})
ERROR = json.dumps({"error": "no capacity"})
FAILS = f"print('{STEP}'); print('{ERROR}'); raise SystemExit(2)"
WAITS = f"print('{STEP}', flush=True); import time; time.sleep(60)"


@pytest.fixture
def cluster() -> Iterator[ClusterUnderTest]:
    unused = cast(Any, None)
    initial = InitialState(4, "i-old", ("i-old",), {}, frozenset())
    environment = an_environment()
    cluster = ClusterUnderTest(
        environment, unused, SystemClock(), unused, initial, unused, Silent()
    )
    with cluster.cleanup:
        yield cluster


def a_deploy(
    cluster: ClusterUnderTest, monkeypatch: pytest.MonkeyPatch, program: str
) -> DeployProcess:
    """Start a deploy whose process runs this program."""
    monkeypatch.setattr(module, "COMMAND", [sys.executable, "-c", program])
    return DeployProcess(cluster, ())


def test_a_deploy_that_fails_gives_its_steps_exit_code_and_error(
    cluster: ClusterUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy = a_deploy(cluster, monkeypatch, FAILS)

    deploy.await_step("hand the lease over")
    deploy.await_exit(FAILED)

    assert (deploy.exit_code, deploy.error) == (FAILED, "no capacity")
    assert cluster.figures["deploy"] > 0


class Ended(subprocess.Popen[str]):
    """A process that has exited before anything can be written to it."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.wait()


def test_a_deploy_that_exits_before_it_is_told_says_why(
    cluster: ClusterUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Ended)

    deploy = a_deploy(cluster, monkeypatch, FAILS)
    deploy.await_exit(FAILED)

    assert deploy.error == "no capacity"


def test_a_deploy_is_told_an_environment_that_has_no_file(
    cluster: ClusterUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "import json, sys; print(json.dumps({'error': json.load(sys.stdin)['name']}))"
    cluster.environment = an_environment(name="elsewhere")

    deploy = a_deploy(cluster, monkeypatch, f"{told}; raise SystemExit(2)")
    deploy.await_exit(FAILED)

    assert deploy.error == "elsewhere"


def test_another_exit_code_than_expected_fails_the_drill(
    cluster: ClusterUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DrillFailed, match=r"exited with 2 instead of \(0,\): no capacity"):
        a_deploy(cluster, monkeypatch, FAILS).await_exit(DONE)


def test_a_deploy_that_exits_before_the_step_fails_the_drill(
    cluster: ClusterUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DrillFailed, match="exited before 'retire'"):
        a_deploy(cluster, monkeypatch, FAILS).await_step("retire")


def test_a_deploy_that_still_runs_at_the_end_is_interrupted(
    cluster: ClusterUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = a_deploy(cluster, monkeypatch, WAITS)
    second = first.start_again()
    first.await_step("hand the lease over")
    second.await_step("hand the lease over")

    cluster.cleanup.close()

    assert not first.is_running
    assert not second.is_running
