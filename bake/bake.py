"""Decide what to bake, and bake it: from an environment to verified images. Changes AWS (EC2).

A role that has a verified image with the current digest is not baked again. In that case neither
Packer nor anything else that only a bake needs is imported.
"""

from dataclasses import dataclass
from pathlib import Path

from bake.base_image import BaseImage, resolve_base_image
from bake.catalog import Image, find_verified, image_by_id, images
from bake.context import BakeContext
from bake.digest import DigestInputs, image_digest
from bake.files import ROLES
from common.clients import Clients
from common.environment import Environment


@dataclass(frozen=True)
class BakePlan:
    """What a bake would do: by role, the images that exist, and the digests of those to bake."""

    base: BaseImage
    present: dict[str, Image]
    missing: dict[str, str]


@dataclass(frozen=True)
class BakeResult:
    """What a bake did: an image for each requested role, and which of them are new."""

    images: tuple[Image, ...]
    new: tuple[str, ...]
    folder: Path | None


def plan_bake(
    clients: Clients, environment: Environment, roles: tuple[str, ...] = ROLES, force: bool = False
) -> BakePlan:
    """Find which images exist and which are missing; with ``force`` all are. Reads only."""
    base = resolve_base_image(clients, environment.image)
    inputs = DigestInputs.of(environment.image, base.ami_id)
    digests = {role: image_digest(role, inputs) for role in roles}
    catalog = () if force else images(clients)
    found = {role: find_verified(catalog, role, digest) for role, digest in digests.items()}
    return BakePlan(
        base,
        {role: image for role, image in found.items() if image},
        {role: digests[role] for role, image in found.items() if not image},
    )


def bake(
    context: BakeContext, *, roles: tuple[str, ...] = ROLES, force: bool = False
) -> BakeResult:
    """Return a verified image for each role; bake those that are missing, or all with ``force``.

    Raises PipelineError when a build or a test fails. All instances, key pairs and security groups
    of the bake are removed in that case; an image that failed its tests is kept, unverified.
    """
    plan = plan_bake(context.clients, context.environment, roles, force)
    if not plan.missing:
        return BakeResult(tuple(plan.present[role] for role in roles), (), None)
    from bake.pipeline import build_and_test

    verified = build_and_test(context, plan.base, tuple(plan.missing))
    new = {role: image_by_id(context.clients, ami_id) for role, ami_id in verified.ami_ids.items()}
    by_role = {**plan.present, **new}
    return BakeResult(
        tuple(by_role[role] for role in roles),
        tuple(role for role in roles if role in new),
        verified.folder,
    )
