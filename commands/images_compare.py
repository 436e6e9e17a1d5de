"""Task images.compare: two bakes of the same lock give the same files."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.images import fetch_wheels, model_of
from commands.shared import BAKE, DEFAULT_ENV, ENV, clients_of, environment_at

if TYPE_CHECKING:
    from bake.tree import Exceptions
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
        from bake.tree import Exceptions
        from bake.wanted import wanted_images
        from common.errors import Refused

        if len(ami) not in (0, 2) or (ami and (role or image)):
            raise Refused(
                "two images are compared with each other, or two bakes of a role and a name",
                hint="give two ids, without --role and --image; or none",
            )

        def fetch(environment: "Environment") -> None:
            if not ami:
                fetch_wheels(environment, wanted_images(environment, role, image))

        environment = environment_at(env, prepare=fetch, inside=True, act_as=BAKE)
        exceptions = Exceptions.read()
        found = compared(environment, (role, image), ami, exceptions)
        judge(found, exceptions, strict)


def compared(
    environment: "Environment",
    of: tuple[str, str],
    ami_ids: list[str],
    exceptions: "Exceptions",
) -> "tuple[ComparedImages, ...]":
    """Compare two images by their ids, or else two bakes of those of a role and a name."""
    from bake.catalog import image_by_id
    from bake.context import BakeContext
    from bake.wanted import wanted_images
    from common.checkout import cache, home
    from deploy.operate.image_compare import compare_bakes, compare_images
    from deploy.report.console import live_lines

    clients = clients_of(environment)
    with live_lines() as lines:
        if ami_ids:
            context = BakeContext(clients, environment, home(), cache(), lines)
            old, new = (image_by_id(clients, ami_id) for ami_id in ami_ids)
            return (compare_images(context, old, new, exceptions),)
        wanted = wanted_images(environment, *of)
        model = model_of(environment, wanted)
        context = BakeContext(clients, environment, home(), cache(), lines, model=model)
        return compare_bakes(context, wanted, exceptions)


def judge(found: "tuple[ComparedImages, ...]", exceptions: "Exceptions", strict: bool) -> None:
    """Print what was found; raise PipelineError when it is not as it should be."""
    from common.errors import PipelineError
    from deploy.operate.image_compare import unused
    from deploy.report.console import console

    for one in found:
        for words in one.words:
            console.print(words, markup=False, soft_wrap=True)
    needless = unused(found, exceptions)
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
