"""Tasks: bake images, and list them."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import BAKE, DEFAULT_ENV, ENV, clients_of, environment_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bake.bake import BakeResult
    from bake.catalog import Image
    from bake.wanted import WantedImage
    from common.environment import Environment


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

    Before that, checks what a person adds; raises Refused with all mistakes.
    """
    from bake.additions import read_additions
    from bake.image_wheels import fetch_wheels as fetch
    from common.checkout import REPOSITORY, cache
    from deploy.report.console import live_steps

    additions = read_additions(environment, wanted)
    with live_steps() as steps:
        steps.begin("wheels")
        fetch(environment, additions.items(), REPOSITORY, cache(), steps.say)


def bake_images(
    environment: "Environment", wanted: "tuple[WantedImage, ...]", force: bool
) -> "BakeResult":
    """Bake images, with a line for each."""
    from bake.bake import bake
    from bake.context import BakeContext
    from common.checkout import cache, home
    from deploy.report.console import live_lines

    with live_lines() as lines:
        context = BakeContext(clients_of(environment), environment, home(), cache(), lines)
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


@task(help={"env": ENV})
def images(c: Context, env: str = DEFAULT_ENV) -> None:
    """List the images, newest first."""
    with plain_errors():
        environment = environment_at(env, act_as=BAKE)
        from bake.catalog import images as baked_images
        from deploy.report.console import show_table

        columns = ("AMI", "role", "image", "digest", "Ray", "git", "created", "verified")
        rows = [row_of(image) for image in baked_images(clients_of(environment))]
        show_table(f"Images of {env}", columns, rows)


def row_of(image: "Image") -> tuple[str, ...]:
    """Return the columns of an image."""
    what = (image.ami_id, image.role, image.name or "-", image.digest[:12], image.ray_version)
    return (*what, image.git, image.created, image.verified or "no")
