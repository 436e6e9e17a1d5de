"""How tests invoke commands on the environment of their run: on a local cloud, or on AWS.

On AWS the owner of the account makes it ready for the run, and each command is invoked with the
credentials of its role; on the local cloud commands become these roles by themselves.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands.shared import BAKE, DEPLOY
from common.clients import Clients
from common.progress import Silent
from common.waiting import SystemClock
from deploy.account.account_setup import assume_role, set_up_account
from localcloud import control
from localcloud.session import operator_command
from tests.cloud.harness import REPOSITORY, home, require_machines
from tests.cloud.suite_run import ID, SuiteRun, base_environment

Done = subprocess.CompletedProcess[str]
BAKES = ("bake", "images")


class Invoke:
    """Invokes commands as an operator does, in a process each, on the environment of a run."""

    def __init__(self, run: SuiteRun, owner: Clients | None = None) -> None:
        self.run = run
        self._owner = owner

    def __call__(self, *arguments: str, code: int = 0) -> Done:
        command = [sys.executable, "-m", "invoke", *arguments]
        with self._as_role_of(arguments[0]):
            done = subprocess.run(
                command, cwd=REPOSITORY, capture_output=True, text=True, check=False
            )
        assert done.returncode == code, f"{arguments}:\n{done.stdout[-4000:]}{done.stderr}"
        return done

    @contextmanager
    def _as_role_of(self, task: str) -> Iterator[None]:
        """On AWS, act as the role that may do this for a while."""
        with pytest.MonkeyPatch.context() as patch:
            if self._owner:
                role = BAKE if task in BAKES else DEPLOY
                for name, value in assume_role(self._owner, self.run.environment(), role).items():
                    patch.setenv(name, value)
            yield


@contextmanager
def invoking(folder: Path) -> Iterator[Invoke]:
    """Yield what invokes commands; on a local cloud of its own, all that they create is deleted.

    On AWS, whoever started the run deletes it: that works too when this process is killed.
    """
    run = SuiteRun(base_environment(), os.environ.get(ID) or secrets.token_hex(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYKILN_ENV", run.write(folder / "environment"))
        if run.is_local:
            require_machines()
            with local_cloud(folder / "home"):
                yield Invoke(run)
                swept(run)
        else:
            owner = Clients(run.base.region)
            set_up_account(owner, run.environment(), clock=SystemClock(), progress=Silent())
            yield Invoke(run, owner)


@contextmanager
def local_cloud(folder: Path) -> Iterator[None]:
    """A local cloud that is up, with its home in this folder."""
    with home(folder):
        control.up()
        try:
            yield
        finally:
            control.down()


def swept(run: SuiteRun) -> None:
    """Delete what a run has created on the local cloud; assert that nothing is left."""
    command = [sys.executable, "-m", "tests.cloud", "--env", "local", "--sweep", run.id, "--yes"]
    done = subprocess.run(
        operator_command(command), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, [f"nothing is left of {run.id}"])
