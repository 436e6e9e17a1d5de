"""Deploys that a drill starts, watches and kills; each is a process (deployer.py). Touches AWS.

A drill's deploy changes what is launched: from the release that the environment's file asks for to
another one, or back when another is served already.
"""

import json
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from deploy.cluster.state import Instance, find_instances, read_state
from deploy.release.release import settings_of
from drills.kit.scene import DrillFailed, Scene

SECONDS = 900.0
DONE, REFUSED, FAILED, WENT_BACK = 0, 1, 2, 3


class Deploy:
    """A deploy under way."""

    def __init__(self, scene: Scene, process: "subprocess.Popen[str]") -> None:
        self._scene, self._process, self._began = scene, process, time.time()
        self._lines: list[dict[str, Any]] = []
        self._other: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def steps(self) -> list[str]:
        """The steps that have begun."""
        return [line["begins"] for line in self._lines if "begins" in line]

    @property
    def said(self) -> str:
        """Why it ended."""
        told = [line["error"] for line in self._lines if line.get("error")]
        return str((told or ["".join(self._other[-12:])])[-1])

    @property
    def is_running(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int:
        """How it ended, as `invoke deploy` does."""
        return self._process.wait()

    def reaches(self, words: str) -> None:
        """Wait until a step whose title has these words begins; raises DrillFailed if it ends."""

        def begun() -> bool:
            if not any(words in step for step in self.steps) and not self.is_running:
                raise DrillFailed(f"the deploy ended before {words!r}: {self.said}")
            return any(words in step for step in self.steps)

        self._scene.wait(f"the deploy at {words!r}", begun, SECONDS, self._now)

    def kill(self) -> None:
        """Kill it, as kill -9 does."""
        self._process.kill()
        self._process.wait()

    def ends(self, *codes: int) -> None:
        """Wait until it ends; raises DrillFailed unless with one of these exit codes."""
        what = "the deploy's end"
        self._scene.wait(what, lambda: not self.is_running, SECONDS, self._now)
        self._reader.join()
        self._scene.figures["deploy"] = time.time() - self._began
        found = self._process.returncode
        self._scene.expect(
            found in codes, f"the deploy ended with {found} instead of {codes}: {self.said}"
        )

    def stop(self) -> None:
        """Interrupt it if it still runs, as Ctrl-C does."""
        if self.is_running:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=120)

    def _now(self) -> str:
        return self.steps[-1] if self.steps else "it begins"

    def _read(self) -> None:
        for line in self._process.stdout or ():
            try:
                self._lines.append(json.loads(line))
            except ValueError:
                self._other.append(line)


def begin_deploy(
    scene: Scene, change: str, *, clock_off: float = 0.0, limits: tuple[str, ...] = ()
) -> Deploy:
    """Begin a deploy with this change, of which the drill sees to it that none is left running."""
    module = [sys.executable, "-m", "drills.kit.deployer", scene.environment.name]
    options = ["--change", change, "--clock-off", str(clock_off)]
    process = subprocess.Popen(
        [*module, *options, *(f"--limit={limit}" for limit in limits)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deploy = Deploy(scene, process)
    scene.undo.callback(deploy.stop)
    return deploy


def another_release(scene: Scene, change: str) -> str:
    """Return the change that makes a release other than the one that is served now."""
    served, desired = read_state(scene.clients, scene.environment).release, scene.environment
    if served is None:
        return change
    override = served.settings.autoscaler_override
    return change if served.settings == settings_of(desired, override) else "none"


def newcomers(scene: Scene) -> list[Instance]:
    """Return the heads that were not there before, as soon as EC2 knows them."""
    found = find_instances(scene.clients, scene.environment.name)
    return [i for i in found if i.role == "head" and i.id not in scene.before.heads]
