"""Task images.compare: two bakes of the same lock give the same files."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.images import fetch_wheels, model_of
from commands.shared import BAKE, DEFAULT_ENV, ENV, clients_of, environment_at

if TYPE_CHECKING:
    from common.environment import Environment
    from deploy.operate.image_compare import ComparedImages


@task(
    iterable=["ami"],
    help={
        "ami": "an image's id; two of the same digest are compared, and nothing is baked",
        "env": ENV,
        "role": "head or worker (default: both)",
        "image": "NAME of [images.NAME] (default: all)",
        "strict": "fail for an exception that nothing needs too",
    },
)
def compare(
    c: Context,
    ami: list[str],
    env: str = DEFAULT_ENV,
    role: str = "",
    image: str = "",
    strict: bool = False,
) -> None:
    """Bake the images of ENV twice, and fail with the first path that differs."""
    with plain_errors():
        judge(compared(env, (role, image), ami), strict)


def compared(env: str, of: tuple[str, str], ami_ids: list[str]) -> "tuple[ComparedImages, ...]":
    """Compare two images, or without any two bakes of those of a role and a name."""
    from common.errors import Refused

    if len(ami_ids) not in (0, 2) or (ami_ids and any(of)):
        raise Refused(
            "two images are compared with each other, or two bakes of a role and a name",
            hint="give two ids, without --role and --image; or none",
        )
    return compared_images(env, ami_ids) if ami_ids else compared_bakes(env, *of)


def compared_images(env: str, ami_ids: list[str]) -> "tuple[ComparedImages, ...]":
    """Compare images that there are."""
    from bake.catalog import image_by_id
    from bake.context import BakeContext
    from bake.tree import Exceptions
    from common.checkout import cache, home
    from deploy.operate.image_compare import compare_images
    from deploy.report.console import live_lines

    environment = environment_at(env, inside=True, act_as=BAKE)
    clients = clients_of(environment)
    old, new = (image_by_id(clients, ami_id) for ami_id in ami_ids)
    with live_lines() as lines:
        context = BakeContext(clients, environment, home(), cache(), lines)
        return (compare_images(context, old, new, Exceptions.read()),)


def compared_bakes(env: str, role: str, image: str) -> "tuple[ComparedImages, ...]":
    """Bake twice and compare."""
    from bake.context import BakeContext
    from bake.tree import Exceptions
    from bake.wanted import wanted_images
    from common.checkout import cache, home
    from deploy.operate.image_compare import compare_bakes
    from deploy.report.console import live_lines

    def fetch(environment: "Environment") -> None:
        fetch_wheels(environment, wanted_images(environment, role, image))

    environment = environment_at(env, prepare=fetch, inside=True, act_as=BAKE)
    clients, wanted = clients_of(environment), wanted_images(environment, role, image)
    model = model_of(environment, wanted)
    with live_lines() as lines:
        context = BakeContext(clients, environment, home(), cache(), lines, model=model)
        return compare_bakes(context, wanted, Exceptions.read())


def judge(found: "tuple[ComparedImages, ...]", strict: bool) -> None:
    """Print what was found; raise PipelineError when it is not as it should be."""
    from bake.tree import Exceptions
    from common.errors import PipelineError
    from deploy.operate.image_compare import unused
    from deploy.report.console import console

    for one in found:
        for words in one.words:
            console.print(words, markup=False, soft_wrap=True)
    needless = unused(found, Exceptions.read())
    for pattern in needless:
        console.print(f"nothing that differs needs the exception {pattern}", markup=False)
    for one in found:
        if one.first:
            raise PipelineError(
                f"{one.image}: {one.first}",
                hint=f"remove the cause; the images are kept: {' and '.join(one.ami_ids)}",
            )
    if strict and needless:
        raise PipelineError(
            f"{needless[0]}: nothing that differs needs this exception",
            hint="remove its line from bake/tree_exceptions.toml",
        )
