"""Copies of images from another account or region. Reads and changes AWS (EC2).

A copy is a new image, with another id and our digest:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-ami-copy-works.html
Its tag ``raykiln:copied-from`` says of which image; EC2 does not copy what another account tagged,
so all tags are given with the request, for its snapshots too. Without ``raykiln:verified``: that
comes once all that is known of the image is there.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bake.catalog import AT_ONCE, DEPRECATED_AFTER, set_image_attributes
from bake.image_sharing import Original
from common.clients import Clients, translated
from common.progress import Lines
from common.waiting import Clock, Seen, wait_for

ORIGIN = "raykiln:copied-from"
VERIFIED = "raykiln:verified"
PENDING, USABLE = "pending", ("available", "disabled")
# A copy to another region takes minutes for a few GiB, and longer where many run: best effort, says
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/CopyingAMIs.html
# Less than the four hours of the bake role's session, so that what was shared can be taken back.
COPY_SECONDS = 3.5 * 3600
EVERY = 5.0
LONGEST_NAME = 128  # CopyImage, Name


@dataclass(frozen=True)
class Origin:
    """Which image a copy is of."""

    account: str
    region: str
    ami_id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.ami_id}"


@dataclass(frozen=True)
class Copy:
    """An image that was copied here. ``state`` is EC2's; ``keys``: of its snapshots."""

    ami_id: str
    origin: str
    state: str
    created: str
    verified: str
    keys: tuple[str, ...]

    @property
    def has_failed(self) -> bool:
        """It will never be an image."""
        return self.state not in (PENDING, *USABLE)


@dataclass(frozen=True)
class Wanted:
    """A copy to make. ``key``: what it is encrypted with; empty: the account's default key."""

    original: Original
    origin: Origin
    encrypted: bool
    key: str

    def is_met_by(self, copy: Copy) -> bool:
        """Say whether a copy is, or will be, this one."""
        return (
            copy.origin == str(self.origin)
            and not copy.has_failed
            and (not self.key or set(copy.keys) <= {self.key})
        )


def find_copies(clients: Clients, origins: Iterable[Origin]) -> tuple[Copy, ...]:
    """Return every copy of these images that is in the account and region, newest first."""
    filters = [{"Name": f"tag:{ORIGIN}", "Values": sorted({str(one) for one in origins})}]
    ec2 = clients("ec2")
    with translated("looking for copies"):
        images = ec2.describe_images(Owners=["self"], Filters=filters, IncludeDisabled=True)
        pages = ec2.get_paginator("describe_snapshots")
        found = pages.paginate(OwnerIds=["self"], Filters=filters)
        keys = {
            one["SnapshotId"]: str(one.get("KmsKeyId", ""))
            for page in found
            for one in page["Snapshots"]
        }
    copies = (_copy(entry, keys) for entry in images["Images"])
    return tuple(sorted(copies, key=lambda copy: copy.created, reverse=True))


def _copy(entry: Mapping[str, Any], keys: Mapping[str, str]) -> Copy:
    tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
    names = [one["Ebs"].get("SnapshotId") for one in entry["BlockDeviceMappings"] if "Ebs" in one]
    return Copy(
        ami_id=str(entry["ImageId"]),
        origin=tags[ORIGIN],
        state=str(entry["State"]),
        created=str(entry["CreationDate"]),
        verified=tags.get(VERIFIED, ""),
        keys=tuple(keys[name] for name in names if keys.get(name)),
    )


def start_copy(clients: Clients, wanted: Wanted, before: Iterable[Copy]) -> str:
    """Begin to copy an image into this account and region; return the copy's id.

    ``before``: the copies of it that there are and that are not it. Name and token follow from
    them, so that a request that is sent again, also by another process, begins nothing new:
    https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
    """
    original, others = wanted.original, sorted(copy.ami_id for copy in before)
    suffix = f"-{len(others) + 1}" if others else ""
    pairs = [{"Key": key, "Value": value} for key, value in _tags(wanted).items()]
    secret = {"Encrypted": True} if wanted.encrypted else {}
    key = {"KmsKeyId": wanted.key} if wanted.encrypted and wanted.key else {}
    token = hashlib.sha256(f"{wanted.origin} {wanted.key} {others}".encode()).hexdigest()
    with translated(f"copying {wanted.origin}"):
        made = clients("ec2").copy_image(
            Name=original.title[: LONGEST_NAME - len(suffix)] + suffix,
            Description=f"Copied from {wanted.origin}",
            SourceImageId=original.ami_id,
            SourceRegion=wanted.origin.region,
            ClientToken=token,
            TagSpecifications=[
                {"ResourceType": kind, "Tags": pairs} for kind in ("image", "snapshot")
            ],
            **secret,
            **key,
        )
    return str(made["ImageId"])


def _tags(wanted: Wanted) -> dict[str, str]:
    kept = {
        key: value
        for key, value in wanted.original.tags.items()
        if not key.startswith("aws:") and key != VERIFIED
    }
    return kept | {ORIGIN: str(wanted.origin)}


def wait_for_copies(
    clients: Clients, lines_of: Mapping[str, str], *, clock: Clock, lines: Lines
) -> tuple[str, ...]:
    """Wait until no copy is under way; return a line for each that failed.

    ``lines_of``: the line of each copy, by its id.
    """
    done: set[str] = set()

    def look() -> Seen[list[str]]:
        found = _found(clients, list(lines_of))
        progress = _progress(clients, [one for one in found.values() if one["State"] == PENDING])
        failed = []
        for ami_id, line in lines_of.items():
            # EC2 may not show a new image yet.
            state = found[ami_id]["State"] if ami_id in found else PENDING
            if state == PENDING:
                lines.say(line, f"{ami_id}: copying, {progress.get(ami_id, '0%')}")
            elif ami_id not in done:
                done.add(ami_id)
                lines.end(line, f"{ami_id}: {state}", failed=state not in USABLE)
            if state not in (PENDING, *USABLE):
                reason = found[ami_id].get("StateReason", {}).get("Message", "")
                failed.append(f"{line}: {ami_id} is {state} {reason}".rstrip())
        left = len(lines_of) - len(done)
        return Seen(None if left else failed, f"{left} of {len(lines_of)} still copying")

    hint = "promote again: it goes on from here"
    failed = wait_for("the copies", look, clock=clock, seconds=COPY_SECONDS, every=EVERY, hint=hint)
    return tuple(failed)


def _found(clients: Clients, ami_ids: list[str]) -> dict[str, dict[str, Any]]:
    filters = [{"Name": "image-id", "Values": ami_ids}]
    with translated("looking at the copies"):
        answer = clients("ec2").describe_images(
            Owners=["self"], Filters=filters, IncludeDisabled=True
        )
    return {entry["ImageId"]: entry for entry in answer["Images"]}


def _progress(clients: Clients, entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return how far the snapshots of copies are, by the image's id: ``40%``."""
    names = {
        one["Ebs"]["SnapshotId"]: entry["ImageId"]
        for entry in entries
        for one in entry["BlockDeviceMappings"]
        if one.get("Ebs", {}).get("SnapshotId")
    }
    if not names:
        return {}
    with translated("looking at the copies' snapshots"):
        found = clients("ec2").describe_snapshots(SnapshotIds=list(names))["Snapshots"]
    return {names[one["SnapshotId"]]: str(one.get("Progress") or "0%") for one in found}


def complete_copy(clients: Clients, ami_id: str, baked: str, now: datetime) -> None:
    """Give a copy what EC2 does not promise to copy: tokens required, and when it is deprecated.

    That is a year after the original was ``baked`` (ISO 8601), as for the original.
    """
    since = max(datetime.fromisoformat(baked), now - DEPRECATED_AFTER + AT_ONCE)
    set_image_attributes(clients, ami_id, since)


def remove_failed(clients: Clients, copies: Iterable[Copy]) -> None:
    """Deregister copies that failed, with their snapshots."""
    for copy in copies:
        if copy.has_failed:
            with translated(f"deregistering {copy.ami_id}"):
                clients("ec2").deregister_image(ImageId=copy.ami_id, DeleteAssociatedSnapshots=True)
