"""Decide which release an environment asks for: images of its channel, settings from its file.

Reads AWS: EC2, SSM; KMS and S3 where attestations are required. Only verified images are deployed.
An image that the file names by its id comes first. One that the channel lacks is the newest that
was verified, but for an environment whose images are promoted: that has no others.
"""

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from bake.catalog import Image, images
from bake.channels import ROOT, Channel, read_channel, unfinished
from bake.wanted import WantedImage, wanted_images
from common.clients import Clients
from common.environment import FOLDER, Environment
from common.errors import Refused
from common.image_settings import SCANS, ImageSettings
from common.instance_types import type_facts
from deploy.release.autoscaler_override import (
    read_override,
    refuse,
    takes_effect,
    useless_keys,
)
from deploy.release.autoscaler_yaml import mistakes_of
from deploy.release.groups import groups_of, settings_of, type_names
from deploy.release.release import Release
from deploy.release.settings import NodeImage, Role
from deploy.release.user_data import check_sizes
from node import contract

# In the place of an image that is still to be baked.
UNBAKED = NodeImage("", digest="", ray_version="", root_device="")


class NoImage(Refused):
    """An image is still to be baked or promoted."""


def unbaked_release(clients: Clients, environment: Environment) -> Release:
    """Return the release but for its images, of which none need exist.

    Raises Refused for groups that could not do their work.
    """
    images = {group.image: UNBAKED for group in environment.workers.values()}
    groups = groups_of(environment, type_facts(clients, type_names(environment)), images)
    return Release(UNBAKED, settings_of(environment, groups))


def requested_release(clients: Clients, environment: Environment, folder: Path = FOLDER) -> Release:
    """Return the release.

    Raises NoImage where an image is still to be baked or promoted; Refused for images that do not
    fit or lack what must be attested of them, for a channel that was set in part, for more user
    data than EC2 takes, or with all mistakes of ``autoscaler_file``, as the head image's Ray sees
    them.
    """
    path = folder / environment.autoscaler_file if environment.autoscaler_file else None
    override = read_override(path) if path else {}
    catalog = images(clients)
    channel = whole_channel(clients, environment)
    head, workers = choose_images(catalog, environment, channel)
    refuse_unattested(clients, environment, catalog, (head, *workers.values()))
    refuse_vulnerable(clients, environment, catalog, (head, *workers.values()))
    groups = groups_of(environment, type_facts(clients, type_names(environment)), workers)
    settings = settings_of(environment, groups, json.dumps(override, sort_keys=True))
    if path:
        useful = takes_effect(override, environment.workers)
        wrong = mistakes_of(environment, settings, useful, head.ray_version)
        refuse(path, chain(useless_keys(override, environment.workers), wrong))
    check_sizes(environment, settings)
    return Release(head, settings)


def refuse_unattested(
    clients: Clients,
    environment: Environment,
    catalog: tuple[Image, ...],
    chosen: Iterable[NodeImage],
) -> None:
    """Raise Refused with all that the images lack of what ``[images] require`` lists."""
    if not environment.images_require:
        return
    from bake.attestations import lacking

    ids = {image.ami_id for image in chosen}
    found = sorted((image for image in catalog if image.ami_id in ids), key=lambda i: i.ami_id)
    if missing := [words for image in found for words in lacking(clients, environment, image)]:
        how = "promote them again" if environment.promotion else "invoke bake makes others"
        raise Refused(
            f"{environment.name} requires attestations that its images lack\n"
            + "\n".join(f"  {words}" for words in missing),
            hint=f"{how}; invoke images.show AMI --env {environment.name} shows what there is",
        )


def refuse_vulnerable(
    clients: Clients,
    environment: Environment,
    catalog: tuple[Image, ...],
    chosen: Iterable[NodeImage],
) -> None:
    """Raise Refused with the vulnerabilities of the images that ``[images] scan`` refuses."""
    if environment.images_scan == SCANS[0]:
        return
    from bake.scan import vulnerable

    ids = {image.ami_id for image in chosen}
    found = sorted((image for image in catalog if image.ami_id in ids), key=lambda i: i.ami_id)
    if wrong := [words for image in found for words in vulnerable(clients, environment, image)]:
        raise Refused(
            f"{environment.name} refuses images with known vulnerabilities that have a fix "
            f"(images.scan = {environment.images_scan})\n"
            + "\n".join(f"  {words}" for words in wrong),
            hint="move the locks (invoke lock), bake again; or change images.scan for this deploy",
        )


def whole_channel(clients: Clients, environment: Environment) -> Channel:
    """Return the environment's channel; raises Refused when it was set in part."""
    channel = read_channel(clients, environment.name, wanted_images(environment))
    if left := list(unfinished(channel)):
        again = "invoke images.promote --to" if environment.promotion else "invoke bake --env"
        raise Refused(
            f"the channel {ROOT}/{environment.name} was set in part\n"
            + "\n".join(f"  {words}" for words in left),
            hint=f"complete it: {again} {environment.name}",
        )
    return channel


def choose_images(
    catalog: tuple[Image, ...], environment: Environment, channel: Channel
) -> tuple[NodeImage, dict[str, NodeImage]]:
    """Return the heads' image, and the workers' images by name.

    Raises Refused when they differ in Ray, or in Python: Ray compares all three of its numbers
    before a node joins (check_version_info in _private/utils.py, Ray 2.60).
    """
    head = choose_image(catalog, environment, channel, "head", environment.head.image)
    names = sorted({group.image for group in environment.workers.values()})
    workers = {name: choose_image(catalog, environment, channel, "worker", name) for name in names}
    for worker in workers.values():
        _check_versions(catalog, head, worker)
    return head, workers


def _check_versions(catalog: tuple[Image, ...], head: NodeImage, worker: NodeImage) -> None:
    """An image from before Python's version was in its tags is not compared."""
    pythons = {image.ami_id: image.python for image in catalog}
    versions = {
        "Ray": (head.ray_version, worker.ray_version),
        "Python": (pythons.get(head.ami_id), pythons.get(worker.ami_id)),
    }
    for what, (ours, theirs) in versions.items():
        if ours and theirs and ours != theirs:
            raise Refused(
                f"the head image {head.ami_id} has {what} {ours}, "
                f"the worker image {worker.ami_id} {what} {theirs}",
                hint="bake both from the same lock, and bases with the same Python: invoke bake",
            )


def choose_image(
    catalog: tuple[Image, ...], environment: Environment, channel: Channel, role: Role, name: str
) -> NodeImage:
    """Return a role's image of that name: the file's, else the channel's, else the newest."""
    settings = environment.image_named(name)
    explicit = settings.head_id if role == "head" else settings.worker_id
    entry = channel.get(WantedImage(role, name))
    if environment.promotion and not (explicit or entry):
        source = environment.promotion.source
        raise NoImage(
            f"{environment.name} has no {_words(role, name)}: none was promoted from {source}",
            hint=f"deploy {source}, then invoke images.promote --to {environment.name}",
        )
    wanted = explicit or (entry.ami_id if entry else "")
    matching = [
        image
        for image in catalog
        if fits(image, role, name, settings) and wanted in ("", image.ami_id)
    ]
    if not matching:
        raise _refusal(catalog, role, name, settings, "" if explicit else wanted)
    chosen = matching[0]
    return NodeImage(chosen.ami_id, chosen.digest, chosen.ray_version, chosen.root_device)


def fits(image: Image, role: str, name: str, settings: ImageSettings) -> bool:
    """Say whether nodes may be launched from an image by this version of Raykiln."""
    return (
        (image.role, image.name) == (role, name)
        and bool(image.verified)
        and image.architecture == settings.architecture
        and image.contract == contract.VERSION
    )


def _words(role: str, name: str) -> str:
    return f"{role} image{f' {name}' if name else ''}"


def _refusal(
    catalog: tuple[Image, ...], role: Role, name: str, settings: ImageSettings, of_channel: str
) -> Refused:
    place = f"images.{name}" if name else "image"
    what = f"{_words(role, name)} for {settings.architecture}"
    explicit = settings.head_id if role == "head" else settings.worker_id
    if explicit:
        return Refused(
            f"{place}.{role}_id: {explicit} is not a verified {what}, baked "
            "by this version of Raykiln",
            hint="`invoke images` lists the images",
        )
    if of_channel:
        return Refused(
            f"the channel's {_words(role, name)}, {of_channel}, is not a verified {what}, baked "
            "by this version of Raykiln",
            hint="invoke bake, or promote another; `invoke images` lists the images",
        )
    same = [image for image in catalog if (image.role, image.name) == (role, name)]
    older = [image.ami_id for image in same if image.contract != contract.VERSION]
    unverified = [image.ami_id for image in same if not image.verified]
    words = f"; not verified: {', '.join(unverified)}" if unverified else ""
    words += f"; baked by another version of Raykiln: {', '.join(older)}" if older else ""
    return NoImage(f"no verified {what}{words}", hint="invoke bake")
