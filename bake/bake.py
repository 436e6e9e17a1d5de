"""Bake what an environment wants: from its file to verified images. Changes AWS (EC2, S3, SSM).

When there is nothing to do, neither Packer nor anything else that only a bake needs is imported.
"""

from dataclasses import dataclass
from pathlib import Path

from bake.catalog import Image, images, put_into_use
from bake.channels import set_channel
from bake.context import BakeContext
from bake.image_files import check_bucket
from bake.plan import plan_bake
from bake.wanted import WantedImage, wanted_images
from common.environment import Environment
from common.errors import Refused


@dataclass(frozen=True)
class BakeResult:
    """What a bake did: an image for each that was wanted, and what was done for it."""

    images: dict[WantedImage, Image]
    new: tuple[WantedImage, ...]
    tested: tuple[WantedImage, ...]
    folder: Path | None


def bake(
    context: BakeContext,
    *,
    wanted: tuple[WantedImage, ...] = (),
    force: bool = False,
) -> BakeResult:
    """Return a verified image for each that is wanted; bake those that are missing.

    They are in the environment's channel then. ``wanted`` is by default every image of the
    environment; with ``force`` all are baked. Raises Refused where images are promoted, and
    PipelineError that names each image whose build or test failed; the others are finished first,
    but none is put into the channel. All instances, key pairs and security groups of the bake are
    removed in every case; an image that failed its tests is kept, unverified.
    """
    check_bakes(context.environment)
    wanted = wanted or wanted_images(context.environment)
    result = _bake(context, wanted, force)
    for image in result.images.values():
        put_into_use(context.clients, image, context.now())
    set_channel(context.clients, context.environment.name, result.images, context.now())
    return result


def check_bakes(environment: Environment) -> None:
    """Raise Refused for an environment whose images come from another one."""
    if environment.promotion:
        name, source = environment.name, environment.promotion.source
        raise Refused(
            f"{name} bakes no images: they are promoted from {source} (promotion.source)",
            hint=f"invoke bake --env {source}, deploy it, then invoke images.promote --to {name}",
        )


def _bake(context: BakeContext, wanted: tuple[WantedImage, ...], force: bool) -> BakeResult:
    plan = plan_bake(context.clients, context.environment, wanted, force, context.model)
    if not (plan.missing or plan.untested):
        return BakeResult(plan.present, (), (), None)
    check_bucket(context.clients, context.environment)
    from bake.pipeline import build_and_test
    from bake.signing import public_key

    public_key(context.clients, context.environment.name)
    verified = build_and_test(context, plan)
    by_id = {image.ami_id: image for image in images(context.clients)}
    ami_ids = {image: existing.ami_id for image, existing in plan.present.items()}
    ami_ids |= verified.ami_ids
    return BakeResult(
        {image: by_id[ami_ids[image]] for image in wanted},
        tuple(image for image in wanted if image in plan.missing),
        tuple(image for image in wanted if image in plan.untested),
        verified.folder,
    )
