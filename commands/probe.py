"""Task probe: ask AWS whether it does what Raykiln takes for granted."""

import json
import sys
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import (
    ADMINISTRATOR,
    DEFAULT_ENV,
    ENV,
    YES,
    approve,
    clients_of,
    environment_at,
)

if TYPE_CHECKING:
    from common.environment import Environment

WHAT = (
    "This creates in {region}, one after the other, and removes again: instances of the smallest "
    "type, an Auto Scaling group, launch templates, a DynamoDB table, a parameter, a VPC with "
    "security groups, stacks with an SNS topic, with roles that may list zones or open and end "
    "sessions, and with one for an instance's SSM agent, and a load balancer on the internet with "
    "an instance whose SSH all can reach, but without a key to log in with. All have a tag "
    "raykiln:probe, and the environment's. A metric in RaykilnProbe stays until CloudWatch drops "
    "it. It costs less than $0.10 and takes about half an hour. Go ahead?"
)


@task(
    iterable=["name"],
    help={"name": "a probe; without it, all", "env": ENV, "yes": YES, "list": "only list them"},
)
def probe(
    c: Context, name: list[str], env: str = DEFAULT_ENV, yes: bool = False, list: bool = False
) -> None:
    """Ask AWS, in ENV's account, what Raykiln takes for granted; exit 2 where it does otherwise."""
    with plain_errors():
        if list:
            exit_code = ask(["--list", *name])
        else:
            environment = environment_at(env, act_as=ADMINISTRATOR)
            if environment.provider == "aws":
                approve(WHAT.format(region=environment.region), yes)
            exit_code = ask([*where(environment), *name])
        if exit_code:
            raise Exit("", exit_code)


def where(environment: "Environment") -> list[str]:
    """Return the probes' options: the environment's region and tags, and its heads' base image."""
    from bake.base_image import resolve_base_image

    image = resolve_base_image(clients_of(environment), environment.image)
    tags = json.dumps(environment.tags)
    return ["--region", environment.region, "--image", image.ami_id, "--tags", tags]


def ask(arguments: list[str]) -> int:
    """Run the probes, which are no part of what is shipped; return their exit code."""
    from commands.children import patiently

    return patiently([sys.executable, "-m", "tests.probes", *arguments])
