"""Tasks: bake images, and list them."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, clients_of, environment_at

if TYPE_CHECKING:
    from bake.bake import BakeResult
    from common.environment import Environment


@task(
    help={
        "env": ENV,
        "role": "head or worker (default: both)",
        "force": "bake again what is already verified",
    }
)
def bake(c: Context, env: str = DEFAULT_ENV, role: str = "", force: bool = False) -> None:
    """Bake and test the images of ENV that do not exist yet."""
    with plain_errors():
        baked = bake_images(environment_at(env, prepare=fetch_wheels), role, force)
        from deploy.report.console import console

        for image in baked.images:
            new = "baked and verified" if image.role in baked.new else "verified, nothing to do"
            console.print(f"{image.role}: {image.ami_id} {image.digest[:12]} {new}")


def fetch_wheels(environment: "Environment") -> None:
    """Fetch the images' wheels; the package index cannot be reached from inside a closed VPC."""
    from bake.wheelhouse import fetch_wheelhouse
    from common.checkout import cache
    from deploy.report.console import live_steps

    with live_steps() as steps:
        steps.begin("wheels")
        fetch_wheelhouse(environment, cache(), steps.say)


def bake_images(environment: "Environment", role: str, force: bool) -> "BakeResult":
    """Bake the images of a role, or of all; raises Refused when there is no such role."""
    from bake.bake import bake
    from bake.files import ROLES
    from common.checkout import cache, home
    from common.errors import Refused
    from deploy.report.console import step

    if role and role not in ROLES:
        raise Refused(f"there is no role {role!r}", hint=f"choose one of {', '.join(ROLES)}")
    with step("bake") as steps:
        return bake(
            clients_of(environment),
            environment,
            home=home(),
            cache=cache(),
            roles=(role,) if role else ROLES,
            force=force,
            progress=steps.say,
        )


@task(help={"env": ENV})
def images(c: Context, env: str = DEFAULT_ENV) -> None:
    """List the images, newest first."""
    with plain_errors():
        environment = environment_at(env)
        from bake.catalog import images as baked_images
        from deploy.report.console import show_table

        columns = ("AMI", "role", "digest", "Ray", "git", "created", "verified")
        rows = [
            (i.ami_id, i.role, i.digest[:12], i.ray_version, i.git, i.created, i.verified or "no")
            for i in baked_images(clients_of(environment))
        ]
        show_table(f"Images of {env}", columns, rows)
