"""Decide what to bake, and bake it: from an environment to verified images. Changes AWS (EC2).

A role whose verified image has the digest wanted is not baked again, and then neither Packer nor
anything else that only a bake needs is even imported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bake.base_image import BaseImage, resolve_base_image
from bake.catalog import Image, find_verified, image_by_id, images
from bake.digest import DigestInputs, image_digest
from bake.files import ROLES
from common.clients import Clients
from common.environment import Environment
from common.waiting import Clock, SystemClock

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a bake would do: the images that are there, and the digests of those to make."""

    base: BaseImage
    present: dict[str, Image]
    missing: dict[str, str]


@dataclass(frozen=True)
class BakeResult:
    """What a bake did: an image for each role asked for, and which of them are new."""

    images: tuple[Image, ...]
    new: tuple[str, ...]
    folder: Path | None


def plan_bake(
    clients: Clients, environment: Environment, roles: tuple[str, ...] = ROLES, force: bool = False
) -> Plan:
    """Look what there is and what is missing; with ``force`` all is missing. Reads only."""
    base = resolve_base_image(clients, environment.image)
    ingredients = DigestInputs.of(environment.image, base.ami_id)
    digests = {role: image_digest(role, ingredients) for role in roles}
    catalog = () if force else images(clients)
    found = {role: find_verified(catalog, role, digest) for role, digest in digests.items()}
    return Plan(
        base,
        {role: image for role, image in found.items() if image},
        {role: digests[role] for role, image in found.items() if not image},
    )


def bake(
    clients: Clients,
    environment: Environment,
    *,
    home: Path,
    cache: Path,
    roles: tuple[str, ...] = ROLES,
    force: bool = False,
    progress: Progress = lambda words: None,
    clock: Clock | None = None,
) -> BakeResult:
    """Make sure that there is a verified image for each role, and return them.

    Files of the bake (Packer's log, software reports, test reports) go to a folder under ``home``;
    wheels come from ``cache``. Raises PipelineError when a build or a test fails; what it started
    is ended then, and an image that failed its tests stays, unverified.
    """
    plan = plan_bake(clients, environment, roles, force)
    if not plan.missing:
        return BakeResult(tuple(plan.present[role] for role in roles), (), None)
    from bake.pipeline import build_and_test

    made = build_and_test(
        clients,
        environment,
        plan.base,
        tuple(plan.missing),
        home=home,
        cache=cache,
        progress=progress,
        clock=clock or SystemClock(),
    )
    new = {role: image_by_id(clients, ami_id) for role, ami_id in made.ami_ids.items()}
    have = {**plan.present, **new}
    return BakeResult(
        tuple(have[role] for role in roles),
        tuple(role for role in roles if role in new),
        made.folder,
    )
