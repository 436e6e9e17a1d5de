"""Tasks account.*: make an account ready for an environment, as its administrator."""

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import (
    DEFAULT_ENV,
    ENV,
    OWNER,
    YES,
    approve,
    clients_of,
    environment_at,
)

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.foundation.stack import Stack


@task(help={"env": ENV, "yes": YES})
def setup(c: Context, env: str = DEFAULT_ENV, yes: bool = False) -> None:
    """Create the roles that ENV is baked, deployed and used with; needs an administrator."""
    with plain_errors():
        set_up(environment_at(env, act_as=OWNER), yes)


@task(help={"env": ENV, "output": "a file to write (default: raykiln-ENV-account.yaml)"})
def template(c: Context, env: str = DEFAULT_ENV, output: str = "") -> None:
    """Write what account.setup would create, to be uploaded in CloudFormation's console."""
    with plain_errors():
        from common.environment import load_environment

        write_templates(load_environment(env), Path(output or f"raykiln-{env}-account.yaml"))


@task(help={"env": ENV, "yes": YES})
def remove(c: Context, env: str = DEFAULT_ENV, yes: bool = False) -> None:
    """Delete the roles of ENV and what is known of its images; GitHub's provider stays."""
    with plain_errors():
        from common.waiting import SystemClock
        from deploy.account.account_setup import remove_account
        from deploy.report.console import live_steps

        environment = environment_at(env, act_as=OWNER)
        approve(f"Delete {env}'s roles, and what is known of its images?", yes)
        clients, clock = clients_of(environment), SystemClock()
        with live_steps() as steps:
            remove_account(clients, environment, clock=clock, progress=steps)


def set_up(environment: "Environment", yes: bool) -> None:
    """Plan, ask, create; then say what the environment's file and the workflows need."""
    from common.waiting import SystemClock
    from deploy.account.account_setup import find_account_stack, plan_account, set_up_account
    from deploy.plan.preflight import check_credentials
    from deploy.report.console import console, live_steps

    clients, clock = clients_of(environment), SystemClock()
    check_credentials(clients, environment)
    plan = plan_account(clients, environment, clock=clock)
    for words in plan.words or (f"{environment.name}: nothing to change",):
        console.print(words, markup=False)
    stack = find_account_stack(clients, environment)
    if not plan.is_empty:
        approve(f"Change who may act in the account {environment.account_id}?", yes)
        with live_steps() as steps:
            stack = set_up_account(clients, environment, clock=clock, progress=steps)
    if stack:
        say_what_next(environment, stack)


def say_what_next(environment: "Environment", stack: "Stack") -> None:
    """Print the roles, and what is still to be written into files."""
    from deploy.report.console import console

    for name in ("BakeRoleArn", "DeployRoleArn", "ScientistRoleArn", "BoundaryArn"):
        console.print(f"{name} {stack.outputs[name]}", markup=False)
    boundary = stack.outputs["BoundaryArn"]
    if environment.nodes.permissions_boundary != boundary:
        line = f'permissions_boundary = "{boundary}"'
        console.print(f"next: below [nodes] of {environment.name}.toml: {line}", markup=False)


def write_templates(environment: "Environment", file: Path) -> None:
    """Write the template of each stack, and say what to upload it as."""
    from common.whole_file import write_files
    from deploy.account import desired_account, desired_copies
    from deploy.report.console import console

    name = desired_account.stack_name(environment)
    texts = {file: desired_account.filled_in(environment)}
    told = [f"{file}: upload it in the console as the stack {name}"]
    if desired_copies.desired_copies(environment):
        name = desired_copies.copies_stack(environment)
        more = file.with_name(f"{name}.yaml")
        texts[more] = desired_copies.filled_in(environment)
        told.append(f"{more}: upload it after that, as the stack {name}")
    write_files(texts, hint="name another file by --output")
    for words in told:
        console.print(words)
    say_provider(environment)
    say_linked_roles(environment)


def say_provider(environment: "Environment") -> None:
    """Print how to name GitHub's identity provider, of which an account has only one."""
    from deploy.account.account_setup import provider_arn
    from deploy.report.console import console

    account = environment.account
    if not account.repository or account.oidc_provider_arn:
        return
    arn = provider_arn(environment)
    console.print(
        "before that, if the account has GitHub's identity provider already, as from another "
        "environment's stack (aws iam list-open-id-connect-providers shows it), as AWS takes no "
        f"second one: write below [account] of {environment.name}.toml, and write the file again",
        markup=False,
    )
    console.print(f'    oidc_provider_arn = "{arn}"', markup=False)


def say_linked_roles(environment: "Environment") -> None:
    """Print the commands that make the service-linked roles, of which a template has none."""
    from deploy.account.account_setup import needed_linked_roles
    from deploy.report.console import console

    console.print("then, for each service-linked role that the account lacks (doctor names them):")
    for service in needed_linked_roles(environment):
        command = f"aws iam create-service-linked-role --aws-service-name {service}"
        console.print(f"    {command}", markup=False)
