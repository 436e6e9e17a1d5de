"""Tasks: bake images, list them, promote them."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import (
    BAKE,
    DEFAULT_ENV,
    ENV,
    YES,
    approve,
    clients_of,
    environment_at,
)
from common.started import as_started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from bake.bake import BakeResult
    from bake.catalog import Image
    from bake.wanted import WantedImage
    from common.environment import Environment
    from deploy.release.promotion import Promotion


@task(
    help={
        "env": ENV,
        "role": "head or worker (default: both)",
        "image": "NAME of [images.NAME] (default: all)",
        "force": "bake again what is already verified",
    }
)
def bake(
    c: Context, env: str = DEFAULT_ENV, role: str = "", image: str = "", force: bool = False
) -> None:
    """Bake and test the images of ENV that do not exist yet."""
    with plain_errors():
        from bake.wanted import wanted_images
        from deploy.report.console import console

        def fetch(environment: "Environment") -> None:
            fetch_wheels(environment, wanted_images(environment, role, image))

        environment = environment_at(env, prepare=fetch, inside=True, act_as=BAKE)
        baked = bake_images(environment, wanted_images(environment, role, image), force)
        for line in lines_of(baked):
            console.print(line)


def fetch_wheels(environment: "Environment", wanted: "tuple[WantedImage, ...]") -> None:
    """Fetch the images' wheels; the package index cannot be reached from inside a closed VPC.

    Before that, checks what a person adds; raises Refused with all mistakes, and for an environment
    that bakes no images.
    """
    from bake.additions import read_additions
    from bake.bake import check_bakes
    from bake.image_wheels import fetch_wheels as fetch
    from common.checkout import REPOSITORY, cache
    from deploy.report.console import live_steps

    check_bakes(environment)
    additions = read_additions(environment, wanted, model=model_of(environment, wanted))
    with live_steps() as steps:
        steps.begin("wheels")
        # A bake checks them before it uses them; one with nothing to do need not.
        fetch(environment, additions.items(), REPOSITORY, cache(), steps.say, check=False)


def model_of(environment: "Environment", wanted: "tuple[WantedImage, ...]") -> "Path | None":
    """Return the documents' embedding model, made if an image holds it; None where none does."""
    if not any(environment.image_named(image.name).documents for image in wanted):
        return None
    from commands.documents_runtime import model_folder
    from common.checkout import cache

    return model_folder(cache())


def bake_images(
    environment: "Environment", wanted: "tuple[WantedImage, ...]", force: bool
) -> "BakeResult":
    """Bake images, with a line for each."""
    from bake.bake import bake
    from bake.context import BakeContext
    from common.checkout import cache, home
    from deploy.report.console import live_lines

    with live_lines() as lines:
        context = BakeContext(
            clients_of(environment),
            environment,
            home(),
            cache(),
            lines,
            model=model_of(environment, wanted),
        )
        return bake(context, wanted=wanted, force=force)


def lines_of(baked: "BakeResult") -> "Iterator[str]":
    """Yield what was done for each image."""
    for wanted, image in baked.images.items():
        done = "verified, nothing to do"
        if wanted in baked.new:
            done = "baked and verified"
        elif wanted in baked.tested:
            done = "tested again, verified"
        yield f"{wanted}: {image.ami_id} {image.digest[:12]} {done}"


@task(default=True, name="list", help={"env": ENV})
def images(c: Context, env: str = DEFAULT_ENV) -> None:
    """List the images, newest first."""
    with plain_errors():
        environment = environment_at(env, act_as=BAKE)
        from datetime import UTC, datetime

        from bake.catalog import images as baked_images
        from deploy.report.console import show_table

        columns = ("AMI", "role", "image", "digest", "Ray", "git", "created", "state", "verified")
        found = baked_images(clients_of(environment), disabled=True)
        rows = [row_of(image, datetime.now(UTC)) for image in found]
        show_table(f"Images of {env}", columns, rows)


def row_of(image: "Image", now: "datetime") -> tuple[str, ...]:
    """Return the columns of an image."""
    deprecated = image.state == "available" and image.is_deprecated(now)
    state = "deprecated" if deprecated else image.state
    what = (image.ami_id, image.role, image.name or "-", image.digest[:12], image.ray_version)
    return (*what, image.git, image.created, state, image.verified or "no")


@task(
    help={
        "to": "the environment whose channel is set: a file in environments/",
        "from": "the environment that serves the images (default: promotion.source of --to)",
        "back": "set what the channel named before",
        "yes": YES,
    }
)
def promote(c: Context, to: str, from_: str = "", back: bool = False, yes: bool = False) -> None:
    """Have TO deployed from the images that another environment serves."""
    with plain_errors():
        target = environment_at(to, act_as=BAKE)
        carry_out(promotion_to(target, from_, back), target, yes)


def promotion_to(target: "Environment", source: str, back: bool) -> "Promotion":
    """Return the promotion that was asked for."""
    from common.environment import load_environment
    from common.errors import Refused
    from deploy.release.promotion import plan_promotion, plan_way_back

    if back:
        return plan_way_back(clients_of(target), target)
    source = source or (target.promotion.source if target.promotion else "")
    if not source:
        raise Refused(
            f"{target.name} names no environment to promote images from",
            hint="give --from, or write [promotion] source into its file",
        )
    return plan_promotion(clients_of(target), load_environment(source), target)


def carry_out(promotion: "Promotion", target: "Environment", yes: bool) -> None:
    """Show a promotion, ask, copy images from elsewhere, and set the channel."""
    from datetime import UTC, datetime

    from common.waiting import SystemClock
    from deploy.release.promotion import promote, with_copies
    from deploy.report.console import console, live_lines

    for words in promotion.words:
        console.print(words, markup=False)
    if promotion.is_empty:
        console.print(f"{target.name}: nothing to promote", markup=False)
        return
    approve(f"Have {target.name} deployed from these?", yes)
    clients, now = clients_of(target), datetime.now(UTC)
    if promotion.copying:
        with live_lines() as lines:
            promotion = with_copies(clients, promotion, now, clock=SystemClock(), lines=lines)
    promote(clients, promotion, now)
    console.print(as_started(f"invoke deploy --env {target.name} rolls them out"), markup=False)
