"""Decide which images to bake, and which only to test again. Reads AWS (EC2, KMS, S3).

An image that is verified with the current digest is not baked again; it is only tested again when a
person's own tests are others than those that it has passed. One that lacks what ``[images]
require`` lists, as it was baked for another environment, is baked again.
"""

from dataclasses import dataclass
from pathlib import Path

from bake.additions import Additions, read_additions
from bake.base_image import BaseImage, resolve_base_image
from bake.catalog import Image, find_verified, images
from bake.digest import DigestInputs, image_digest
from bake.source_lock import filter_of, locked, read_lock
from bake.wanted import WantedImage, wanted_images
from common.clients import Clients
from common.environment import Environment


@dataclass(frozen=True)
class BakePlan:
    """What a bake would do, by image.

    ``present``: those that exist; ``untested`` are those of them whose own tests have changed.
    ``missing``: the digests of those to bake.
    """

    bases: dict[WantedImage, BaseImage]
    additions: dict[WantedImage, Additions]
    present: dict[WantedImage, Image]
    untested: dict[WantedImage, Image]
    missing: dict[WantedImage, str]


def plan_bake(
    clients: Clients,
    environment: Environment,
    wanted: tuple[WantedImage, ...] = (),
    force: bool = False,
    model: Path | None = None,
) -> BakePlan:
    """Find which images exist and which are missing; with ``force`` all are. Reads only.

    ``wanted`` is by default every image of the environment; ``model`` as in ``read_additions``.
    Raises Refused when what a person adds to one is not right.
    """
    wanted = wanted or wanted_images(environment)
    additions = read_additions(environment, wanted, model=model)
    bases = _bases(clients, environment, wanted)
    digests = {image: _digest(environment, image, bases, additions) for image in wanted}
    catalog = () if force else images(clients)
    found = {image: find_verified(catalog, image, digest) for image, digest in digests.items()}
    present = {
        image: existing
        for image, existing in found.items()
        if existing and _is_attested(clients, environment, existing)
    }
    return BakePlan(
        bases,
        additions,
        present,
        {
            image: existing
            for image, existing in present.items()
            if additions[image].tests_digest not in ("", existing.tests)
        },
        {image: digest for image, digest in digests.items() if image not in present},
    )


def _is_attested(clients: Clients, environment: Environment, image: Image) -> bool:
    if not environment.images_require:
        return True
    from bake.attestations import lacking

    return not any(lacking(clients, environment, image))


def _bases(
    clients: Clients, environment: Environment, wanted: tuple[WantedImage, ...]
) -> dict[WantedImage, BaseImage]:
    """Resolve each base once: heads and workers have the same one as a rule."""
    lock = read_lock(environment)
    found: dict[tuple[str, ...], BaseImage] = {}
    bases = {}
    for image in wanted:
        settings = environment.image_named(image.name)
        key = (settings.base_id, *filter_of(settings))
        if key not in found:
            entry = locked(lock, settings, environment.name)
            found[key] = resolve_base_image(clients, settings, image.place, entry)
        bases[image] = found[key]
    return bases


def _digest(
    environment: Environment,
    image: WantedImage,
    bases: dict[WantedImage, BaseImage],
    additions: dict[WantedImage, Additions],
) -> str:
    inputs = DigestInputs.of(environment, image, bases[image].ami_id, additions[image])
    return image_digest(image, inputs)
