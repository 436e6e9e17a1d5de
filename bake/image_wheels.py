"""The wheels of an image: Ray's, and those that a person adds. No AWS; pip uses the network.

Images with the same lock and Python share a wheelhouse, since its name is that of its content.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bake.additions import Additions
from bake.documents import LOCK as DOCUMENTS_LOCK
from bake.files import LOCK
from bake.ray_lock import Pin, Target, pins_for
from bake.requirements import unmet_requirements
from bake.wanted import WantedImage
from bake.wheelhouse import check_wheels, fetch_wheelhouse
from common.environment import Environment
from common.errors import Refused
from common.progress import Say


@dataclass(frozen=True)
class ImageWheels:
    """Wheelhouses; ``added`` is None when a person adds no package that Ray does not have."""

    ray: Path
    added: Path | None


def fetch_wheels(
    environment: Environment,
    images: Iterable[tuple[WantedImage, Additions]],
    source: Path,
    cache: Path,
    progress: Say,
    *,
    check: bool = True,
) -> dict[WantedImage, ImageWheels]:
    """Return the wheels of each image, fetched where they are not cached, and checked by hash.

    Without ``check``, what is cached is not read: enough where there may be nothing to bake. Raises
    Refused when an added package needs another that the image would not have.
    """
    fetch = Fetch(environment, (source / LOCK).read_text(), cache, progress, check)
    return {image: fetch.wheels_of(image, additions) for image, additions in images}


@dataclass(frozen=True)
class Fetch:
    """Where wheels go, and which of Ray's wheelhouses are there already."""

    environment: Environment
    lock: str
    cache: Path
    progress: Say
    check: bool
    _rays: dict[Target, Path] = field(default_factory=dict)

    def wheels_of(self, image: WantedImage, additions: Additions) -> ImageWheels:
        """Return the wheels of one image."""
        settings = self.environment.image_named(image.name)
        target = Target(settings.python, settings.architecture)
        rays = pins_for(self.lock, target)
        if target not in self._rays:
            self._rays[target] = self._wheels(rays, target, LOCK.name)
        added = additions.pins(target, rays)
        if not added:
            return ImageWheels(self._rays[target], None)
        lock = settings.requirements or str(DOCUMENTS_LOCK)
        folder = self._wheels(added, target, lock)
        wheels = [folder / "wheels"]
        if self.check and (unmet := list(unmet_requirements(wheels, [*rays, *added], target))):
            place = f"{self.environment.name}.toml: {image.place}.requirements"
            raise Refused(
                "\n".join(f"{place}: {lock}: {words}" for words in unmet),
                hint="lock it with the packages of ami-provisioners/ray.lock as constraints",
            )
        return ImageWheels(self._rays[target], folder)

    def _wheels(self, pins: tuple[Pin, ...], target: Target, lock: str) -> Path:
        folder = fetch_wheelhouse(pins, target, self.cache, self.progress, lock)
        if self.check:
            check_wheels(folder, pins, lock)
        return folder
