"""Whether the images of releases still exist, and what they are. Reads AWS only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated
from deploy.release.release import Release


@dataclass(frozen=True)
class FoundImage:
    """An image that instances can be launched from; ``root_gib`` is the size of its root volume."""

    ami_id: str
    architecture: str
    root_gib: int


def find_images(clients: Clients, releases: Iterable[Release]) -> dict[str, FoundImage]:
    """Return those images of these releases that instances can be launched from, by id.

    DescribeImages with ids fails for one that is gone; with a filter it leaves it out.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
    """
    wanted = {image.ami_id for release in releases for _, image in release.images}
    if not wanted:
        return {}
    with translated("looking for the images of the release"):
        answer = clients("ec2").describe_images(
            Filters=[
                {"Name": "image-id", "Values": sorted(wanted)},
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
    return FoundImage(
        ami_id=entry["ImageId"],
        architecture=entry["Architecture"],
        root_gib=int(volumes.get(root, {}).get("VolumeSize", 0)),
    )


def missing_images(release: Release, found: Iterable[str]) -> tuple[str, ...]:
    """Describe each image of a release that is not among those that were found."""
    existing = set(found)
    return tuple(
        f"the {role} image {image.ami_id} does not exist any more, or is disabled"
        for role, image in release.images
        if image.ami_id not in existing
    )
