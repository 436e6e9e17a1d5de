"""What is known of an image, and what differs between two. Reads AWS."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bake.attestations import Attestation, read_attestations
from bake.catalog import Image, image_by_id
from bake.channels import channel_histories
from bake.image_files import CYCLONEDX, SPDX, key_of, read_inventory
from bake.inventory import Change, Inventory, change_words, changes
from common.clients import Clients
from common.environment import Environment
from deploy.operate.image_uses import Retention, image_uses, last_of_channels

FACTS = ("role", "name", "architecture", "digest", "ray_version", "python", "git", "contract")
UNKNOWN = "not known: its bake kept no inventory"


@dataclass(frozen=True)
class ImageFacts:
    """An image of ours, what is in it, and what uses it.

    ``inventory`` is None when ``bucket`` has none: another environment baked the image, or a
    version of Raykiln that kept none.
    """

    image: Image
    bucket: str
    inventory: Inventory | None
    attestations: tuple[Attestation, ...]
    uses: tuple[str, ...]

    @property
    def bills(self) -> tuple[str, ...]:
        """The addresses of its bills of materials; none without an inventory."""
        keys = (key_of(self.image.digest, self.image.ami_id, name) for name in (CYCLONEDX, SPDX))
        return tuple(f"s3://{self.bucket}/{key}" for key in keys) if self.inventory else ()

    @property
    def words(self) -> tuple[str, ...]:
        """Return what is known, a line each."""
        image = self.image
        return (
            f"{image.ami_id}: {f'{image.role} {image.name}'.rstrip()}, {image.architecture}",
            f"  baked: {image.created}, commit {image.git or 'unknown'}",
            f"  {image.state}; deprecated from {image.deprecated[:10] or 'no date'} on",
            f"  digest: {image.digest}",
            f"  verified: {image.verified or 'no'}",
            f"  own tests: {image.tests or 'none'}",
            f"  Ray {image.ray_version}, Python {image.python or 'unknown'}",
            f"  in it: {_counts(self.inventory) if self.inventory else UNKNOWN}",
            *(f"  bill of materials: {address}" for address in self.bills),
            *(f"  {one.words}" for one in self.attestations),
            *(f"  used: {words}" for words in self.uses or ("by nothing that is seen here",)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data, with all that is in it."""
        found = self.inventory
        return {
            **vars(self.image),
            "inventory": found.parts if found else None,
            "bills": list(self.bills),
            "attestations": [vars(one) for one in self.attestations],
            "uses": list(self.uses),
        }


@dataclass(frozen=True)
class ImageDifference:
    """What differs between two images; ``changes`` is None when one of them has no inventory."""

    old: Image
    new: Image
    changes: dict[str, dict[str, Change]] | None

    @property
    def facts(self) -> dict[str, tuple[str, str]]:
        """What differs of the images' tags, by name."""
        pairs = {key: (getattr(self.old, key), getattr(self.new, key)) for key in FACTS}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    @property
    def words(self) -> tuple[str, ...]:
        """Return a line for each difference."""
        facts = [
            f"{key.replace('_', ' ')}: {old or 'none'} → {new or 'none'}"
            for key, (old, new) in self.facts.items()
        ]
        if self.changes is None:
            return (*facts, "what is in them: not known: one of the images has no inventory")
        found = [
            change_words(part, name, change)
            for part, changed in self.changes.items()
            for name, change in changed.items()
        ]
        return (*facts, *found) or ("they are the same",)

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "old": self.old.ami_id,
            "new": self.new.ami_id,
            "facts": self.facts,
            "changes": self.changes,
        }


def image_facts(
    clients: Clients, environment: Environment, ami_id: str, retention: Retention, now: datetime
) -> ImageFacts:
    """Return what is known of an image; raises PipelineError when it is none of ours."""
    image = image_by_id(clients, ami_id)
    bucket = environment.images_bucket
    histories = channel_histories(clients)
    uses = image_uses(clients, environment, retention, histories, now).get(ami_id, ())
    uses += last_of_channels(histories, retention).get(ami_id, ())
    inventory = read_inventory(clients, bucket, image)
    attestations = read_attestations(clients, environment, image)
    return ImageFacts(image, bucket, inventory, attestations, uses)


def image_difference(clients: Clients, bucket: str, old: str, new: str) -> ImageDifference:
    """Compare two images; raises PipelineError when one is none of ours."""
    pair = image_by_id(clients, old), image_by_id(clients, new)
    before, after = (read_inventory(clients, bucket, image) for image in pair)
    found = None if before is None or after is None else changes(before, after)
    return ImageDifference(*pair, found)


def _counts(inventory: Inventory) -> str:
    distributions = sum(len(found) for found in inventory.python.values())
    return (
        f"{inventory.system['pretty_name']}; {len(inventory.debian)} Debian packages, "
        f"{distributions} Python distributions, {len(inventory.files)} files of no package"
    )
