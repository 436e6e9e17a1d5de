"""A deploy in a separate process, which a drill can observe, kill, and run against another.

    python -m drills.kit.deployer --change head --clock-off 300 <ENVIRONMENT.json

Deploys the environment that it is given, except for the change, without asking. Prints a line of
JSON for each step that begins and one for the outcome, and exits as `invoke deploy` does. Touches
AWS.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import patch

from botocore.compat import get_current_datetime

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.image_settings import BESIDE
from common.waiting import Clock, SystemClock
from deploy.release.release import Release
from deploy.rollout.operation import Operation
from deploy.rollout.prepare import Prepared, prepare_deploy

CHANGES = ("none", "head", "tag")
TAG = "drill"
SIZES = ("medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge")


class StepPrinter:
    """Prints each step as it begins and ends. Fits common.progress.Progress."""

    def begin(self, title: str) -> None:
        """Print that a step begins."""
        print_event(begins=title, at=time.time())

    def say(self, words: str) -> None:
        """Print nothing: these words are for a person."""

    def end(self, outcome: str) -> None:
        """Print the outcome of the step."""
        print_event(outcome=outcome, at=time.time())


def with_change(environment: Environment, change: str, **limits: int) -> Environment:
    """Return the environment with settings of another release, which needs no bake.

    ``head``: heads of the next size; ``tag``: a tag that heads and workers are launched with.
    """
    desired = content_of(environment)
    if change == "head":
        desired["head"]["instance_type"] = next_size(environment.head.instance_type)
    elif change == "tag":
        desired["tags"][TAG] = "under way"
    desired["limits"] |= limits
    return Environment.model_validate(desired)


def content_of(environment: Environment) -> dict[str, Any]:
    """Return an environment as its file would have it, which can be changed and validated again."""
    content = environment.model_dump(mode="json")
    content["images"] |= {name: content.pop(key) for name, key in BESIDE.items()}
    return content


def next_size(instance_type: str) -> str:
    """Return the next larger size, for example m6i.xlarge for m6i.large.

    Raises Refused when the size has none in SIZES.
    """
    family, _, size = instance_type.partition(".")
    larger = dict(pairwise(SIZES))
    if size not in larger:
        raise Refused(
            f"no larger size than {instance_type} is known",
            hint=f"set head.instance_type to one of {', '.join(larger)}",
        )
    return f"{family}.{larger[size]}"


@contextmanager
def shifted_clock(seconds: float) -> Iterator[None]:
    """Shift this process's clock by ``seconds``, and that of its signatures, until the end."""
    real, signs, off = time.time, get_current_datetime, timedelta(seconds=seconds)
    with (
        patch("time.time", lambda: real() + seconds),
        patch("botocore.auth.get_current_datetime", lambda **how: signs(**how) + off),
    ):
        yield


def print_event(**words: Any) -> None:
    """Print a line of JSON for the process that started this one."""
    print(json.dumps(words), flush=True)


def deploy(environment: Environment, clock: Clock) -> None:
    """Deploy without asking; do nothing when the plan is empty."""
    clients = Clients(environment.region)

    def prepare(clock: Clock, release: Release | None) -> Prepared:
        return prepare_deploy(environment, clients, clock=clock, release=release)

    prepared = prepare(clock, None)
    print_event(plan=prepared.rollout.plan.words)
    if not prepared.rollout.plan.is_empty:
        operation = Operation(
            environment, clients, clock, prepare, StepPrinter(), agree=lambda prepared: True
        )
        operation.run(prepared)


def main() -> None:
    """Deploy, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--change", choices=CHANGES, default="none")
    parser.add_argument("--clock-off", type=float, default=0.0)
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=SECONDS")
    options = parser.parse_args()
    limits = {name: int(value) for name, value in (one.split("=") for one in options.limit)}
    try:
        given = Environment.model_validate(json.load(sys.stdin))
        environment = with_change(given, options.change, **limits)
        with shifted_clock(options.clock_off):
            deploy(environment, SystemClock())
    except PipelineError as error:
        print_event(error=error.message)
        sys.exit(error.exit_code)
    print_event(error="")


if __name__ == "__main__":
    main()
