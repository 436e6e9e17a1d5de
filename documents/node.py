"""A container's only command: ``python3 -m documents.node head`` or ``worker``.

The head runs Ray's head and, beside it, the answers' deployment and the consumers' keeper; it ends
when any of them does, so that ECS starts another. A worker joins the head that its name resolves
to, and joins again whenever Ray has ended here: a raylet ends by itself when the head does not know
it any more. On SIGTERM both leave in order, the worker after its consumers have finished what they
work on (departure.py).
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from types import FrameType

from common.clients import Clients
from common.errors import PipelineError, Refused
from documents.errors import Unavailable
from documents.health import GCS_PORT, RAYLET, answers, head_url, is_healthy, takes_connections
from documents.log import JsonLog
from documents.program import run
from documents.ray_start import ray_arguments, ray_variables
from documents.reporting import report_failure
from documents.task import Task, this_task

STARTS_WITHIN = 240.0  # Ray, once its container runs; a worker also waits for the head
DEPARTS_WITHIN = 95.0  # Fargate kills 120 s after SIGTERM at the latest
STOPS_WITHIN = 15.0
TRIES = 5  # of a worker to join, in a row
EVERY = 2.0
SILENT = 5  # looks in a row at which a raylet, or the head, does not answer: it is gone

log = JsonLog("node")


class Leaving(Exception):
    """SIGTERM came; raised by its handler, in the middle of anything."""


class Node:
    """The processes of this container."""

    def __init__(self, task: Task, environ: Mapping[str, str]) -> None:
        self.task = task
        self.environment = {**environ, **ray_variables(environ)}
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> None:
        """Start a process beside the others."""
        log("starting", process=name)
        self._children[name] = subprocess.Popen(command, env=self.environment)

    def has(self, name: str) -> bool:
        """Say whether a process was started, and runs."""
        return name in self._children and self.code(name) is None

    def code(self, name: str) -> int | None:
        """Return the exit code of a process; None while it runs."""
        return self._children[name].poll()

    def stop(self, name: str, seconds: float = STOPS_WITHIN) -> None:
        """Have a process end by SIGTERM, or kill it after so many seconds."""
        if not self.has(name):
            return
        child = self._children[name]
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def head(node: Node) -> None:
    """Run the head's processes until one of them ends."""
    node.environment["RAY_ADDRESS"] = f"{node.task.address}:{GCS_PORT}"
    node.start("ray", *ray_arguments(node.task, "head", ""))
    await_ray(node, head_url(node.task.address))
    node.start("keeper", sys.executable, "-m", "documents.consumer")
    node.start("answers", sys.executable, "-m", "documents.serve")
    while True:
        ended = {name: node.code(name) for name in ("ray", "keeper", "answers")}
        if ended["answers"] == 0:  # it deploys, and ends
            del ended["answers"]
        for name, code in ended.items():
            if code is not None:
                raise PipelineError(f"{name} ended with {code}", hint="its last lines say why")
        time.sleep(EVERY)


def worker(node: Node) -> None:
    """Join the head, again whenever Ray has ended; raises PipelineError when it cannot."""
    head_name = node.environment.get("HEAD_NAME", "")
    if not head_name:
        raise Refused("there is no HEAD_NAME", hint="it is the head's name in Cloud Map")
    tries = 0
    while True:
        node.environment["RAY_ADDRESS"] = f"{await_head(node, head_name)}:{GCS_PORT}"
        node.start("ray", *ray_arguments(node.task, "worker", head_name))
        try:
            await_ray(node, raylet_url(node.task))
        except PipelineError as error:
            tries += 1
            if tries == TRIES:
                raise
            # A head takes connections before workers can join it.
            log("not joined", why=error.message)
        else:
            tries = 0
            log("joined", head=node.environment["RAY_ADDRESS"])
            await_end(node)
            log("Ray has ended", code=node.code("ray"))
        node.stop("ray")


def await_end(node: Node) -> None:
    """Return when Ray has ended on this node.

    Its command goes on when a raylet has ended as it was asked to (ray/scripts/scripts.py, 2.60).
    """
    silent = 0
    while node.has("ray") and silent < SILENT:
        time.sleep(EVERY)
        silent = 0 if answers(raylet_url(node.task)) else silent + 1


def raylet_url(task: Task) -> str:
    """Return where this node's agent says whether its raylet is healthy."""
    return f"http://{task.address}:{RAYLET}/api/local_raylet_healthz"


def await_head(node: Node, name: str) -> str:
    """Return the head's address once its GCS takes connections."""
    deadline, last = time.monotonic() + STARTS_WITHIN, ""
    while time.monotonic() < deadline:
        try:
            address = socket.gethostbyname(name)
            with socket.create_connection((address, GCS_PORT), timeout=2.0):
                return address
        except OSError as error:
            last = str(error)
        time.sleep(EVERY)
    raise PipelineError(
        f"no head at {name} in {STARTS_WITHIN:.0f} s: {last}",
        hint="see the head's service; this worker ends, and ECS starts another",
    )


def await_ray(node: Node, url: str) -> None:
    """Return when Ray answers there; raises PipelineError when it ended or did not in time."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if answers(url):
            return
        if (code := node.code("ray")) is not None:
            raise PipelineError(f"Ray ended with {code}", hint="its last lines say why")
        time.sleep(EVERY)
    raise PipelineError(
        f"Ray did not answer within {STARTS_WITHIN:.0f} s", hint="give the task more CPU"
    )


def await_departure(node: Node) -> None:
    """Wait until the consumers have finished, as long as there is a head that they are asked by."""
    host, _, port = node.environment["RAY_ADDRESS"].rpartition(":")
    deadline, silent = time.monotonic() + DEPARTS_WITHIN, 0
    while node.has("departure") and silent < SILENT and time.monotonic() < deadline:
        time.sleep(EVERY)
        silent = 0 if takes_connections(host, int(port)) else silent + 1
    node.stop("departure", EVERY)


def leave(node: Node, role: str) -> None:
    """Stop the processes, the consumers of a worker first."""
    log("leaving", role=role)
    if role == "worker" and node.has("ray"):
        node.start("departure", sys.executable, "-m", "documents.departure")
        await_departure(node)
    for name in ("answers", "keeper", "ray"):
        node.stop(name)


def report(node: Node) -> None:
    """Report that this head has failed; ECS starts another, whether CloudWatch knows or not."""
    try:
        cloudwatch = Clients(node.environment.get("DOCUMENTS_REGION", ""))("cloudwatch")
        report_failure(cloudwatch, node.environment.get("ENVIRONMENT_NAME", ""))
    except (Unavailable, PipelineError) as error:
        log("not reported", reason=str(error))


def main() -> None:
    """Run until SIGTERM, or until something that must run has ended."""
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in ("head", "worker"):
        raise Refused(f"{role!r} is no role", hint="python3 -m documents.node head | worker")
    node = Node(this_task(), os.environ)

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        raise Leaving

    signal.signal(signal.SIGTERM, stop)
    try:
        head(node) if role == "head" else worker(node)
    except Leaving:
        # ECS also stops, in the same way, a task that its health check calls ill.
        if role == "head" and not is_healthy(role):
            report(node)
        leave(node, role)
    except PipelineError:
        if role == "head":
            report(node)
        raise


if __name__ == "__main__":
    run(main)
