"""Deploys that a drill starts, observes and kills; each is a process (deployer.py). Touches AWS.

A drill's deploy changes what is launched: from the release of the environment's file to another
one, or back to that of the file when another is served already.
"""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from common.environment import Environment
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.state import read_state
from drills.kit.cluster import ClusterUnderTest, DrillFailed
from drills.kit.deployer import content_of

TIMEOUT = 900.0
DONE, REFUSED, FAILED, ROLLED_BACK = 0, 1, 2, 3
# Titles of a plan's steps (deploy/plan/roll.py), or parts of them.
AWAIT_STANDBY = "wait for the new head to stand by"
HAND_OVER = "hand the lease over"
COMMAND = (sys.executable, "-m", "drills.kit.deployer")
# Begins the message of a deploy that is refused because of another one (deploy/rollout/lock.py).
ANOTHER_DEPLOYER = "another deployer is"


def begin(
    command: Sequence[str], environment: Environment, options: Sequence[str] = ()
) -> "subprocess.Popen[str]":
    """Begin a deploy of an environment, which it is told: it need not have a file below
    ``environments/``. One that exits before it reads that says why by its output and exit code.
    """
    process = subprocess.Popen(
        [*command, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if process.stdin:
        with suppress(BrokenPipeError), process.stdin as given:
            json.dump(content_of(environment), given)
    return process


class DeployProcess:
    """A running deploy. It is interrupted at the end of the drill if it still runs then."""

    def __init__(self, cluster: ClusterUnderTest, options: tuple[str, ...]) -> None:
        self._cluster, self._options, self._began = cluster, options, time.time()
        self._process = begin(COMMAND, cluster.environment, options)
        self._events: list[dict[str, Any]] = []
        self._other: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        cluster.cleanup.callback(self.stop)

    @property
    def steps(self) -> list[str]:
        """The titles of the steps that have begun."""
        return [event["begins"] for event in self._events if "begins" in event]

    @property
    def error(self) -> str:
        """The message of the error that ended it, or else the end of its other output."""
        errors = [event["error"] for event in self._events if event.get("error")]
        return str((errors or ["".join(self._other[-12:])])[-1])

    @property
    def is_running(self) -> bool:
        """It has not exited."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int:
        """Its exit code, as that of `invoke deploy`; waits until it exits."""
        return self._process.wait()

    def await_step(self, words: str) -> None:
        """Wait until a step whose title contains ``words`` begins.

        Raises DrillFailed when the deploy exits before.
        """

        def has_begun() -> bool:
            is_running = self.is_running
            if not is_running:
                self._reader.join()  # so that all its steps are known
            if any(words in step for step in self.steps):
                return True
            if not is_running:
                raise DrillFailed(
                    f"the deploy exited before {words!r}: {self.error}",
                    hint=f"invoke plan --env {self._cluster.environment.name}",
                )
            return False

        self._cluster.wait(f"the deploy at {words!r}", has_begun, TIMEOUT, self._last_step)

    def kill(self) -> None:
        """Kill it, as kill -9 does."""
        self._process.kill()
        self._process.wait()

    def await_exit(self, *codes: int) -> None:
        """Wait until it exits; raises DrillFailed unless with one of these exit codes."""
        what = "the deploy's exit"
        self._cluster.wait(what, lambda: not self.is_running, TIMEOUT, self._last_step)
        self._reader.join()
        self._cluster.figures["deploy"] = time.time() - self._began
        found = self._process.returncode
        self._cluster.expect(
            found in codes, f"the deploy exited with {found} instead of {codes}: {self.error}"
        )

    def start_again(self) -> "DeployProcess":
        """Start another deploy with the same change and limits."""
        return DeployProcess(self._cluster, self._options)

    def stop(self) -> None:
        """Interrupt it if it still runs, as Ctrl-C does."""
        if self.is_running:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=120)

    def _last_step(self) -> str:
        return self.steps[-1] if self.steps else "no step has begun"

    def _read(self) -> None:
        for line in self._process.stdout or ():
            try:
                self._events.append(json.loads(line))
            except ValueError:
                self._other.append(line)


def deploy_heads(
    cluster: ClusterUnderTest,
    until: str = "",
    *,
    clock_off: float = 0.0,
    limits: tuple[str, ...] = (),
) -> DeployProcess:
    """Start a deploy of heads of another size; return when the step ``until`` begins.

    ``limits`` are NAME=SECONDS, of the environment's limits. Without ``until``, return at once.
    """
    change = _change_of_heads(cluster)
    options = ("--change", change, "--clock-off", str(clock_off))
    deploy = DeployProcess(cluster, (*options, *(f"--limit={limit}" for limit in limits)))
    if until:
        deploy.await_step(until)
    return deploy


def _change_of_heads(cluster: ClusterUnderTest) -> str:
    """Return the change that gives another release than the one that is served."""
    served, desired = read_state(cluster.clients, cluster.environment).release, cluster.environment
    if served is None:
        return "head"
    return "head" if served.settings.head_type == desired.head.instance_type else "none"


def new_heads(cluster: ClusterUnderTest) -> list[Instance]:
    """Return the heads that EC2 knows and that are not among the initial ones."""
    found = find_instances(cluster.clients, cluster.environment.name)
    return [i for i in found if i.role == "head" and i.id not in cluster.initial.heads]
