"""Promote images: what one environment serves becomes what another is deployed from.

Reads AWS (EC2, KMS, S3, SSM), copies what is known of an image to the target's bucket (S3),
enables images (EC2), and changes the target's channel (SSM). Images are copied only to another
account or region (copying.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bake.catalog import Image, images, put_into_use
from bake.channels import (
    Channel,
    entry_before,
    last_change,
    read_channel,
    set_channel,
    unfinished,
)
from bake.image_files import Kept, carry_files, uncarried
from bake.wanted import WantedImage, wanted_images
from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from common.image_settings import SCANS
from common.progress import Lines
from common.waiting import Clock
from deploy.release.choice import fits
from deploy.release.config_bucket import current_release
from deploy.release.copying import Copying, clients_at, copied, plan_copies
from deploy.release.release import Release
from deploy.release.settings import NodeImage


@dataclass(frozen=True)
class Promotion:
    """What a channel would name, beside what it names now.

    ``buckets``: those of the source and of the target with what is known of their images; none on
    the way back, as the target's has it already. ``files``: what the target's bucket lacks, by
    image. ``copying``: from another account or region, instead of both; ``images`` are the source's
    until they are copied.
    """

    target: str
    source: str
    images: Mapping[WantedImage, Image]
    before: Channel
    buckets: tuple[str, str] | None = None
    files: Mapping[WantedImage, tuple[str, ...]] = field(default_factory=dict)
    copying: Copying | None = None

    @property
    def is_empty(self) -> bool:
        """The channel names these images already, and what is known of them is there."""
        if self.copying and not self.copying.is_done:
            return False
        return not any(self.files.values()) and all(
            wanted in self.before
            and self.before[wanted].ami_id == image.ami_id
            and image.state == "available"
            for wanted, image in self.images.items()
        )

    @property
    def words(self) -> tuple[str, ...]:
        """Return a line for each image, and for the files that are copied."""
        copied = (f"+ {one}: {', '.join(names)}" for one, names in self.files.items() if names)
        lines = (self._line(wanted, image) for wanted, image in self.images.items())
        return (*lines, *copied)

    def _line(self, wanted: WantedImage, image: Image) -> str:
        entry = self.before.get(wanted)
        how = f", {self.copying.words(wanted)}" if self.copying else ""
        what = f"{image.ami_id} (digest {image.digest[:12]}, commit {image.git}){how}"
        if image.state == "disabled":
            what += ", disabled: it is enabled again"
        if entry is None:
            return f"+ {wanted}: {what}"
        if entry.ami_id == image.ami_id:
            return f"  {wanted}: {what}, as before"
        return f"~ {wanted}: {entry.ami_id} → {what}"


def plan_promotion(clients: Clients, source: Environment, target: Environment) -> Promotion:
    """Return what the target would get from the source. Reads only.

    Raises Refused, with all reasons, unless the source serves the images of its channel and they
    suit the target.
    """
    there = clients_at(clients, source, target)
    wanted = wanted_images(target)
    channel = read_channel(there, source.name, wanted)
    catalog = {image.ami_id: image for image in images(there)}
    served = current_release(there, source.bucket, source.name)
    wrong = [*unfinished(channel), *_mistakes(source, target, channel, catalog)]
    wrong += _not_served(source, channel, served)
    found = [catalog[e.ami_id] for e in channel.values() if e.ami_id in catalog]
    wrong += _unattested(there, source, target, found)
    wrong += _vulnerable(there, source, target, found)
    _refuse(wrong, source, target)
    chosen = {image: catalog[channel[image].ami_id] for image in wanted}
    before = read_channel(clients, target.name, wanted)
    if there is not clients:
        copying = plan_copies(clients, there, source, target, chosen)
        _refuse(list(copying.obstacles()), source, target)
        chosen = {one: copying.image(one) for one in wanted}
        return Promotion(target.name, source.name, chosen, before, copying=copying)
    buckets = source.images_bucket, target.images_bucket
    files = {one: tuple(_uncarried(clients, buckets, image)) for one, image in chosen.items()}
    return Promotion(target.name, source.name, chosen, before, buckets, files)


def _refuse(wrong: list[str], source: Environment, target: Environment) -> None:
    if wrong:
        raise Refused(
            f"nothing can be promoted from {source.name} to {target.name}\n"
            + "\n".join(f"  {words}" for words in wrong),
            hint=f"bake and deploy {source.name}, verify it, then promote again",
        )


def _uncarried(clients: Clients, buckets: tuple[str, str], image: Image) -> dict[str, bytes]:
    source, target = (Kept(clients, bucket, image) for bucket in buckets)
    return uncarried(source, target)


def plan_way_back(clients: Clients, target: Environment) -> Promotion:
    """Return what the target's channel named before it was last set. Reads only.

    Raises Refused when it named nothing else, or what it named does not suit the target any more.
    """
    channel = read_channel(clients, target.name, wanted_images(target))
    catalog = {image.ami_id: image for image in images(clients, disabled=True)}
    found = {image: entry_before(clients, target.name, image) for image in last_change(channel)}
    before = {image: entry for image, entry in found.items() if entry}
    if not before:
        raise Refused(
            f"the channel of {target.name} has named no other images",
            hint=f"invoke images.promote --to {target.name} promotes what another serves",
        )
    wanted = {**channel, **before}
    if wrong := list(_mistakes(target, target, wanted, catalog)):
        raise Refused(
            f"{target.name} cannot go back to what its channel named\n"
            + "\n".join(f"  {words}" for words in wrong),
            hint="`invoke images` lists the images that there are",
        )
    chosen = {image: catalog[entry.ami_id] for image, entry in wanted.items()}
    source = next(iter(before.values())).source
    return Promotion(target.name, source, chosen, channel)


def with_copies(
    clients: Clients, promotion: Promotion, now: datetime, *, clock: Clock, lines: Lines
) -> Promotion:
    """Copy the images, where they are elsewhere, and return the promotion of the copies.

    Raises PipelineError when that fails; it can be run again.
    """
    if promotion.copying is None:
        return promotion
    found = copied(clients, promotion.copying, now, clock=clock, lines=lines)
    return replace(promotion, images=found, copying=None)


def promote(clients: Clients, promotion: Promotion, now: datetime) -> None:
    """Have the target's channel name these images, which are here; it can be run again.

    Before that, what is known of them is in the target's bucket, and all are enabled.
    """
    if promotion.buckets:
        for image in promotion.images.values():
            source, target = (Kept(clients, bucket, image) for bucket in promotion.buckets)
            carry_files(source, target)
    for image in promotion.images.values():
        put_into_use(clients, image, now)
    set_channel(clients, promotion.target, promotion.images, now, promotion.source)


def _mistakes(
    source: Environment, target: Environment, channel: Channel, catalog: Mapping[str, Image]
) -> Iterator[str]:
    """Yield what keeps nodes of the target from being launched from a channel's images."""
    for wanted in wanted_images(target):
        entry = channel.get(wanted)
        if entry is None:
            yield f"{wanted}: the channel of {source.name} has none"
        elif entry.ami_id not in catalog:
            yield f"{wanted}: {entry.ami_id} does not exist any more"
        elif not fits(
            catalog[entry.ami_id], wanted.role, wanted.name, target.image_named(wanted.name)
        ):
            architecture = target.image_named(wanted.name).architecture
            yield (
                f"{wanted}: {entry.ami_id} is not a verified image for {architecture}, baked by "
                "this version of Raykiln"
            )


def _unattested(
    clients: Clients, source: Environment, target: Environment, found: Iterable[Image]
) -> Iterator[str]:
    """Yield what images lack of what the target requires, in the source's bucket."""
    if not target.images_require:
        return
    from bake.attestations import lacking

    # Elsewhere, the keys of the target are not there.
    trusting = source if target.copies_images else target
    for image in found:
        yield from lacking(clients, target, image, source.images_bucket, trusting)


def _vulnerable(
    clients: Clients, source: Environment, target: Environment, found: Iterable[Image]
) -> Iterator[str]:
    """Yield the vulnerabilities of images that ``[images] scan`` of the target refuses."""
    if target.images_scan == SCANS[0]:
        return
    from bake.scan import vulnerable

    for image in found:
        yield from vulnerable(clients, target, image, source.images_bucket)


def _not_served(source: Environment, channel: Channel, served: Release | None) -> Iterator[str]:
    """Yield which images of a channel the environment has not been verified with."""
    if served is None:
        yield f"{source.name} serves no release"
        return
    for wanted, entry in channel.items():
        ids = [image.ami_id for image in _served_images(wanted, source, served)]
        if entry.ami_id not in ids:
            has = ", ".join(dict.fromkeys(ids)) or "none"
            yield f"{wanted}: {source.name} serves {has}, its channel has {entry.ami_id}"


def _served_images(
    wanted: WantedImage, source: Environment, served: Release
) -> Iterator[NodeImage]:
    if wanted.role == "head":
        yield served.head
        return
    for group in served.settings.groups:
        if group.name in source.workers and source.workers[group.name].image == wanted.name:
            yield group.image
