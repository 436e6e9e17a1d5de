"""Which packages differ between the images of two releases. Reads AWS (EC2, S3)."""

from dataclasses import dataclass

from bake.catalog import Image, images
from bake.image_files import read_inventory
from bake.inventory import change_words, changes
from common.clients import Clients
from deploy.release.release import Release

SHOWN = 10  # lines for each role
# The parts of an inventory that a plan shows; `invoke images.diff` shows all.
SOFTWARE = ("kernel", "debian", "python")


@dataclass(frozen=True)
class ImageChange:
    """The packages that differ between two images; None when it is not known what one has.

    ``role``: the head, or the group of workers.
    """

    role: str
    packages: tuple[str, ...] | None

    @property
    def words(self) -> tuple[str, ...]:
        """Return it as lines of text."""
        if self.packages is None:
            return (f"{self.role}: not known: one of the images has no inventory",)
        lines = tuple(f"{self.role} {words}" for words in self.packages[:SHOWN])
        more = len(self.packages) - SHOWN
        return (*lines, f"{self.role}: {more} more") if more > 0 else lines


def image_changes(
    clients: Clients, bucket: str, old: Release, new: Release
) -> tuple[ImageChange, ...]:
    """Compare the images that differ, of heads and by group; makes no call when none do.

    ``bucket`` has the inventories (bake/image_files.py).
    """
    before, after = ({role: i.ami_id for role, i in one.images} for one in (old, new))
    changed = [role for role in after if role in before and before[role] != after[role]]
    if not changed:
        return ()
    catalog = {image.ami_id: image for image in images(clients)}
    return tuple(
        ImageChange(
            role,
            _packages(clients, bucket, catalog.get(before[role]), catalog.get(after[role])),
        )
        for role in changed
    )


def _packages(
    clients: Clients, bucket: str, old: Image | None, new: Image | None
) -> tuple[str, ...] | None:
    was, becomes = (
        read_inventory(clients, bucket, image) if image else None for image in (old, new)
    )
    if was is None or becomes is None:
        return None
    return tuple(
        change_words(part, name, change)
        for part, found in changes(was, becomes).items()
        if part.partition(" ")[0] in SOFTWARE
        for name, change in found.items()
    )
