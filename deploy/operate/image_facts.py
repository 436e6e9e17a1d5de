"""What is known of an image, and what differs between two. Reads AWS."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bake.catalog import Image, image_by_id
from bake.software import KINDS
from common.clients import Clients
from common.environment import Environment
from deploy.operate.image_uses import Retention, image_uses

FACTS = ("role", "name", "architecture", "digest", "ray_version", "python", "git", "contract")
# A version of a package in the old and in the new image; None: it has none.
Versions = tuple[str | None, str | None]


@dataclass(frozen=True)
class ImageFacts:
    """An image of ours, and what uses it."""

    image: Image
    uses: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Return what is known, a line each."""
        image = self.image
        packages = image.software or {}
        counts = ", ".join(f"{len(packages[kind])} {kind}" for kind in KINDS if kind in packages)
        return (
            f"{image.ami_id}: {f'{image.role} {image.name}'.rstrip()}, {image.architecture}",
            f"  baked: {image.created}, commit {image.git or 'unknown'}",
            f"  digest: {image.digest}",
            f"  verified: {image.verified or 'no'}",
            f"  own tests: {image.tests or 'none'}",
            f"  Ray {image.ray_version}, Python {image.python or 'unknown'}",
            f"  packages: {counts or 'not known: they do not fit into its tags'}",
            *(f"  used: {words}" for words in self.uses or ("by nothing that is seen here",)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data, with every package."""
        return {**vars(self.image), "uses": list(self.uses)}


@dataclass(frozen=True)
class ImageDifference:
    """What differs between two images; ``packages`` is None when one of them has no list."""

    old: Image
    new: Image
    packages: dict[str, dict[str, Versions]] | None

    @property
    def facts(self) -> dict[str, tuple[str, str]]:
        """What differs besides packages, by name."""
        pairs = {key: (getattr(self.old, key), getattr(self.new, key)) for key in FACTS}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    @property
    def words(self) -> tuple[str, ...]:
        """Return a line for each difference."""
        facts = [
            f"{key.replace('_', ' ')}: {old or 'none'} → {new or 'none'}"
            for key, (old, new) in self.facts.items()
        ]
        if self.packages is None:
            return (*facts, "packages: not known: one of the images has no list")
        packages = [
            f"{kind} {name}: {old or 'none'} → {new or 'none'}"
            for kind, changes in self.packages.items()
            for name, (old, new) in changes.items()
        ]
        return (*facts, *packages) or ("they are the same",)

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "old": self.old.ami_id,
            "new": self.new.ami_id,
            "facts": self.facts,
            "packages": self.packages,
        }


def image_facts(
    clients: Clients, environment: Environment, ami_id: str, retention: Retention, now: datetime
) -> ImageFacts:
    """Return what is known of an image; raises PipelineError when it is none of ours."""
    image = image_by_id(clients, ami_id)
    return ImageFacts(image, image_uses(clients, environment, retention, now).get(ami_id, ()))


def image_difference(clients: Clients, old: str, new: str) -> ImageDifference:
    """Compare two images; raises PipelineError when one is none of ours."""
    one, other = image_by_id(clients, old), image_by_id(clients, new)
    return ImageDifference(one, other, _package_changes(one, other))


def _package_changes(old: Image, new: Image) -> dict[str, dict[str, Versions]] | None:
    if old.software is None or new.software is None:
        return None
    found: dict[str, dict[str, Versions]] = {}
    for kind in KINDS:
        before, after = old.software.get(kind, {}), new.software.get(kind, {})
        found[kind] = {
            name: (before.get(name), after.get(name))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        }
    return found
