"""Which packages differ between the images of two releases. Reads AWS (EC2)."""

from dataclasses import dataclass

from bake.catalog import images
from bake.software import software_changes
from common.clients import Clients
from deploy.release.release import Release

SHOWN = 10  # lines for each role


@dataclass(frozen=True)
class ImageChange:
    """The packages that differ between two images; None when an image has no list.

    ``role``: the head, or the group of workers.
    """

    role: str
    packages: tuple[str, ...] | None

    @property
    def words(self) -> tuple[str, ...]:
        """Return it as lines of text."""
        if self.packages is None:
            return (f"{self.role}: not known: one of the images has no package list",)
        lines = tuple(f"{self.role} {words}" for words in self.packages[:SHOWN])
        more = len(self.packages) - SHOWN
        return (*lines, f"{self.role}: {more} more") if more > 0 else lines


def image_changes(clients: Clients, old: Release, new: Release) -> tuple[ImageChange, ...]:
    """Compare the images that differ, of heads and by group; makes no call when none do."""
    before, after = ({role: i.ami_id for role, i in one.images} for one in (old, new))
    changed = [role for role in after if role in before and before[role] != after[role]]
    if not changed:
        return ()
    catalog = {image.ami_id: image.software for image in images(clients)}
    found = []
    for role in changed:
        was, becomes = catalog.get(before[role]), catalog.get(after[role])
        packages = software_changes(was, becomes) if was and becomes else None
        found.append(ImageChange(role, packages))
    return tuple(found)
