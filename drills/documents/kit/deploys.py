"""Deploys that a drill starts, observes and kills; each is a process (deployer.py). Touches AWS."""

import subprocess
import sys
from threading import Thread

from deploy.foundation.stack import find_stack
from drills.documents.kit.under_test import PipelineUnderTest

DONE, ROLLED_BACK = 0, 3  # exit codes


class DeployProcess:
    """A running deploy. It is killed at the end of the drill if it still runs then."""

    def __init__(self, pipeline: PipelineUnderTest, options: tuple[str, ...]) -> None:
        self._lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "drills.documents.kit.deployer", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        pipeline.cleanup.callback(self.kill)
        self._pipeline = pipeline

    def kill(self) -> None:
        """Kill it, as kill -9 does."""
        self._process.kill()
        self._process.wait()

    def await_update(self, seconds: float) -> None:
        """Wait until CloudFormation carries its change out; fails when it exits before."""
        name = self._pipeline.pipeline.environment.documents_stack

        def is_updating() -> bool:
            self._pipeline.expect(self._process.poll() is None, f"the deploy exited: {self.said}")
            stack = find_stack(self._pipeline.clients, name)
            return stack is not None and stack.status == "UPDATE_IN_PROGRESS"

        self._pipeline.await_that("the stack's update", is_updating, seconds, lambda: self.said)

    def await_exit(self, code: int, seconds: float) -> None:
        """Wait until it exits; raises DrillFailed unless with this exit code."""
        self._pipeline.await_that(
            "the deploy's exit",
            lambda: self._process.poll() is not None,
            seconds,
            lambda: self.said,
        )
        self._reader.join()
        found = self._process.returncode
        words = f"the deploy exited with {found} instead of {code}: {self.said}"
        self._pipeline.expect(found == code, words)

    @property
    def said(self) -> str:
        """The end of what it has printed."""
        return " ".join(self._lines[-3:])

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.append(line.strip())


def deploy(pipeline: PipelineUnderTest, *, image: str = "", altered: bool = False) -> DeployProcess:
    """Start a deploy of the environment's file, with another image or other settings if asked."""
    found = pipeline.pipeline
    given = ("--image", image or found.image, *(("--altered",) if altered else ()))
    return DeployProcess(pipeline, (found.environment.name, *given))
