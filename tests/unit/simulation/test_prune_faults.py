"""It must not matter where a prune dies, nor which of its calls to AWS goes wrong.

As test_faults.py, with its samples and its exhaustive runs. At every call, no snapshot of ours is
without its image, and no image without its snapshot's tag or its files.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bake.catalog import images
from bake.channels import set_channel
from bake.image_files import NAMES, store
from bake.owner import TAG
from bake.wanted import WantedImage
from deploy.operate.image_prune import plan_prune, prune
from deploy.operate.image_uses import Retention
from localcloud.account import ec2_backend
from tests.simulation.node_aws import client as unseen_client
from tests.unit.bake.test_leftovers import DEAD
from tests.unit.simulation.calls import Call
from tests.unit.simulation.conftest import Deployed, sized
from tests.unit.simulation.test_faults import QUICK, WORKERS, Sample, Watched, try_all
from tests.unit.simulation.trials import Story, again
from tests.unit.simulation.watch import Watch

pytestmark = pytest.mark.thorough
RETENTION = Retention(count=2, days=30, delete_days=180)
OURS = [{"Name": "tag-key", "Values": ["raykiln:digest"]}]
LATER = timedelta(days=400)


@dataclass
class PruneWatch(Watch):
    """Checks before every call that images, snapshots and files have each other."""

    def sends(self, call: Call, *, faulty: bool) -> None:
        """A call is about to be sent."""
        bucket = self.cluster.environment.images_bucket
        self.broken += [words for words in alone(bucket) if words not in self.broken]


def tagged_snapshots() -> set[str]:
    """Return the snapshots that a later prune would find."""
    answer = unseen_client("ec2").describe_snapshots(OwnerIds=["self"], Filters=OURS)
    return {one["SnapshotId"] for one in answer["Snapshots"]}


def kept_files(bucket: str) -> list[str]:
    """Return the keys of all files that are kept of images."""
    answer = unseen_client("s3").list_objects_v2(Bucket=bucket)
    return [entry["Key"] for entry in answer.get("Contents", [])]


def alone(bucket: str) -> list[str]:
    """Say which snapshots have no image, and which images have no tagged snapshot or no files."""
    backend = ec2_backend()
    ours = [ami for ami in backend.amis.values() if ami.get_tags()]
    snapshots, used = tagged_snapshots(), {ami.ebs_snapshot.id for ami in ours}
    keys = kept_files(bucket)
    return [
        *(
            f"{ami.id} lacks {name}"
            for ami in ours
            for name in NAMES
            if not any(key.endswith(f"/{ami.id}/{name}") for key in keys)
        ),
        *(f"{name} is without its image" for name in sorted(snapshots - used)),
        *(f"the snapshot {name} is not tagged" for name in sorted(used - snapshots)),
    ]


def bake_old_images(cluster: Watched) -> None:
    """Bake six heads of which the cluster uses none; a channel names the oldest two of them."""
    made = [cluster.cloud.bake("head") for _ in range(6)]
    for month, ami_id in enumerate(made, start=1):
        ec2_backend().amis[ami_id].creation_date = datetime(2026, month, 1, tzinfo=UTC)
    catalog = {image.ami_id: image for image in images(cluster.cloud.clients)}
    for day, ami_id in enumerate(made[:2], start=1):
        chosen = {WantedImage("head"): catalog[ami_id]}
        set_channel(cluster.cloud.clients, "prod", chosen, datetime(2026, 11, day, tzinfo=UTC))
    bucket = cluster.environment.images_bucket
    unseen_client("s3").create_bucket(Bucket=bucket)
    for image in catalog.values():
        for name in NAMES:
            store(cluster.cloud.clients, bucket, image.digest, image.ami_id, name, b"{}")
        tags = [{"Key": "raykiln:digest", "Value": image.digest}]
        snapshot = ec2_backend().amis[image.ami_id].ebs_snapshot.id
        unseen_client("ec2").create_tags(Resources=[snapshot], Tags=tags)


def leave_a_killed_bake() -> None:
    """Create what a bake that died had: a key pair and a security group."""
    tags = [{"Key": TAG, "Value": str(DEAD)}]
    unseen_client("ec2").create_key_pair(
        KeyName="raykiln-killed", TagSpecifications=[{"ResourceType": "key-pair", "Tags": tags}]
    )
    unseen_client("ec2").create_security_group(
        GroupName="raykiln-killed",
        Description="x",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )


def prune_all(cluster: Watched) -> None:
    """Plan and delete, as with --yes."""
    clients, clock, now = cluster.cloud.clients, cluster.cloud.clock, datetime.now(UTC) + LATER
    plan = plan_prune(clients, cluster.environment, RETENTION, now)
    left = prune(clients, cluster.environment, RETENTION, plan, clock, lambda words: None, now)
    assert left == ()


def ending(cluster: Watched) -> dict[str, object]:
    """Return all that is left, and what a prune would still do."""
    now, bucket = datetime.now(UTC) + LATER, cluster.environment.images_bucket
    plan = plan_prune(cluster.cloud.clients, cluster.environment, RETENTION, now)
    return {
        "the images": sorted(image.ami_id for image in images(cluster.cloud.clients)),
        "the snapshots": sorted(tagged_snapshots()),
        "the states": sorted(
            (image.ami_id, image.state, image.is_deprecated(now))
            for image in images(cluster.cloud.clients, disabled=True)
        ),
        "the files": kept_files(bucket),
        "what is alone": alone(bucket),
        "what would go": [words for words in plan.words if words.startswith("-")],
    }


def test_a_prune_survives_every_fault(deployed: Deployed, results: Path) -> None:
    cluster = Watched(deployed.cloud, sized(WORKERS, **QUICK), deployed.doubled)
    bake_old_images(cluster)
    leave_a_killed_bake()
    before = len(images(cluster.cloud.clients))
    cluster.watch = PruneWatch(cluster, floor=0, serves=False)
    story = Story(
        lambda: prune_all(cluster), again(lambda: prune_all(cluster), lambda: ending(cluster))
    )
    sample = Sample(
        DeregisterImage="killed after",
        DeleteObjects="killed",
        EnableImageDeprecation="killed after",
        DisableImage="timed out",
        DescribeLaunchTemplates="throttled",
        GetParameterHistory="denied",
        DeleteKeyPair="timed out",
    )

    try_all(cluster, story, sample, results)

    assert len(kept_files(cluster.environment.images_bucket)) == len(NAMES) * (before - 3)
    # Two of the six are of a channel; the newest of them and the cluster's are the newest two.
    assert len(images(cluster.cloud.clients, disabled=True)) == before - 3
    # Kept to go back to, and so disabled: the one that the channel named before, and the second
    # newest.
    assert len(images(cluster.cloud.clients)) == before - 5
    assert ending(cluster)["what would go"] == []
