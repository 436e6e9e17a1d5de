"""Which packages differ between the images of two releases. Reads AWS (EC2)."""

from dataclasses import dataclass
from typing import get_args

from bake.catalog import images
from bake.software import software_changes
from common.clients import Clients
from deploy.release.release import Release, Role

SHOWN = 10  # lines for each role


@dataclass(frozen=True)
class ImageChange:
    """The packages that differ between two images of a role; None when an image has no list."""

    role: Role
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
    """Compare the images that differ, by role; makes no call when none do."""
    roles: tuple[Role, ...] = get_args(Role)
    changed = [role for role in roles if old.image(role).ami_id != new.image(role).ami_id]
    if not changed:
        return ()
    catalog = {image.ami_id: image.software for image in images(clients)}
    found = []
    for role in changed:
        before, after = (catalog.get(release.image(role).ami_id) for release in (old, new))
        packages = software_changes(before, after) if before and after else None
        found.append(ImageChange(role, packages))
    return tuple(found)
