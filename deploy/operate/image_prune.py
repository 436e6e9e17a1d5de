"""Prune images: decide which go and which stay, and in which state. Changes AWS (EC2, S3).

EC2 deletes an image and its snapshots in one request, so no death leaves one without the other:
DeleteAssociatedSnapshots in
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeregisterImage.html
Its files go after it: no death leaves an image without them, and the next prune finds those whose
image is gone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from bake.channels import channel_histories
from bake.leftovers import Leftovers, find_leftovers, remove_leftovers
from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.progress import Say
from common.waiting import Clock
from deploy.operate.image_states import Idle, StateChanges, change_states, state_changes
from deploy.operate.image_uses import Retention, image_uses, last_of_channels, left_channels
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
    """What goes, what changes its state, and what stays with the reason; sizes in GiB."""

    region: str
    goes: tuple[StoredImage, ...] = ()
    stays: Mapping[StoredImage, str] = field(default_factory=dict)
    changes: StateChanges = field(default_factory=StateChanges)
    snapshots: tuple[StoredSnapshot, ...] = ()  # whose images are gone
    files: tuple[StoredFiles, ...] = ()  # whose images go or are gone
    leftovers: Leftovers = field(default_factory=Leftovers)
    gib: int = 0  # of all snapshots that go

    @property
    def is_empty(self) -> bool:
        """There is nothing to do."""
        going = (*self.goes, *self.snapshots, *self.files)
        return not (going or self.changes.count or self.leftovers.count)

    @property
    def words(self) -> tuple[str, ...]:
        """Return what stays and what goes, a line each, and what that saves."""
        left = self.leftovers
        return (
            *(f"  {image.words}: {why}" for image, why in self.stays.items()),
            *self.changes.words,
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
    kept = tuple(_kept(clients, environment, found, retention, now))
    stays = {image: why for image, why, _ in kept}
    idle = [Idle(image, since) for image, _, since in kept if since]
    changes = state_changes(idle, retention.age, now)
    for image in (*found, *changes.images):
        if (image not in stays or image in changes.images) and (to := shared_with(clients, image)):
            stays[image] = f"shared with {', '.join(to)}, whose instances cannot be seen"
            changes = changes.without(image)
    goes = tuple(image for image in found if image not in stays)
    snapshots, recycled = stored_snapshots(clients), recycled_images(clients)
    alone = orphans(snapshots, found, recycled, now)
    going = {name for image in goes for name in image.snapshot_ids}
    going |= {one.id for one in alone}
    return Prune(
        clients.region,
        goes,
        stays,
        changes,
        alone,
        without_image(files, stays, recycled, now),
        find_leftovers(clients, now),
        sum(one.gib for one in snapshots if one.id in going),
    )


Kept = tuple[StoredImage, str, datetime | None]  # an image, why it stays, since when it is idle


def _kept(
    clients: Clients,
    environment: Environment,
    found: Iterable[StoredImage],
    retention: Retention,
    now: datetime,
) -> Iterator[Kept]:
    """Yield what stays; images come newest first."""
    histories = channel_histories(clients)
    uses = image_uses(clients, environment, retention, histories, now)
    last, left = last_of_channels(histories, retention), left_channels(histories)
    seen: Counter[tuple[str, str, str]] = Counter()
    for image in found:
        kind = (image.role, image.name, image.architecture)
        seen[kind] += bool(image.verified)
        newest = seen[kind] if image.verified else 0
        since = max(image.created, left.get(image.ami_id, image.created))
        newest_words = f"one of the newest {retention.count} of its kind"
        if image.ami_id in uses:
            yield image, uses[image.ami_id][0], None
        elif why := _untouched(image, since, retention, now):
            yield image, why, None
        elif image.ami_id in last:
            yield image, last[image.ami_id][0], since
        elif newest == 1:  # that of a deploy without a channel
            yield image, newest_words, None
        elif 0 < newest <= retention.count:
            yield image, newest_words, since
        elif image.verified and now - since < timedelta(days=retention.delete_days):
            yield image, f"verified, and unused for less than {retention.delete_days} days", since


def _untouched(image: StoredImage, since: datetime, retention: Retention, now: datetime) -> str:
    """Say why an image is left as it is though nothing uses it; empty: it is not."""
    if image.is_protected:
        return "protected from deregistration"
    if image.state == "pending":
        return "being created"
    if now - since >= retention.age:
        return ""
    days = f"{retention.days} days"
    return f"younger than {days}" if since == image.created else f"left its channel within {days}"


def prune(
    clients: Clients,
    environment: Environment,
    retention: Retention,
    approved: Prune,
    clock: Clock,
    say: Say,
    now: datetime,
) -> tuple[str, ...]:
    """Do what was approved and is still due; return what could not be deleted, and why.

    What is used since the plan was shown stays. It can be run again after a failure.
    """
    current = plan_prune(clients, environment, retention, now)
    change_states(clients, approved.changes, current.changes, now)
    left: list[str] = []
    for image in reversed(approved.goes):  # the oldest first
        if image in current.goes:
            say(f"deleting {image.ami_id}")
            left += delete_image(clients, image.ami_id)
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


def delete_image(clients: Clients, ami_id: str) -> Iterator[str]:
    """Deregister an image and delete its snapshots; yield those that EC2 did not delete."""
    with translated(f"deregistering {ami_id}"):
        try:
            answer = clients("ec2").deregister_image(ImageId=ami_id, DeleteAssociatedSnapshots=True)
        except ClientError as error:
            if error_code(error) in GONE:
                return
            raise
    for one in answer.get("DeleteSnapshotResults", []):
        if one["ReturnCode"] not in ("success", "skipped"):  # skipped: another image has it too
            yield f"snapshot {one['SnapshotId']} of {ami_id}: {one['ReturnCode']}"


def _delete_snapshot(clients: Clients, snapshot_id: str) -> None:
    with translated(f"deleting {snapshot_id}"):
        try:
            clients("ec2").delete_snapshot(SnapshotId=snapshot_id)
        except ClientError as error:
            if error_code(error) not in NO_SNAPSHOT:
                raise
