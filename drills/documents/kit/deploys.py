"""Deploys that a drill starts, observes and kills; each is a process (deployer.py). Touches AWS."""

import sys
from threading import Thread

from common.environment import Environment
from deploy.foundation.stack import find_stack
from drills.documents.kit.under_test import PipelineUnderTest
from drills.kit.deployer import content_of
from drills.kit.deploys import begin

DONE, ROLLED_BACK = 0, 3  # exit codes
COMMAND = [sys.executable, "-m", "drills.documents.kit.deployer"]
MORE_MEMORY = 1024  # MiB, of a worker


class DeployProcess:
    """A running deploy. It is killed at the end of the drill if it still runs then."""

    def __init__(self, pipeline: PipelineUnderTest, environment: Environment) -> None:
        self._lines: list[str] = []
        self._process = begin(COMMAND, environment)
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
    """Start a deploy of the drill's environment, with another image or other settings if asked."""
    found = pipeline.pipeline
    return DeployProcess(pipeline, changed(found.environment, image or found.image, altered))


def changed(environment: Environment, image: str, altered: bool = False) -> Environment:
    """Return the environment with this image and, if ``altered``, what replaces some that runs.

    On Fargate the workers have more memory. On the cluster, where there is no image here, the
    application has another budget, and every resource another tag, since what the application is
    told is changed in a moment.
    """
    desired = content_of(environment)
    documents = desired["documents"]
    documents["image"] = image
    if altered and environment.documents.on_cluster:
        documents["tokens_per_day"] = (environment.documents.tokens_per_day or 0) + 1_000_000
        desired["tags"] = environment.tags | {"drill": "update"}
    elif altered:
        documents["worker"]["memory"] += MORE_MEMORY
    return Environment.model_validate(desired)
