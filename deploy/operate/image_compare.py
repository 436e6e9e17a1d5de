"""Prove that two bakes of the same lock give the same files. Changes AWS (EC2).

What it bakes is never verified, so nothing uses it, and it is deleted again unless it differs. What
a killed one leaves is an unverified image, which a prune deletes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bake.bake import check_bakes
from bake.catalog import Image
from bake.context import BakeContext
from bake.image_tree import TreeOf, take_tree
from bake.pipeline import build_untested, interruptible
from bake.plan import plan_bake
from bake.tree import Comparison, Exceptions, compare
from bake.wanted import WantedImage
from common.errors import Refused
from deploy.operate.image_prune import delete_image

SHOWN = 20  # paths of an image that differ


@dataclass(frozen=True)
class ComparedImages:
    """Two images that should be the same; ``folder`` has the trees of both."""

    image: WantedImage
    ami_ids: tuple[str, str]
    comparison: Comparison
    folder: Path

    @property
    def first(self) -> str:
        """The first path that differs, with what differs; empty: none does."""
        return next(iter(self.comparison.words), "")

    @property
    def words(self) -> tuple[str, ...]:
        """Return what each is, and what differs."""
        found = self.comparison
        trees = zip(self.ami_ids, found.counts, found.hashes, strict=True)
        more = len(found.words) - SHOWN
        return (
            *(f"{self.image}: {ami} {count} paths, sha256 {root}" for ami, count, root in trees),
            f"{self.image}: {len(found.words)} paths differ, beside {len(found.excused)} that may",
            *(f"  {words}" for words in found.words[:SHOWN]),
            *([f"  and {more} more: compare the files in {self.folder}"] if more > 0 else []),
        )


def compare_images(
    context: BakeContext, old: Image, new: Image, exceptions: Exceptions
) -> ComparedImages:
    """Compare two images; raises Refused where they were not baked from the same."""
    if old.digest != new.digest:
        raise Refused(
            f"{old.ami_id} and {new.ami_id} have different digests: they should differ",
            hint=f"invoke images.diff {old.ami_id} {new.ami_id} shows what does",
        )
    with interruptible():
        return _compared(
            context, WantedImage(old.role, old.name), (old.ami_id, new.ami_id), exceptions
        )


def compare_bakes(
    context: BakeContext, wanted: tuple[WantedImage, ...], exceptions: Exceptions
) -> tuple[ComparedImages, ...]:
    """Bake each image twice and compare; raises Refused where images are promoted."""
    check_bakes(context.environment)
    made: dict[str, WantedImage] = {}
    try:
        for _ in range(2):
            plan = plan_bake(context.clients, context.environment, wanted, True, context.model)
            made |= {ami_id: image for image, ami_id in build_untested(context, plan).items()}
        with interruptible():
            found = tuple(_pairs(context, wanted, made, exceptions))
        for one in found:
            if one.first:  # kept for whoever looks for the cause
                made = {ami_id: image for ami_id, image in made.items() if image != one.image}
        return found
    finally:
        for ami_id in made:
            for left in delete_image(context.clients, ami_id):
                context.say(left)


def _pairs(
    context: BakeContext,
    wanted: tuple[WantedImage, ...],
    made: dict[str, WantedImage],
    exceptions: Exceptions,
) -> Iterator[ComparedImages]:
    for image in wanted:
        first, second = (ami_id for ami_id, of in made.items() if of == image)
        yield _compared(context, image, (first, second), exceptions)


def _compared(
    context: BakeContext, image: WantedImage, ami_ids: tuple[str, str], exceptions: Exceptions
) -> ComparedImages:
    folder = context.home / "compares" / f"{context.now():%Y-%m-%dT%H%M%SZ}-{image.slug}"
    folder.mkdir(parents=True)

    def say(words: str) -> None:
        context.lines.say(str(image), words)

    first, second = (
        take_tree(context, TreeOf(image, ami_id, folder / f"{ami_id}.tree"), say)
        for ami_id in ami_ids
    )
    found = compare(first, second, exceptions)
    context.lines.end(str(image), "compared", failed=bool(found.differences))
    return ComparedImages(image, ami_ids, found, folder)


def unused(found: tuple[ComparedImages, ...], exceptions: Exceptions) -> tuple[str, ...]:
    """Return the exceptions that none of these images needed."""
    return exceptions.unused(path for one in found for path in one.comparison.excused)
