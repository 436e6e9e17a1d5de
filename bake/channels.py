"""Channels: the images that an environment is deployed from. Reads and changes AWS (SSM).

A channel has a parameter for each image: ``/raykiln/images/ENV/ROLE``, or ``ROLE-NAME`` for that of
``[images.NAME]``. A bake puts what it verified into its own environment's channel; promotion puts
there what another environment serves. Parameter Store keeps a parameter's last 100 versions:
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bake.catalog import Image
from bake.wanted import WantedImage
from common.clients import Clients, translated
from common.errors import Refused

ROOT = "/raykiln/images"
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
NAMES_AT_ONCE = 10


@dataclass(frozen=True)
class Entry:
    """What a channel has of one image.

    ``source``: the environment that it was promoted from; empty: a bake put it here. ``since``: ISO
    8601, UTC. ``together``: the ids of all images that were set with it, by their slug.
    """

    ami_id: str
    digest: str
    source: str
    since: str
    together: Mapping[str, str]
    version: int

    @property
    def words(self) -> str:
        """Return where the image came from, and when."""
        how = f"promoted from {self.source}" if self.source else "baked"
        return f"{how}, in the channel since {self.since}"


Channel = Mapping[WantedImage, Entry]


def parameter_name(environment: str, image: WantedImage) -> str:
    """Return the name of an image's parameter in an environment's channel."""
    return f"{ROOT}/{environment}/{image.slug}"


def read_channel(clients: Clients, environment: str, wanted: Iterable[WantedImage]) -> Channel:
    """Return what an environment's channel has of these images; an image may be missing.

    Raises Refused for a parameter that is none of ours.
    """
    names = {parameter_name(environment, image): image for image in wanted}
    found: dict[WantedImage, Entry] = {}
    for some in _batches(list(names)):
        with translated(f"reading the channel {ROOT}/{environment}"):
            answer = clients("ssm").get_parameters(Names=some)
        for parameter in answer["Parameters"]:
            found[names[parameter["Name"]]] = entry_from(parameter)
    return {image: found[image] for image in names.values() if image in found}


def entry_from(parameter: Mapping[str, Any]) -> Entry:
    """Return what a version of a parameter says; raises Refused when it is none of ours."""
    try:
        content = json.loads(parameter["Value"])
        return Entry(
            ami_id=str(content["ami_id"]),
            digest=str(content["digest"]),
            source=str(content["source"]),
            since=str(content["since"]),
            together={str(slug): str(ami_id) for slug, ami_id in content["together"].items()},
            version=int(parameter["Version"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(
            f"the parameter {parameter['Name']} names no image",
            hint="restore an earlier version of it, or delete it; then bake or promote again",
        ) from error


def set_channel(
    clients: Clients,
    environment: str,
    images: Mapping[WantedImage, Image],
    now: datetime,
    source: str = "",
) -> tuple[WantedImage, ...]:
    """Have a channel name these images; return those that it named otherwise.

    Each image has a separate parameter, so a reader may find some set and others not yet:
    ``unfinished`` says so, and the same call completes it.
    """
    before = read_channel(clients, environment, images)
    changed = tuple(
        image
        for image, new in images.items()
        if image not in before or before[image].ami_id != new.ami_id
    )
    together = {image.slug: new.ami_id for image, new in sorted(images.items())}
    for image in changed:
        content = {
            "ami_id": images[image].ami_id,
            "digest": images[image].digest,
            "source": source,
            "since": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "together": together,
        }
        _put(clients, parameter_name(environment, image), json.dumps(content))
    return changed


def _put(clients: Clients, name: str, value: str) -> None:
    with translated(f"writing the parameter {name}"):
        clients("ssm").put_parameter(
            Name=name,
            Description="An image to deploy; set by Raykiln's bake or images.promote",
            Value=value,
            Type="String",
            Overwrite=True,
        )


def unfinished(channel: Channel) -> Iterator[str]:
    """Yield what a change of the channel that was cut off has left to do."""
    by_slug = {image.slug: entry for image, entry in channel.items()}
    for image, entry in channel.items():
        for slug, ami_id in entry.together.items():
            other = by_slug.get(slug)
            if other and other.since < entry.since and other.ami_id != ami_id:
                yield f"{image} is {entry.ami_id}, which came with {slug} {ami_id}"


def last_change(channel: Channel) -> tuple[WantedImage, ...]:
    """Return the images that were set last, all at once."""
    newest = max((entry.since for entry in channel.values()), default="")
    return tuple(image for image, entry in channel.items() if entry.since == newest)


def entry_before(clients: Clients, environment: str, image: WantedImage) -> Entry | None:
    """Return what a channel had of an image before what it has now; None when it had no other."""
    versions = _versions(clients, parameter_name(environment, image))
    return next((one for one in versions if one.ami_id != versions[0].ami_id), None)


def channel_histories(clients: Clients) -> dict[str, list[Entry]]:
    """Return the versions of every parameter of every channel of the account, newest first."""
    with translated(f"listing the channels below {ROOT}"):
        pages = clients("ssm").get_paginator("get_parameters_by_path")
        names = [
            parameter["Name"]
            for page in pages.paginate(Path=ROOT, Recursive=True)
            for parameter in page["Parameters"]
        ]
    return {name: _versions(clients, name) for name in sorted(names)}


def _versions(clients: Clients, name: str) -> list[Entry]:
    with translated(f"reading the versions of {name}"):
        pages = clients("ssm").get_paginator("get_parameter_history").paginate(Name=name)
        found = [entry_from(one) for page in pages for one in page["Parameters"]]
    return sorted(found, key=lambda entry: entry.version, reverse=True)


def _batches(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), NAMES_AT_ONCE):
        yield names[start : start + NAMES_AT_ONCE]
