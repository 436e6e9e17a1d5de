"""Tasks documents.*: deploy the document pipeline, look at it, pause, check and delete it."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from commands.failures import FAILED, plain_errors
from commands.shared import (
    DEFAULT_ENV,
    ENV,
    JSON,
    YES,
    approve,
    clients_of,
    environment_at,
)
from common.started import as_started

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.documents.deploy import Deployment
    from deploy.documents.image import Images
    from deploy.documents.plan import DeployPlan

NAME = "the environment's name, instead of typing it"


@task(
    help={
        "env": ENV,
        "yes": YES,
        "force": "replace the tasks even if nothing has changed",
        "accept-losses": "let the stack replace or delete what holds data",
    }
)
def deploy(
    c: Context,
    env: str = DEFAULT_ENV,
    yes: bool = False,
    force: bool = False,
    accept_losses: bool = False,
) -> None:
    """Show the plan for the documents of ENV, ask, carry it out, and see that it is in use."""
    with plain_errors():
        environment = pipeline_environment_at(env, builds=True)
        deploy_pipeline(environment, yes, force, accept_losses)


@task(help={"env": ENV})
def plan(c: Context, env: str = DEFAULT_ENV) -> None:
    """Show what documents.deploy would do; change nothing."""
    with plain_errors():
        environment = pipeline_environment_at(env, builds=True)
        show_plan(environment, deployment_of(environment, force=False).plan())


@task(help={"env": ENV, "yes": YES})
def pause(c: Context, env: str = DEFAULT_ENV, yes: bool = False) -> None:
    """Stop head and workers of the documents of ENV; what comes meanwhile waits."""
    with plain_errors():
        set_paused(pipeline_environment_at(env), True, yes)


@task(help={"env": ENV, "yes": YES})
def resume(c: Context, env: str = DEFAULT_ENV, yes: bool = False) -> None:
    """Start head and workers again after a pause."""
    with plain_errors():
        set_paused(pipeline_environment_at(env), False, yes)


@task(help={"env": ENV, "json": JSON, "document": "show who did what to this document instead"})
def status(c: Context, env: str = DEFAULT_ENV, json: bool = False, document: str = "") -> None:
    """Show tasks, documents, backlog, alarms and today's numbers; exit 2 when unhealthy."""
    with plain_errors():
        environment = pipeline_environment_at(env)
        show_history(environment, document, json) if document else show_status(environment, json)


@task(help={"env": ENV, "json": JSON})
def verify(c: Context, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """Check all of the documents of ENV, with a document of its own; exit 2 when a check fails."""
    with plain_errors():
        verify_pipeline(pipeline_environment_at(env), json)


@task(help={"env": ENV})
def cost(c: Context, env: str = DEFAULT_ENV) -> None:
    """Show what the documents of ENV cost a month, and what other choices would."""
    with plain_errors():
        from common.environment import load_environment
        from deploy.documents.cost import COLUMNS, costs, note
        from deploy.report.console import console, show_table

        show_table(
            f"Documents of {env}", COLUMNS, [one.row for one in costs(load_environment(env))]
        )
        console.print(note(), markup=False)


@task(
    help={
        "env": ENV,
        "name": NAME,
        "keep-data": "keep the bucket, with an export of the tables in it",
    }
)
def destroy(c: Context, env: str = DEFAULT_ENV, name: str = "", keep_data: bool = False) -> None:
    """Show what would be lost, ask for the name of ENV, and delete its documents and all else."""
    with plain_errors():
        destroy_pipeline(pipeline_environment_at(env), name, keep_data)


def pipeline_environment_at(name: str, builds: bool = False) -> "Environment":
    """Return the environment, with this process where its AWS is; see ``environment_at``.

    ``builds``: before that, fetch what an image is made of.
    """
    fetch = prepare if builds else lambda environment: None
    return environment_at(name, fetch)


def prepare(environment: "Environment") -> None:
    """Fetch wheels, the model and the base, which are reached from this machine's network alone."""
    from common.checkout import cache
    from deploy.report.console import step

    if environment.documents.on_cluster:
        return  # its image is one of the cluster's, which invoke bake makes
    if environment.provider == "localcloud":
        from localcloud import control
        from localcloud.containers.base import ensure_base
        from localcloud.paths import paths

        if not control.status().running:
            return  # which is said when this process enters its network
        with step("base of container images") as steps:
            ensure_base(paths(), steps.say)
    if not environment.documents.image:
        from commands.documents_runtime import model_folder
        from deploy.documents.context import fetch_wheels

        with step("wheels and model") as steps:
            fetch_wheels(cache(), steps.say)
            model_folder(cache())


def images_of(environment: "Environment") -> "Images":
    """Return where the environment's image is from."""
    from commands.documents_runtime import model_folder
    from common.checkout import cache
    from deploy.documents.context import Ingredients, fetch_wheels
    from deploy.documents.image import BuiltImage, GivenImage

    if environment.documents.on_cluster or environment.documents.image:
        return GivenImage(environment.documents.image)
    wheels = fetch_wheels(cache(), lambda words: None)
    made = Ingredients(wheels, model_folder(cache()), environment.documents.base)
    return BuiltImage(clients_of(environment), made, cache() / "documents")


def deployment_of(environment: "Environment", force: bool) -> "Deployment":
    """Return a deploy of this environment's pipeline.

    Looks whose the credentials are before it fetches what the image is made of; raises Refused.
    """
    from common.waiting import SystemClock
    from deploy.documents.deploy import Deployment
    from deploy.plan.preflight import check_credentials

    clients = clients_of(environment)
    check_credentials(clients, environment)
    return Deployment(environment, clients, SystemClock(), images_of(environment), force)


def deploy_pipeline(
    environment: "Environment", yes: bool, force: bool, accept_losses: bool
) -> None:
    """Plan, ask, and carry it out."""
    from deploy.report.console import console, live_steps

    deployment = deployment_of(environment, force)
    found = deployment.plan()
    show_plan(environment, found)
    if found.is_empty:
        return
    keys = {name: ask_for(name) for name in found.keys}
    approve("Go ahead?", yes)
    with live_steps() as steps:
        pipeline = deployment.run(found, steps, keys=keys, accept_losses=accept_losses)
    if not pipeline.paused:
        console.print(
            as_started(f"invoke documents.add FILE --env {environment.name}"), markup=False
        )


def show_plan(environment: "Environment", found: "DeployPlan") -> None:
    """Print a plan for a person."""
    from deploy.report.console import console

    for words in found.words or (f"documents of {environment.name}: nothing to change",):
        console.print(words, markup=False)
    for finding in found.findings:
        hint = f" ({as_started(finding.hint)})" if finding.hint else ""
        console.print(f"note: {finding.words}{hint}", markup=False)


def ask_for(name: str) -> str:
    """Return a key that a person types, which is not shown; raises Refused without a terminal."""
    import sys
    from getpass import getpass

    from common.errors import Refused

    value = getpass(f"{name}: ").strip() if sys.stdin.isatty() else ""
    if not value:
        raise Refused(
            f"{name} has no value yet, and none was typed",
            hint="deploy on a terminal, or name a secret that has it under [documents]",
        )
    return value


def set_paused(environment: "Environment", paused: bool, yes: bool) -> None:
    """Say what it means, ask, and do it; where it is so already, see that it is done in full."""
    from common.waiting import SystemClock
    from deploy.documents.pause import PAUSE, RESUME, change_pause
    from deploy.documents.pipeline import find_pipeline
    from deploy.report.console import console, live_steps

    clients = clients_of(environment)
    if find_pipeline(clients, environment).paused != paused:
        console.print(PAUSE if paused else RESUME)
        approve("Go ahead?", yes)
    with live_steps() as steps:
        change_pause(clients, environment, paused, clock=SystemClock(), progress=steps)


def show_status(environment: "Environment", as_json: bool) -> None:
    """Print the status; exit 2 when there are problems."""
    from common.waiting import SystemClock
    from deploy.documents.status import read_documents_status
    from deploy.report.console import console, print_json, show_table

    found = read_documents_status(environment, clients_of(environment), clock=SystemClock())
    if as_json:
        print_json(found.as_json())
    else:
        for section in found.sections():
            show_table(section.title, section.columns, section.rows)
        for problem in found.problems:
            console.print(f"! {as_started(problem)}", markup=False)
    if not found.is_healthy:
        raise Exit("", FAILED)


def show_history(environment: "Environment", name: str, as_json: bool) -> None:
    """Print what was done to a document."""
    from deploy.documents.history import read_history
    from deploy.report.console import print_json, show_table

    found = read_history(environment, clients_of(environment), name)
    if as_json:
        print_json(list(found.entries))
    else:
        show_table(found.section.title, found.section.columns, found.section.rows)


def verify_pipeline(environment: "Environment", as_json: bool) -> None:
    """Run the checks and print them; exit 2 when one fails."""
    from commands.cluster import print_checks
    from common.waiting import SystemClock
    from deploy.documents.checks import run_document_checks
    from deploy.report.console import step

    with step("verify", quiet=as_json) as steps:
        checks = run_document_checks(
            environment, clients_of(environment), clock=SystemClock(), progress=steps.say
        )
    print_checks(checks, as_json)
    if not all(one.passed for one in checks):
        raise Exit("", FAILED)


def destroy_pipeline(environment: "Environment", name: str, keep_data: bool) -> None:
    """Show what would be lost, have the name typed, and delete."""
    from common.errors import Refused
    from common.waiting import SystemClock
    from deploy.documents.destroy import Destruction
    from deploy.report.console import ask, console, live_steps

    destruction = Destruction(environment, clients_of(environment), SystemClock(), keep_data)
    if not destruction.exists():
        console.print(f"documents of {environment.name}: there are none", markup=False)
        return
    for words in destruction.words():
        console.print(words, markup=False)
    typed = name or ask(f"Type {environment.name} to delete this for good:")
    if typed != environment.name:
        raise Refused("Nothing was changed.", hint=f"type {environment.name}, or give --name")
    with live_steps() as steps:
        destruction.run(steps)
