"""Tasks images.*: what is known of one, what differs between two, which drills passed, which go."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import (
    BAKE,
    DEFAULT_ENV,
    ENV,
    JSON,
    YES,
    Count,
    approve,
    clients_of,
    environment_at,
)

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.operate.image_facts import ImageDifference, ImageFacts
    from deploy.operate.image_uses import Retention

KEEP, DAYS, DELETE_DAYS = Count(3), Count(30), Count(180)


@task(positional=["ami"], help={"ami": "an image's id", "env": ENV, "json": JSON})
def show(c: Context, ami: str, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """Show what is known of an image, and what uses it."""
    with plain_errors():
        from datetime import UTC, datetime

        from deploy.operate.image_facts import image_facts
        from deploy.operate.image_uses import retention_of

        environment = environment_at(env, act_as=BAKE)
        retention, now = retention_of(KEEP, DAYS, DELETE_DAYS), datetime.now(UTC)
        show_lines(image_facts(clients_of(environment), environment, ami, retention, now), json)


@task(
    positional=["old", "new"],
    help={
        "old": "an image's id",
        "new": "the id to compare it with",
        "env": ENV,
        "json": JSON,
        "page": "write it as an HTML page to this file",
    },
)
def diff(
    c: Context, old: str, new: str, env: str = DEFAULT_ENV, json: bool = False, page: str = ""
) -> None:
    """Show what differs between two images: packages, units, users, files, settings, kernels."""
    with plain_errors():
        from deploy.operate.image_facts import image_difference

        environment = environment_at(env, act_as=BAKE)
        found = image_difference(clients_of(environment), environment.images_bucket, old, new)
        if page:
            write_page(found, page)
        show_lines(found, json)


def write_page(found: "ImageDifference", path: str) -> None:
    """Write it as a page; raises Refused where that cannot be written."""
    from pathlib import Path

    from common.whole_file import write_files
    from deploy.report.image_page import difference_page

    hint = "give --page a file in a folder that exists"
    write_files({Path(path): difference_page(found)}, hint=hint)


@task(help={"env": ENV})
def attest(c: Context, env: str = DEFAULT_ENV) -> None:
    """Sign which drills have passed on ENV, for the images that it serves."""
    with plain_errors():
        environment = environment_at(env, act_as=BAKE)
        from common.checkout import home
        from deploy.report.console import console
        from drills.kit.attest import attest as sign

        for words in sign(clients_of(environment), environment, home()):
            console.print(words, markup=False)


def show_lines(found: "ImageFacts | ImageDifference", as_json: bool) -> None:
    """Print it for a person, or as JSON."""
    from deploy.report.console import console, print_json

    if as_json:
        print_json(found.as_json())
        return
    for words in found.words:
        console.print(words, markup=False)


@task(
    help={
        "env": ENV,
        "keep": "how many images of each kind and of each channel stay (default: 3)",
        "days": "what was baked, of a channel or served within them is untouched (default: 30)",
        "delete-days": "verified images are deleted when unused for as many (default: 180)",
        "yes": YES,
    }
)
def prune(
    c: Context,
    env: str = DEFAULT_ENV,
    keep: int = KEEP,
    days: int = DAYS,
    delete_days: int = DELETE_DAYS,
    yes: bool = False,
) -> None:
    """Deprecate, disable, at last delete the images that nothing needs; sweep killed bakes."""
    with plain_errors():
        from deploy.operate.image_uses import retention_of

        retention = retention_of(keep, days, delete_days)
        prune_images(environment_at(env, act_as=BAKE), retention, yes)


def prune_images(environment: "Environment", retention: "Retention", yes: bool) -> None:
    """Show what goes, what changes and what stays, ask, and carry it out."""
    from datetime import UTC, datetime

    from common.errors import PipelineError
    from common.waiting import SystemClock
    from deploy.operate.image_prune import plan_prune
    from deploy.operate.image_prune import prune as delete
    from deploy.report.console import console, live_steps

    clients, now = clients_of(environment), datetime.now(UTC)
    plan = plan_prune(clients, environment, retention, now)
    for words in plan.words:
        console.print(words, markup=False)
    if plan.is_empty:
        console.print("nothing to prune")
        return
    approve("Change and delete these?", yes)
    with live_steps() as steps:
        steps.begin("prune")
        left = delete(clients, environment, retention, plan, SystemClock(), steps.say, now)
        steps.end(f"saved {plan.saving}" if plan.gib else "")
    if left:
        raise PipelineError(
            "some snapshots were not deleted\n" + "\n".join(f"  {words}" for words in left),
            hint="prune again in a few hours: it finds them by their tag",
        )
