"""Task doctor: look for what would make a bake or a deploy fail."""

import os
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from commands.failures import FAILED, plain_errors
from commands.shared import DEFAULT_ENV, ENV, JSON, clients_of, environment_at
from common.started import as_started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.operate.diagnosis import Diagnosis


@task(help={"env": ENV, "json": JSON})
def doctor(c: Context, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """Check the account, this machine and the way to AWS for ENV; exit 2 when a check fails."""
    with plain_errors():
        environment = environment_at(env)
        from common.checkout import cache
        from deploy.operate.doctor import diagnose

        clients, on_aws = clients_of(environment), environment.provider == "aws"
        bakes = os.environ.get("RAYKILN_ONLY") != "deploy"  # run.sh installs no Packer then
        found = diagnose(clients, environment, cache=cache(), sessions=on_aws, bakes_here=bakes)
        if "fail" in print_diagnoses(found, json):
            raise Exit("", FAILED)


def print_diagnoses(found: "Iterator[Diagnosis]", as_json: bool) -> set[str]:
    """Print each diagnosis, for a person as soon as it is made; return the states seen."""
    from dataclasses import asdict

    from deploy.report.console import console, print_json

    shown = []
    for one in found:
        shown.append(one)
        if not as_json:
            console.print(as_started(str(one)), markup=False)
    if as_json:
        print_json([asdict(one) for one in shown])
    return {one.state for one in shown}
