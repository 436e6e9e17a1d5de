"""Whether the images of releases still exist, and what they are. Reads AWS only."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated
from deploy.release.release import Release

CONTRACT_TAG = "raykiln:contract"


@dataclass(frozen=True)
class FoundImage:
    """An image that instances can be launched from; ``root_gib`` is the size of its root volume.

    ``contract`` is what it was baked with (node/contract.py, VERSION); 0 if it does not say.
    """

    ami_id: str
    architecture: str
    root_gib: int
    contract: int = 0


def find_images(clients: Clients, releases: Iterable[Release]) -> dict[str, FoundImage]:
    """Return those images of these releases that instances can be launched from, by id.

    DescribeImages with ids fails for one that is gone; with a filter it leaves it out.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
    """
    return images_by_id(
        clients, {image.ami_id for release in releases for _, image in release.images}
    )


def images_by_id(clients: Clients, ami_ids: Collection[str]) -> dict[str, FoundImage]:
    """Return those of these images that instances can be launched from, by id."""
    if not ami_ids:
        return {}
    with translated("looking for images"):
        answer = clients("ec2").describe_images(
            Filters=[
                {"Name": "image-id", "Values": sorted(ami_ids)},
                {"Name": "state", "Values": ["available"]},
            ]
        )
    return {entry["ImageId"]: _image(entry) for entry in answer["Images"]}


def _image(entry: dict[str, Any]) -> FoundImage:
    root = entry.get("RootDeviceName")
    volumes = {
        mapping["DeviceName"]: mapping.get("Ebs", {})
        for mapping in entry.get("BlockDeviceMappings", [])
    }
    tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
    return FoundImage(
        ami_id=entry["ImageId"],
        architecture=entry["Architecture"],
        root_gib=int(volumes.get(root, {}).get("VolumeSize", 0)),
        contract=int(tags.get(CONTRACT_TAG, 0)),
    )


def missing_images(release: Release, found: Iterable[str]) -> tuple[str, ...]:
    """Describe each image of a release that is not among those that were found."""
    existing = set(found)
    return tuple(
        f"the {role} image {image.ami_id} does not exist any more, or is disabled"
        for role, image in release.images
        if image.ami_id not in existing
    )
