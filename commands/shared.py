"""What the tasks share: their options, the way to an environment's AWS, and questions."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.clients import Clients
    from common.environment import Environment

DEFAULT_ENV = os.environ.get("RAYKILN_ENV", "local")
ENV = "a file in environments/ (default: RAYKILN_ENV, or local)"
YES = "do not ask first"
JSON = "print JSON"
BREAK_LOCK = "take the deploy lock from another deployer"


def environment_at(
    name: str, prepare: Callable[["Environment"], object] = lambda environment: None
) -> "Environment":
    """Return the environment, with this process in the network where its AWS is.

    For the local cloud that is inside its VPC, as an operator on a VPN would be. ``prepare`` is
    called before the process leaves the network of this machine.
    """
    from common.environment import load_environment

    environment = load_environment(name)
    if environment.provider == "localcloud":
        from localcloud import session

        if not session.is_inside():
            prepare(environment)
            session.enter()
    return environment


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
