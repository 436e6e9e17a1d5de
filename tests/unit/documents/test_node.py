"""What a container runs: Ray with the task's own facts, and what becomes of its processes."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from common.errors import PipelineError, Refused
from documents import node
from documents.health import takes_connections
from documents.node import Node, await_end, head, leave, worker
from documents.ray_start import ray_arguments, ray_variables
from documents.task import Task, task_from

TASK = Task("10.78.1.5", cpus=2, memory=4 * 2**30)
SECRET = {"RAY_AUTH_TOKEN": "t"}
LONG = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node whose looks follow each other at once."""
    monkeypatch.setattr(node, "EVERY", 0.01)
    return Node(TASK, {**SECRET, "PATH": "/usr/bin:/bin"})


def test_a_task_is_what_its_metadata_says() -> None:
    container = {"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.78.1.5"]}]}

    found = task_from(container, {"Limits": {"CPU": 0.25, "Memory": 512}})

    assert found == Task("10.78.1.5", cpus=1, memory=512 * 2**20)


def test_no_consumer_can_be_on_the_head() -> None:
    arguments = ray_arguments(TASK, "head", "")

    assert {"--head", "--num-cpus=0", "--port=6379", "--node-ip-address=10.78.1.5"} <= {*arguments}


def test_a_worker_has_the_cpus_and_the_memory_of_its_task() -> None:
    arguments = ray_arguments(TASK, "worker", "head.internal")

    assert {"--address=head.internal:6379", "--num-cpus=2"} <= {*arguments}
    # A tenth is for objects; Ray counts it apart.
    assert {"--object-store-memory=429496729", "--memory=3865470567"} <= {*arguments}


def test_without_a_token_ray_is_not_started() -> None:
    with pytest.raises(Refused, match="there is no RAY_AUTH_TOKEN"):
        ray_variables({})

    assert ray_variables(SECRET)["RAY_AUTH_MODE"] == "token"


def commands(monkeypatch: pytest.MonkeyPatch, codes: dict[str, int | None]) -> list[str]:
    """Have each process of the head end with a code, or go on; return those started, in order."""
    started = []
    real = Node.start

    def start(self: Node, name: str, *command: str) -> None:
        started.append(name)
        code = codes[name]
        stays = LONG if code is None else [sys.executable, "-c", f"raise SystemExit({code})"]
        real(self, name, *stays)

    monkeypatch.setattr(Node, "start", start)
    monkeypatch.setattr(node, "answers", lambda url: True)
    return started


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ({"ray": None, "keeper": 3, "answers": 0}, "keeper ended with 3"),
        ({"ray": None, "keeper": None, "answers": 2}, "answers ended with 2"),
    ],
)
def test_the_head_ends_with_any_of_its_processes(
    here: Node, monkeypatch: pytest.MonkeyPatch, codes: dict[str, int | None], words: str
) -> None:
    started = commands(monkeypatch, codes)

    with pytest.raises(PipelineError, match=words):
        head(here)

    assert started == ["ray", "keeper", "answers"]
    leave(here, "head")
    assert not any(here.has(name) for name in started)


def test_a_deployed_application_is_no_end(here: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, {"ray": None, "keeper": None, "answers": 0})
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if not here.has("answers") and looks > 100:
            raise KeyboardInterrupt
        real(0.01)

    real = time.sleep
    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        head(here)
    monkeypatch.undo()
    leave(here, "head")


def test_ray_that_ends_while_it_starts_is_said_at_once(
    here: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(monkeypatch, {"ray": 7, "keeper": None, "answers": None})
    monkeypatch.setattr(node, "answers", lambda url: False)

    with pytest.raises(PipelineError, match="Ray ended with 7"):
        head(here)


def joining(here: Node, monkeypatch: pytest.MonkeyPatch, codes: list[int | None]) -> list[str]:
    """Let a worker find its head at once; its Ray ends with these codes, one start after another.

    One that stays is killed at its second look. Returns what was logged.
    """
    said: list[str] = []
    left = iter(codes)
    real = Node.start

    stays = True

    def start(self: Node, name: str, *command: str) -> None:
        nonlocal stays
        code = next(left, 1)
        stays = code is None
        real(self, name, *(LONG if stays else [sys.executable, "-c", f"exit({code})"]))

    def answers(url: str) -> bool:
        if said[-1:] == ["joined"]:
            here.stop("ray", 0)
        if not stays:
            here._children["ray"].wait(60)
        return here.has("ray")

    here.environment["HEAD_NAME"] = "head.internal"
    monkeypatch.setattr(node, "await_head", lambda node, name: "10.78.1.4")
    monkeypatch.setattr(Node, "start", start)
    monkeypatch.setattr(node, "answers", answers)
    monkeypatch.setattr(node, "log", lambda event, **fields: said.append(event))
    return said


def test_a_worker_whose_ray_has_ended_joins_again(
    here: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = joining(here, monkeypatch, [1, None, None, 1, 1, 1, 1, 1])

    with pytest.raises(PipelineError, match="Ray ended with 1"):
        worker(here)

    assert [event for event in said if event != "starting"] == [
        "not joined",
        *("joined", "Ray has ended"),
        *("joined", "Ray has ended"),
        *["not joined"] * 4,
    ]
    assert here.environment["RAY_ADDRESS"] == "10.78.1.4:6379"


def test_a_worker_without_a_head_says_so(here: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "STARTS_WITHIN", 0.05)
    here.environment["HEAD_NAME"] = "no-head.invalid"

    with pytest.raises(PipelineError, match=r"no head at no-head\.invalid in 0 s"):
        worker(here)


def silent(times: int) -> Callable[[str], bool]:
    """Return what a raylet answers that is silent so often, then answers, then is gone."""
    looks = iter([False] * times + [True])
    return lambda url: next(looks, False)


def test_a_raylet_that_is_silent_for_a_moment_is_not_given_up(
    here: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.start("ray", *LONG)
    asked: list[str] = []
    answer = silent(4)

    def answers(url: str) -> bool:
        asked.append(url)
        return answer(url)

    monkeypatch.setattr(node, "answers", answers)

    await_end(here)

    assert len(asked) == 4 + 1 + 5
    assert set(asked) == {"http://10.78.1.5:52365/api/local_raylet_healthz"}
    here.stop("ray")


def test_a_worker_does_not_wait_for_a_head_that_is_gone(
    here: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(monkeypatch, {"ray": None, "departure": None})
    here.start("ray")
    with socket.create_server(("127.0.0.1", 0)) as gcs:
        port = gcs.getsockname()[1]
        here.environment["RAY_ADDRESS"] = f"127.0.0.1:{port}"
        assert takes_connections("127.0.0.1", port)
    began = time.monotonic()

    leave(here, "worker")

    assert time.monotonic() - began < 30
    assert here.code("departure") == -signal.SIGTERM
    assert here.code("ray") == -signal.SIGTERM


def test_a_worker_waits_for_its_consumers_while_there_is_a_head(
    here: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Node.start
    lasts = [sys.executable, "-c", "import time; time.sleep(1)"]
    monkeypatch.setattr(Node, "start", lambda self, name, *command: real(self, name, *lasts))
    here.start("ray")
    with socket.create_server(("127.0.0.1", 0)) as gcs:
        here.environment["RAY_ADDRESS"] = f"127.0.0.1:{gcs.getsockname()[1]}"

        leave(here, "worker")

    assert here.code("departure") == 0


def test_who_ignores_sigterm_is_killed(here: Node, tmp_path: Path) -> None:
    ignores = tmp_path / "ignores"
    script = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ignores)!r}, 'w')"
    here.start("ray", sys.executable, "-c", f"{script}; time.sleep(600)")
    while not ignores.exists():
        time.sleep(0.01)

    here.stop("ray", 0.2)

    assert here.code("ray") == -signal.SIGKILL


def main_of(*arguments: str, **variables: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "documents.node", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **variables},
        check=False,
    )


def test_it_says_plainly_what_is_missing() -> None:
    assert "'' is no role" in main_of().stderr
    outside = main_of("worker")
    assert outside.returncode == 1
    assert "there is no ECS_CONTAINER_METADATA_URI_V4" in outside.stderr
    assert "Traceback" not in outside.stderr


@pytest.mark.parametrize(
    ("role", "end", "healthy", "reported"),
    [
        ("head", PipelineError("ray ended with 137", hint=""), True, True),
        ("worker", PipelineError("no head", hint=""), True, False),
        ("head", node.Leaving(), True, False),
        ("head", node.Leaving(), False, True),
        ("worker", node.Leaving(), False, False),
    ],
)
def test_a_head_that_fails_is_reported_and_one_that_is_stopped_is_not(
    monkeypatch: pytest.MonkeyPatch, role: str, end: Exception, healthy: bool, reported: bool
) -> None:
    said: list[str] = []

    def run(here: Node) -> None:
        raise end

    monkeypatch.setattr(sys, "argv", ["node", role])
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(node, "this_task", lambda: TASK)
    monkeypatch.setattr(node, "ray_variables", lambda environ: {})
    monkeypatch.setattr(node, role, run)
    monkeypatch.setattr(node, "is_healthy", lambda role: healthy)
    monkeypatch.setattr(node, "report_failure", lambda client, name: said.append(name))
    monkeypatch.setenv("DOCUMENTS_REGION", "us-east-1")
    monkeypatch.setenv("ENVIRONMENT_NAME", "dev")
    with suppress(PipelineError):
        node.main()

    assert said == ["dev"] * reported
