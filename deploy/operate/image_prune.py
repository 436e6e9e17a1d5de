"""Prune images: decide which go and which stay, and delete those that go. Changes AWS (EC2, S3).

EC2 deletes an image and its snapshots in one request, so no death leaves one without the other:
DeleteAssociatedSnapshots in
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeregisterImage.html
Its files go after it: no death leaves an image without them, and the next prune finds those whose
image is gone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from botocore.exceptions import ClientError

from bake.leftovers import Leftovers, find_leftovers, remove_leftovers
from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.progress import Say
from common.waiting import Clock
from deploy.operate.image_uses import Retention, image_uses
from deploy.operate.stored_files import StoredFiles, delete_files, stored_files, without_image
from deploy.operate.stored_images import (
    StoredImage,
    StoredSnapshot,
    orphans,
    recycled_images,
    shared_with,
    stored_images,
    stored_snapshots,
)
from deploy.plan.prices import snapshot_gib_month

GONE = {"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"}
NO_SNAPSHOT = {"InvalidSnapshot.NotFound"}


@dataclass(frozen=True)
class Prune:
    """What goes, and what stays with the reason; sizes in GiB."""

    region: str
    goes: tuple[StoredImage, ...] = ()
    stays: Mapping[StoredImage, str] = field(default_factory=dict)
    snapshots: tuple[StoredSnapshot, ...] = ()  # whose images are gone
    files: tuple[StoredFiles, ...] = ()  # whose images go or are gone
    leftovers: Leftovers = field(default_factory=Leftovers)
    gib: int = 0  # of all snapshots that go

    @property
    def is_empty(self) -> bool:
        """There is nothing to delete."""
        return not (self.goes or self.snapshots or self.files or self.leftovers.count)

    @property
    def words(self) -> tuple[str, ...]:
        """Return what stays and what goes, a line each, and what that saves."""
        left = self.leftovers
        return (
            *(f"  {image.words}: {why}" for image, why in self.stays.items()),
            *(f"- {image.words}" for image in self.goes),
            *(f"- snapshot {one.id}: its image is gone" for one in self.snapshots),
            *(f"- {one.words}" for one in self.files),
            *(f"- instance {name} of a killed bake" for name in left.instance_ids),
            *(f"- security group {name} of a killed bake" for name in left.group_ids),
            *(f"- key pair {name} of a killed bake" for name in left.key_names),
            *([f"saves {self.saving}"] if self.gib else []),
        )

    @property
    def saving(self) -> str:
        """Return dollars a month, at most: a snapshot holds only what has changed in its blocks."""
        price = snapshot_gib_month(self.region)
        if price is None:
            return f"up to {self.gib} GiB of snapshots"
        return f"up to ${self.gib * price:.2f} a month ({self.gib} GiB of snapshots)"


def plan_prune(
    clients: Clients, environment: Environment, retention: Retention, now: datetime
) -> Prune:
    """Decide what goes. Reads only."""
    # Before the images: one that is baked meanwhile has no files here yet.
    files = stored_files(clients, environment.images_bucket)
    found = stored_images(clients)
    uses = image_uses(clients, environment, retention, now)
    stays = dict(_kept(found, uses, retention, now))
    for image in found:
        if image not in stays and (accounts := shared_with(clients, image)):
            stays[image] = f"shared with {', '.join(accounts)}, whose instances cannot be seen"
    goes = tuple(image for image in found if image not in stays)
    snapshots, recycled = stored_snapshots(clients), recycled_images(clients)
    alone = orphans(snapshots, found, recycled, now)
    going = {name for image in goes for name in image.snapshot_ids}
    going |= {one.id for one in alone}
    return Prune(
        clients.region,
        goes,
        stays,
        alone,
        without_image(files, stays, recycled, now),
        find_leftovers(clients, now),
        sum(one.gib for one in snapshots if one.id in going),
    )


def _kept(
    found: Iterable[StoredImage],
    uses: Mapping[str, tuple[str, ...]],
    retention: Retention,
    now: datetime,
) -> Iterator[tuple[StoredImage, str]]:
    """Yield what stays, and why; images come newest first."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for image in found:
        kind = (image.role, image.name, image.architecture)
        seen[kind] += bool(image.verified)
        if image.ami_id in uses:
            yield image, uses[image.ami_id][0]
        elif image.is_protected:
            yield image, "protected from deregistration"
        elif image.state == "pending":
            yield image, "being created"
        elif now - image.created < retention.age:
            yield image, f"younger than {retention.days} days"
        elif image.verified and seen[kind] <= retention.count:
            yield image, f"one of the newest {retention.count} of its kind"


def prune(
    clients: Clients,
    environment: Environment,
    retention: Retention,
    approved: Prune,
    clock: Clock,
    say: Say,
    now: datetime,
) -> tuple[str, ...]:
    """Delete what was approved and still goes; return what could not be deleted, and why.

    What is used since the plan was shown stays. It can be run again after a failure.
    """
    current = plan_prune(clients, environment, retention, now)
    left: list[str] = []
    for image in reversed(approved.goes):  # the oldest first
        if image in current.goes:
            say(f"deleting {image.ami_id}")
            left += _delete_image(clients, image)
    for snapshot in approved.snapshots:
        if snapshot in current.snapshots:
            _delete_snapshot(clients, snapshot.id)
    recycled = recycled_images(clients)  # where a retention rule keeps what was deregistered
    for files in approved.files:
        if files in current.files and files.ami_id not in recycled:
            say(f"deleting the files of {files.ami_id}")
            delete_files(clients, files)
    remove_leftovers(clients, current.leftovers, clock, say)
    return tuple(left)


def _delete_image(clients: Clients, image: StoredImage) -> Iterator[str]:
    """Deregister an image and delete its snapshots; yield those that EC2 did not delete."""
    with translated(f"deregistering {image.ami_id}"):
        try:
            answer = clients("ec2").deregister_image(
                ImageId=image.ami_id, DeleteAssociatedSnapshots=True
            )
        except ClientError as error:
            if error_code(error) in GONE:
                return
            raise
    for one in answer.get("DeleteSnapshotResults", []):
        if one["ReturnCode"] not in ("success", "skipped"):  # skipped: another image has it too
            yield f"snapshot {one['SnapshotId']} of {image.ami_id}: {one['ReturnCode']}"


def _delete_snapshot(clients: Clients, snapshot_id: str) -> None:
    with translated(f"deleting {snapshot_id}"):
        try:
            clients("ec2").delete_snapshot(SnapshotId=snapshot_id)
        except ClientError as error:
            if error_code(error) not in NO_SNAPSHOT:
                raise
