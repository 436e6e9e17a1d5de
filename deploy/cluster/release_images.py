"""Whether the images of releases still exist, and what they run on. Reads AWS only."""

from collections.abc import Iterable

from common.clients import Clients, translated
from deploy.release.release import Release


def find_architectures(clients: Clients, releases: Iterable[Release]) -> dict[str, str]:
    """Return the architecture of each image of these releases that instances can be launched from.

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
    return {image["ImageId"]: image["Architecture"] for image in answer["Images"]}


def missing_images(release: Release, found: Iterable[str]) -> tuple[str, ...]:
    """Describe each image of a release that is not among those that were found."""
    existing = set(found)
    return tuple(
        f"the {role} image {image.ami_id} does not exist any more"
        for role, image in release.images
        if image.ami_id not in existing
    )
