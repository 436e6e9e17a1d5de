"""The images of ours that cost something, in any state, and their snapshots. Reads AWS (EC2)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bake.leftovers import TOO_OLD
from common.clients import Clients, translated

OURS = [{"Name": "tag-key", "Values": ["raykiln:digest"]}]
# "Created by CreateImage(i-…) for ami-…", "Copied for DestinationAmi ami-… from SourceAmi ami-…":
# what EC2 describes the snapshots of an image with.
OF_IMAGE = re.compile(r"\bfor (?:DestinationAmi )?(ami-[0-9a-f]+)")


@dataclass(frozen=True)
class StoredImage:
    """An AMI of ours; ``verified`` as in the catalog, ``deprecated`` when EC2 deprecates it."""

    ami_id: str
    role: str
    name: str
    digest: str
    architecture: str
    verified: str
    state: str
    created: datetime
    deprecated: datetime | None
    is_protected: bool
    snapshot_ids: tuple[str, ...]

    @property
    def words(self) -> str:
        """Return the image in short."""
        what = f"{self.role} {self.name}".rstrip()
        kind = "" if self.verified else ", unverified"
        return f"{self.ami_id} ({what} of {self.created:%Y-%m-%d}{kind})"


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot of ours; ``image`` is what it was made for, empty if it does not say."""

    id: str
    image: str
    gib: int
    started: datetime


def stored_images(clients: Clients) -> tuple[StoredImage, ...]:
    """Return every image of ours, newest first: also deprecated, disabled and failed ones."""
    with translated("listing the images"):
        pages = clients("ec2").get_paginator("describe_images")
        found = [
            _image(entry)
            for page in pages.paginate(Owners=["self"], Filters=OURS, IncludeDisabled=True)
            for entry in page["Images"]
        ]
    return tuple(sorted(found, key=lambda image: image.created, reverse=True))


def _image(entry: dict[str, Any]) -> StoredImage:
    tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
    mappings = [one["Ebs"] for one in entry.get("BlockDeviceMappings", []) if "Ebs" in one]
    return StoredImage(
        ami_id=entry["ImageId"],
        role=tags.get("raykiln:role", ""),
        name=tags.get("raykiln:image", ""),
        digest=tags.get("raykiln:digest", ""),
        architecture=entry.get("Architecture", ""),
        verified=tags.get("raykiln:verified", ""),
        state=entry["State"],
        created=datetime.fromisoformat(entry["CreationDate"]),
        deprecated=datetime.fromisoformat(entry["DeprecationTime"])
        if entry.get("DeprecationTime")
        else None,
        is_protected=entry.get("DeregistrationProtection", "disabled") != "disabled",
        snapshot_ids=tuple(one["SnapshotId"] for one in mappings if "SnapshotId" in one),
    )


def shared_with(clients: Clients, image: StoredImage) -> tuple[str, ...]:
    """Return the accounts, organizations or ``all`` that may launch an image beside its owner."""
    with translated(f"reading who may launch {image.ami_id}"):
        answer = clients("ec2").describe_image_attribute(
            ImageId=image.ami_id, Attribute="launchPermission"
        )
    return tuple(
        sorted(value for one in answer.get("LaunchPermissions", []) for value in one.values())
    )


def stored_snapshots(clients: Clients) -> tuple[StoredSnapshot, ...]:
    """Return every snapshot that is tagged as an image's of ours."""
    with translated("listing the snapshots"):
        pages = clients("ec2").get_paginator("describe_snapshots")
        return tuple(
            _snapshot(entry)
            for page in pages.paginate(OwnerIds=["self"], Filters=OURS)
            for entry in page["Snapshots"]
        )


def _snapshot(entry: dict[str, Any]) -> StoredSnapshot:
    match = OF_IMAGE.search(entry.get("Description", ""))
    return StoredSnapshot(
        entry["SnapshotId"], match[1] if match else "", entry["VolumeSize"], entry["StartTime"]
    )


def recycled_images(clients: Clients) -> set[str]:
    """Return the ids of the images in the Recycle Bin, which can be restored."""
    with translated("reading the Recycle Bin"):
        pages = clients("ec2").get_paginator("list_images_in_recycle_bin").paginate()
        return {entry["ImageId"] for page in pages for entry in page["Images"]}


def orphans(
    snapshots: Iterable[StoredSnapshot],
    found: Iterable[StoredImage],
    recycled: set[str],
    now: datetime,
) -> tuple[StoredSnapshot, ...]:
    """Return the snapshots that no image has any more.

    That of an image in the Recycle Bin is not one: the image can be restored with it. Neither is a
    new one, whose image may be in the making.
    """
    used = {name for image in found for name in image.snapshot_ids}
    return tuple(
        one
        for one in snapshots
        if one.id not in used and one.image not in recycled and now - one.started > TOO_OLD
    )
