"""What the tasks share: their options, the way to an environment's AWS, and questions."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from invoke.exceptions import ParseError

if TYPE_CHECKING:
    from common.clients import Clients
    from common.environment import Environment

DEFAULT_ENV = os.environ.get("RAYKILN_ENV", "local")
ENV = "a file in environments/ (default: RAYKILN_ENV, or local)"
YES = "do not ask first"
JSON = "print JSON"
# Whom the local cloud's commands act as, like whoever has that role's credentials on AWS. The owner
# has an account that may not be set up yet; for all others it is.
OWNER, ADMINISTRATOR, BAKE, DEPLOY = "owner", "administrator", "bake", "deploy"
BREAK_LOCK = "take the deploy lock from another deployer"


class Count(int):
    """A whole number from the command line; raises ParseError, which invoke prints, for other text.

    invoke converts an option's text with the type of its default.
    """

    def __new__(cls, text: str | int) -> Self:
        try:
            return super().__new__(cls, text)
        except ValueError as error:
            raise ParseError(f"{text!r} is not a whole number") from error


class Seconds(float):
    """Seconds from the command line; raises ParseError, which invoke prints, for other text."""

    def __new__(cls, text: str | float) -> Self:
        try:
            return super().__new__(cls, text)
        except ValueError as error:
            raise ParseError(f"{text!r} is not a number of seconds") from error


def environment_at(
    name: str,
    prepare: Callable[["Environment"], object] = lambda environment: None,
    *,
    inside: bool = False,
    act_as: str = DEPLOY,
) -> "Environment":
    """Return the environment, with this process in the network where its AWS is.

    For the local cloud that is a network outside of its VPC, or with ``inside`` the VPC itself, as
    for an operator on a VPN; and with the credentials of the role ``act_as``, which on AWS whoever
    calls brings. ``prepare`` is called before the process leaves the network of this machine.
    """
    from common.environment import load_environment

    environment = load_environment(name)
    if environment.provider == "localcloud":
        from localcloud import session

        if not session.is_operator():
            prepare(environment)
            session.enter(inside=inside, account=environment.account_id)
            become(environment, act_as)
        elif inside and not session.is_inside():
            session.enter(inside=True, account=environment.account_id)
            become(environment, act_as)
    return environment


@contextmanager
def until_stopped(say: Callable[[str], object]) -> Iterator[None]:
    """Go on until Ctrl-C, which is no failure, or SIGTERM, which ends the process in order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    except KeyboardInterrupt:
        say("closed")


def become(environment: "Environment", role: str) -> None:
    """Act as a role of the environment's account from now on, in this process and its children.

    What the account needs is created first, as its owner does with account.setup. The local cloud's
    operator is owner and administrator by itself.
    """
    if role == OWNER:
        return
    from common.progress import Silent
    from common.waiting import SystemClock
    from deploy.account.account_setup import assume_role, set_up_account

    clients = clients_of(environment)
    set_up_account(clients, environment, clock=SystemClock(), progress=Silent())
    if role != ADMINISTRATOR:
        os.environ.update(assume_role(clients, environment, role))


def clients_of(environment: "Environment") -> "Clients":
    """Return the clients of the environment's region."""
    from common.clients import Clients

    return Clients(environment.region)


def approve(question: str, yes: bool) -> None:
    """Return when ``yes`` or when a person says so; raises Refused otherwise."""
    from common.errors import Refused
    from deploy.report.console import confirm

    if not (yes or confirm(question)):
        raise Refused("Nothing was changed.", hint="answer y on a terminal, or give --yes")
