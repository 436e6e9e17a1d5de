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
from functools import partial
from pathlib import Path

import pytest

from commands.shared import BAKE, DEPLOY
from common.account_roles import role_arn
from common.clients import Clients, translated
from common.environment import Environment
from common.errors import Unanswered
from common.progress import Silent
from common.waiting import Clock, Seen, SystemClock, wait_for
from deploy.account.account_setup import SESSION, assume_role, set_up_account
from localcloud import control
from localcloud.session import operator_command
from tests.cloud.harness import REPOSITORY, home, require_machines
from tests.cloud.suite_run import ID, SuiteRun, base_environment

Done = subprocess.CompletedProcess[str]
BAKES = ("bake", "images")
ROLE_SECONDS = 300.0


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
            owner, clock = Clients(run.base.region), SystemClock()
            set_up_account(owner, run.environment(), clock=clock, progress=Silent())
            await_roles(owner, run.environment(), clock)
            yield Invoke(run, owner)


def await_roles(owner: Clients, environment: Environment, clock: Clock) -> None:
    """Wait until the roles that commands act as can be assumed, and may read; raises TimedOut.

    What IAM has created takes a while until all of AWS knows it: https://docs.aws.amazon.com/IAM/
    latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """
    for arn in (role_arn(environment, BAKE), role_arn(environment, DEPLOY)):
        wait_for(
            f"the role {arn}",
            partial(answers, owner, arn),
            clock=clock,
            seconds=ROLE_SECONDS,
            every=2.0,
            hint="look at it in IAM; what was created is deleted with --sweep",
        )


def answers(owner: Clients, arn: str) -> Seen[bool]:
    """Look whether a role can be assumed, and whether its policies hold already."""
    try:
        clients = owner.as_role(arn, owner.region, SESSION)
        with translated(f"asking as {arn}"):
            clients("sts").get_caller_identity()
            clients("ec2").describe_availability_zones()
    except Unanswered as error:
        return Seen(None, error.message)
    return Seen(True, "it answers")


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
