"""``python -m tests.cloud --env NAME``: the tests of this folder that can, on NAME's account.

Says what that creates and costs, asks, runs them, and deletes it all, whatever happened; with
``--sweep ID`` only the latter. See ``invoke test --env``.
"""

import argparse
import os
import re
import secrets
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from commands.failures import INTERRUPTED
from commands.shared import approve
from common.clients import Clients
from common.environment import Environment, load_environment
from common.errors import PipelineError, Refused
from common.waiting import SystemClock
from deploy.plan.preflight import check_credentials
from deploy.plan.price_table import prices_of
from deploy.report.console import console, live_steps
from tests.cloud.suite_run import ENV, ID, MOST_WORKERS, TAG, SuiteRun
from tests.cloud.sweep import sweep

HOURS = 3  # longer than a run should take: two bakes, a deploy, two rolls, a lost head
HEADS, BUILDS, ZONES = 2, 2, 2
WHAT = """\
This creates in the account {account}, {region}, and deletes again:
  the roles of the environment {name}, and three images with their snapshots;
  {place}, with {endpoints} endpoints, and a load balancer;
  up to {fleet}.
All is named {name}, or has the tag {tag}={id}. It takes up to {hours} hours and costs {cost}.
Should this be killed: ./run.sh test --only cloud --env {env} --sweep {id}"""


def main(arguments: list[str]) -> int:
    """Run or sweep; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.cloud")
    parser.add_argument("--env", required=True)
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--sweep", default="", metavar="ID")
    options = parser.parse_args(arguments)
    try:
        if options.sweep and not re.fullmatch("[0-9a-f]{6}", options.sweep):
            raise Refused(f"{options.sweep!r} is no id of a run", hint="it has six digits, 0 to f")
        run = SuiteRun(load_environment(options.env), options.sweep or secrets.token_hex(3))
        if options.sweep:
            approve(f"Delete all of {run.name} in {run.base.account_id}?", options.yes)
            return delete_all(run, options.env)
        return run_tests(run, options.env, options.yes)
    except KeyboardInterrupt:
        print("Interrupted: what is left is deleted with --sweep, as said above.", file=sys.stderr)
        return INTERRUPTED
    except PipelineError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def run_tests(run: SuiteRun, env: str, yes: bool) -> int:
    """Run the tests; on AWS, ask before and delete afterwards. Raises Refused."""
    if run.is_local:
        return tested(run, env)
    check_credentials(Clients(run.base.region), run.environment())
    console.print(what(run, env), markup=False, soft_wrap=True)
    approve("Go ahead?", yes)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        code = tested(run, env)
    finally:
        left = delete_all(run, env)
    return code or left


def tested(run: SuiteRun, env: str) -> int:
    """Run pytest and return its code; what interrupts this interrupts that, once."""
    told = os.environ | {ENV: env, ID: run.id}
    with subprocess.Popen(pytest_command(), env=told, start_new_session=True) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                os.killpg(process.pid, signal.SIGINT)


def pytest_command() -> list[str]:
    """Return the command that runs the tests of this folder, and names those that are skipped."""
    folder = str(Path(__file__).parent)
    return [sys.executable, "-m", "pytest", "-rs", "--durations=15", folder]


def delete_all(run: SuiteRun, env: str) -> int:
    """Delete all of a run, and say what is left; return the exit code."""
    console.print(f"deleting all of {run.id}")
    with live_steps() as steps:
        left = sweep(run, Clients(run.base.region), clock=SystemClock(), progress=steps)
    for words in left:
        console.print(f"left: {words}", markup=False)
    if left:
        again = f"./run.sh test --only cloud --env {env} --sweep {run.id}"
        console.print(f"  → run {again}", markup=False, soft_wrap=True)
        return PipelineError.exit_code
    console.print(f"nothing is left of {run.id}")
    return 0


def what(run: SuiteRun, env: str) -> str:
    """Say what a run creates, for how long, and what that costs at most."""
    made = run.environment()
    network = made.network
    return WHAT.format(
        account=made.account_id,
        region=made.region,
        name=run.name,
        place=f"stacks in {network.vpc_id}" if network.vpc_id else f"a VPC {network.cidr}",
        endpoints=ZONES * len(network.interfaces),
        fleet=", ".join(f"{count} {kind}" for kind, count in instances(made).items()),
        tag=TAG,
        id=run.id,
        hours=HOURS,
        cost=cost(made),
        env=env,
    )


def instances(made: Environment) -> Counter[str]:
    """Return how many instances there are at most, by type: a roll has two heads at once, and a
    bake builds or tests two images.
    """
    (group,) = made.workers.values()
    found = Counter({made.head.instance_type: HEADS})
    found[group.instance_types[0]] += MOST_WORKERS
    found[made.image.build_instance_type] += BUILDS
    return found


def cost(made: Environment) -> str:
    """Return what instances, endpoints, NAT and the load balancer cost for all the hours."""
    prices, fleet = prices_of(made.region), instances(made)
    if prices is None or not set(fleet) <= set(prices.hour):
        return f"what no table of ours has: invoke prices --region {made.region} fetches one"
    hour = sum(count * prices.hour[kind] for kind, count in fleet.items())
    hour += prices.load_balancer_hour + ZONES * len(made.network.interfaces) * prices.endpoint_hour
    hour += (prices.nat_hour + prices.address_hour) if made.network.nat else 0
    return f"up to ${hour * HOURS:.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
