"""Tasks images.scan: the known vulnerabilities of images."""

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import BAKE, DEFAULT_ENV, ENV, JSON, clients_of, environment_at

if TYPE_CHECKING:
    from bake.catalog import Image
    from bake.findings import Finding
    from common.environment import Environment


@task(
    help={
        "ami": "an image's id (default: those of the channel of ENV)",
        "role": "head or worker: those of the channel alone",
        "env": ENV,
        "json": JSON,
    },
)
def scan(
    c: Context, ami: str = "", role: str = "", env: str = DEFAULT_ENV, json: bool = False
) -> None:
    """Show images' known vulnerabilities; fail where [images] scan of ENV refuses one."""
    with plain_errors():
        from bake.scan import scan as scanned

        environment = environment_at(env, act_as=BAKE)
        clients = clients_of(environment)
        found = {
            image: scanned(clients, environment, image)
            for image in images_to_scan(environment, ami, role)
        }
        show_findings(found, json)
        refuse(found, environment.images_scan)


def images_to_scan(environment: "Environment", ami: str, role: str) -> "tuple[Image, ...]":
    """Return the images that were asked for; raises Refused when the channel has none."""
    from bake.catalog import image_by_id
    from bake.channels import read_channel
    from bake.wanted import wanted_images
    from common.errors import Refused

    clients = clients_of(environment)
    if ami and role:
        raise Refused("an image has its own role", hint="give either its id or --role")
    if ami:
        return (image_by_id(clients, ami),)
    channel = read_channel(clients, environment.name, wanted_images(environment, role))
    if not channel:
        raise Refused(
            f"the channel of {environment.name} names no image",
            hint="give the id of one: `invoke images` lists them",
        )
    ids = dict.fromkeys(entry.ami_id for entry in channel.values())
    return tuple(image_by_id(clients, ami_id) for ami_id in ids)


def show_findings(found: "dict[Image, tuple[Finding, ...]]", as_json: bool) -> None:
    """Print them for a person, or as JSON, by image."""
    from deploy.report.console import console, print_json

    if as_json:
        print_json({image.ami_id: [vars(one) for one in some] for image, some in found.items()})
        return
    for image, some in found.items():
        fixed = sum(bool(one.fixed) for one in some)
        what = f"{image.role} {image.name}".rstrip()
        console.print(f"{image.ami_id} ({what}): {len(some)} known, {fixed} fixed in a version")
        for one in some:
            console.print(f"  {one.words}", markup=False)


def refuse(found: "dict[Image, tuple[Finding, ...]]", scan: str) -> None:
    """Raise Refused when a deploy would be refused for what was found."""
    from common.errors import Refused

    count = sum(one.refuses(scan) for some in found.values() for one in some)
    if count:
        raise Refused(
            f"{count} of them can be fixed and are {scan} or worse: no deploy takes these images",
            hint="move the locks (invoke lock), and bake again",
        )
