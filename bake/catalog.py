"""The images that were baked, found by their tags. Reads AWS (EC2), and changes images there.

Tags: ``raykiln:role``, ``raykiln:image`` (NAME of ``[images.NAME]``; none for ``[image]``),
``raykiln:digest``, ``raykiln:ray-version``, ``raykiln:git``, ``raykiln:contract`` (VERSION in the
image's node/contract.py; images from before have none) and ``raykiln:verified`` (ISO 8601, UTC)
once the image tests have passed on a fresh instance; from then on also ``raykiln:tests`` (the
digest of a person's own tests; none without) and ``raykiln:python`` (of Ray). What is in an image
is kept in a bucket (image_files.py): tags are too small for it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bake.software import Report
from bake.wanted import WantedImage
from common.clients import Clients, translated
from common.errors import PipelineError

# The owner can still launch a deprecated image, but EC2 does not list it for other accounts. A year
# without a bake is a year without security updates.
DEPRECATED_AFTER = timedelta(days=365)
# EC2 takes no date in the past, and rounds to minutes: EnableImageDeprecation.
AT_ONCE, ROUNDED = timedelta(minutes=2), timedelta(minutes=1)


@dataclass(frozen=True)
class Image:
    """An AMI of ours.

    ``created``, ``verified`` and ``deprecated`` (when EC2 deprecates it) are ISO 8601; the latter
    two may be empty. ``state`` is EC2's.
    """

    ami_id: str
    role: str
    digest: str
    ray_version: str
    git: str
    created: str
    verified: str
    architecture: str
    root_device: str = ""
    contract: str = ""
    # As in [images.NAME]; empty: [image].
    name: str = ""
    tests: str = ""
    python: str = ""  # with all three numbers
    state: str = "available"
    deprecated: str = ""

    def is_deprecated(self, now: datetime) -> bool:
        """EC2 has deprecated it, or will at once."""
        if not self.deprecated:
            return False
        return datetime.fromisoformat(self.deprecated) <= now + AT_ONCE + ROUNDED


def images(clients: Clients, *, disabled: bool = False) -> tuple[Image, ...]:
    """Return every image of ours that is available, or disabled if asked for; newest first."""
    states = ["available", "disabled"] if disabled else ["available"]
    with translated("looking for baked images"):
        answer = clients("ec2").describe_images(
            Owners=["self"],
            Filters=[
                {"Name": "tag-key", "Values": ["raykiln:role"]},
                {"Name": "state", "Values": states},
            ],
            IncludeDisabled=disabled,
        )
    found = (_image(entry) for entry in answer["Images"])
    return tuple(sorted(found, key=lambda image: image.created, reverse=True))


def _image(entry: dict[str, object]) -> Image:
    tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}  # type: ignore[attr-defined]
    return Image(
        ami_id=str(entry["ImageId"]),
        role=tags.get("raykiln:role", ""),
        digest=tags.get("raykiln:digest", ""),
        ray_version=tags.get("raykiln:ray-version", ""),
        git=tags.get("raykiln:git", ""),
        created=str(entry["CreationDate"]),
        verified=tags.get("raykiln:verified", ""),
        architecture=str(entry.get("Architecture", "")),
        root_device=str(entry.get("RootDeviceName", "")),
        contract=tags.get("raykiln:contract", ""),
        name=tags.get("raykiln:image", ""),
        tests=tags.get("raykiln:tests", ""),
        python=tags.get("raykiln:python", ""),
        state=str(entry["State"]),
        deprecated=str(entry.get("DeprecationTime", "")),
    )


def find_verified(catalog: tuple[Image, ...], image: WantedImage, digest: str) -> Image | None:
    """Return the newest verified image with this digest, if there is one."""
    wanted = (image.role, image.name, digest)
    for found in catalog:
        if found.verified and (found.role, found.name, found.digest) == wanted:
            return found
    return None


def image_by_id(clients: Clients, ami_id: str) -> Image:
    """Return one image of ours; raises PipelineError when there is none with that id."""
    for image in images(clients, disabled=True):
        if image.ami_id == ami_id:
            return image
    raise PipelineError(f"{ami_id} is not an image of ours", hint="invoke images lists them")


def set_image_attributes(clients: Clients, ami_id: str, now: datetime) -> None:
    """Require IMDSv2 of the image's instances, and set the date at which EC2 deprecates the image.

    Packer 1.6.6 cannot: see ModifyImageAttribute (imds-support) and EnableImageDeprecation in the
    EC2 API Reference.
    """
    ec2 = clients("ec2")
    with translated(f"setting the attributes of {ami_id}"):
        ec2.modify_image_attribute(ImageId=ami_id, ImdsSupport={"Value": "v2.0"})
        ec2.enable_image_deprecation(ImageId=ami_id, DeprecateAt=now + DEPRECATED_AFTER)


def describe_image(clients: Clients, ami_id: str, description: str) -> None:
    """Give an image its description, once its tags say whose it is."""
    with translated(f"describing {ami_id}"):
        clients("ec2").modify_image_attribute(ImageId=ami_id, Description={"Value": description})


def check_image_attributes(clients: Clients, ami_id: str) -> None:
    """Raise PipelineError unless IMDSv2 is required of the image's instances."""
    with translated(f"reading the attributes of {ami_id}"):
        (seen,) = clients("ec2").describe_images(ImageIds=[ami_id])["Images"]
    if seen.get("ImdsSupport") != "v2.0":
        raise PipelineError(
            f"{ami_id} does not require IMDSv2 although EC2 accepted the change", hint="bake again"
        )


def deprecate(clients: Clients, ami_id: str, now: datetime) -> None:
    """Deprecate an image at once; whoever has its id can still launch it."""
    with translated(f"deprecating {ami_id}"):
        clients("ec2").enable_image_deprecation(ImageId=ami_id, DeprecateAt=now + AT_ONCE)


def disable(clients: Clients, ami_id: str) -> None:
    """Disable an image: no instance can be launched from it, and no account shares it any more.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/disable-an-ami.html
    """
    with translated(f"disabling {ami_id}"):
        clients("ec2").disable_image(ImageId=ami_id)


def put_into_use(clients: Clients, image: Image, now: datetime) -> None:
    """Enable an image that is disabled; one that was deprecated early is as its bake left it."""
    with translated(f"enabling {image.ami_id}"):
        if image.state == "disabled":
            clients("ec2").enable_image(ImageId=image.ami_id)
        if image.is_deprecated(now):
            at = datetime.fromisoformat(image.created) + DEPRECATED_AFTER
            if at > now + AT_ONCE:
                clients("ec2").enable_image_deprecation(ImageId=image.ami_id, DeprecateAt=at)


def mark_verified(clients: Clients, ami_id: str, now: datetime, report: Report, tests: str) -> None:
    """Tag an image as verified; from then on deploy may use it.

    ``tests``: the digest of a person's own tests, which it has passed too; empty without.
    """
    _tag(
        clients,
        ami_id,
        {"raykiln:verified": _moment(now), "raykiln:python": report.python}
        | ({"raykiln:tests": tests} if tests else {}),
    )


def mark_copied(clients: Clients, ami_id: str, verified: str) -> None:
    """Tag a copy as verified, as its original is."""
    _tag(clients, ami_id, {"raykiln:verified": verified})


def mark_tested(clients: Clients, ami_id: str, now: datetime, tests: str) -> None:
    """Tag a verified image that has passed other tests of a person's."""
    _tag(clients, ami_id, {"raykiln:verified": _moment(now), "raykiln:tests": tests})


def mark_unverified(clients: Clients, ami_id: str) -> None:
    """Take the tag of a verified image away; instances that run it are not touched."""
    with translated(f"removing a tag of {ami_id}"):
        clients("ec2").delete_tags(Resources=[ami_id], Tags=[{"Key": "raykiln:verified"}])


def _moment(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tag(clients: Clients, ami_id: str, tags: dict[str, str]) -> None:
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    with translated(f"tagging {ami_id}"):
        clients("ec2").create_tags(Resources=[ami_id], Tags=pairs)
