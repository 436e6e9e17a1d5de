"""A deploy in a process of its own, which a drill can watch, kill, and set against another.

    python -m drills.kit.deployer ENV --change head --clock-off 300

Deploys ENV as its file says but for the change, without asking, and prints a line of JSON for each
step that begins, and one for how it ended; exits as `invoke deploy` does. Touches AWS.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from common.clients import Clients
from common.environment import Environment, load_environment
from common.errors import PipelineError
from common.waiting import Clock, SystemClock
from deploy.release.release import Release
from deploy.rollout.operation import Operation
from deploy.rollout.prepare import Prepared, prepare_deploy

CHANGES = ("none", "head", "tag")
TAG = "drill"


class Told:
    """Prints each step as it begins. Fits common.progress.Progress."""

    def begin(self, title: str) -> None:
        """A step begins."""
        say(begins=title, at=time.time())

    def say(self, words: str) -> None:
        """What the step sees now is for a person."""

    def end(self, outcome: str) -> None:
        """The step is done."""
        say(outcome=outcome, at=time.time())


def changed(environment: Environment, change: str, **limits: int) -> Environment:
    """Return the environment with another release wanted: no bake, and nothing lasting.

    ``head``: heads of the next size; ``tag``: a tag that heads and workers are launched with.
    """
    desired = environment.model_dump(mode="json")
    if change == "head":
        desired["head"]["instance_type"] = next_size(environment.head.instance_type)
    elif change == "tag":
        desired["tags"][TAG] = "under way"
    desired["limits"] |= limits
    return Environment.model_validate(desired)


def next_size(instance_type: str) -> str:
    """Return the size above, for example m6i.xlarge for m6i.large."""
    family, _, size = instance_type.partition(".")
    sizes = ["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge"]
    return f"{family}.{sizes[sizes.index(size) + 1]}"


@contextmanager
def clock_off(seconds: float) -> Iterator[None]:
    """Have this process's clock off by so many seconds."""
    right = time.time
    with patch("time.time", lambda: right() + seconds):
        yield


def say(**words: Any) -> None:
    """Print a line for whoever started this."""
    print(json.dumps(words), flush=True)


def deploy(environment: Environment, clock: Clock) -> None:
    """Deploy without asking; does nothing when nothing is to be done."""
    clients = Clients(environment.region)

    def prepare(clock: Clock, release: Release | None) -> Prepared:
        return prepare_deploy(environment, clients, clock=clock, release=release)

    prepared = prepare(clock, None)
    say(plan=prepared.rollout.plan.words)
    if not prepared.rollout.plan.is_empty:
        Operation(environment, clients, clock, prepare, Told(), agree=lambda prepared: True).run(
            prepared
        )


def main() -> None:
    """Deploy, and tell how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("env")
    parser.add_argument("--change", choices=CHANGES, default="none")
    parser.add_argument("--clock-off", type=float, default=0.0)
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=SECONDS")
    options = parser.parse_args()
    limits = {name: int(value) for name, value in (one.split("=") for one in options.limit)}
    environment = changed(load_environment(options.env), options.change, **limits)
    try:
        with clock_off(options.clock_off):
            deploy(environment, SystemClock())
    except PipelineError as error:
        say(error=error.message)
        sys.exit(error.exit_code)
    say(error="")


if __name__ == "__main__":
    main()
