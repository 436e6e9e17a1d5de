"""Gather all that the images of a bake need, before the first instance. Reads AWS (EC2)."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from bake.context import BakeContext
from bake.digest import DigestInputs, image_digest
from bake.files import LOCK, copy_shaping_files
from bake.image_wheels import fetch_wheels
from bake.owner import this_process
from bake.packer import Template, prepare_template
from bake.plan import BakePlan
from bake.ray_lock import Target, ray_version
from bake.spec import BuildSpec, ImageSpec
from bake.subnet import Subnet, resolve_subnet
from bake.wanted import WantedImage
from common.environment import Environment
from common.errors import Refused

# The lock narrowed to what is added to Ray's own packages, for the image's Python; hashes included.
ADDED = "added.txt"
OLD_PACKER = (
    "install a current Packer (docs/images.md#which-packer); or set [account] old_packer = true, "
    "and run account.setup again"
)


@dataclass(frozen=True)
class Preparation:
    """What to build and what only to test, by image; ``folder`` is that of the whole bake."""

    builds: dict[WantedImage, BuildSpec]
    tests: dict[WantedImage, ImageSpec]
    folder: Path


def prepare(context: BakeContext, plan: BakePlan, git: str) -> Preparation:
    """Copy the shaping files, fetch the wheels, and find the subnets of all images.

    ``git`` is the checkout's commit. The digests are computed anew, from the copy.
    """
    built = context.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    folder = context.home / "bakes" / built.replace(":", "")
    specs = {
        image: _spec(context, plan, image, built, folder)
        for image in (*plan.missing, *plan.untested)
    }
    for spec in specs.values():
        spec.additions.write(spec.added)
    builds = _builds(context, plan, {image: specs[image] for image in plan.missing}, git, folder)
    return Preparation(builds, {image: specs[image] for image in plan.untested}, folder)


def _spec(
    context: BakeContext, plan: BakePlan, image: WantedImage, built: str, folder: Path
) -> ImageSpec:
    return ImageSpec(
        image=image,
        environment=context.environment,
        subnet=_subnet(context, image),
        additions=plan.additions[image],
        owner=this_process(),
        built=built,
        folder=folder / image.slug,
    )


def _check_packer(environment: Environment, template: Template) -> None:
    """Raise Refused for a Packer whose images the bake role may not tag."""
    if not (template.current or environment.account.old_packer):
        raise Refused(
            "Packer 1.6.6 tags images once they exist, which the bake role may not",
            hint=OLD_PACKER,
        )


def _subnet(context: BakeContext, image: WantedImage) -> Subnet:
    settings = context.environment.image_named(image.name)
    return resolve_subnet(context.clients, settings, image.place)


def _builds(
    context: BakeContext,
    plan: BakePlan,
    specs: dict[WantedImage, ImageSpec],
    git: str,
    folder: Path,
) -> dict[WantedImage, BuildSpec]:
    if not specs:
        return {}
    source = copy_shaping_files(folder / "source")
    template = prepare_template(folder / "template", source)
    _check_packer(context.environment, template)
    lock = (source / LOCK).read_text()
    added = [(image, spec.additions) for image, spec in specs.items()]
    wheels = fetch_wheels(context.environment, added, source, context.cache, context.say)

    def build(image: WantedImage, spec: ImageSpec) -> BuildSpec:
        settings, base = spec.settings, plan.bases[image]
        inputs = DigestInputs.of(spec.environment, image, base.ami_id, spec.additions)
        return BuildSpec(
            **vars(spec),
            base=base,
            source=source,
            template=template,
            digest=image_digest(image, inputs, source),
            wheels=wheels[image],
            ray_version=ray_version(lock, Target(settings.python, settings.architecture)),
            git=git,
        )

    found = {image: build(image, spec) for image, spec in specs.items()}
    for spec in found.values():
        spec.empty.mkdir()
        if spec.wheels.added:
            shutil.copy(spec.wheels.added / "requirements.txt", spec.added / ADDED)
    return found
