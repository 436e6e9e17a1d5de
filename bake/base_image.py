"""Find the base image that an environment names. Reads AWS (EC2)."""

from dataclasses import dataclass

from common.clients import Clients, translated
from common.errors import Refused
from common.image_settings import ImageSettings


@dataclass(frozen=True)
class BaseImage:
    """The AMI that an image is baked from."""

    ami_id: str
    name: str
    root_device: str


def resolve_base_image(
    clients: Clients, settings: ImageSettings, place: str = "image"
) -> BaseImage:
    """Return the image with the configured id, or the newest that the filter matches.

    ``place`` is the table of the settings.

    Raises Refused when no image matches, or when it is for another architecture.
    """
    query = _query(settings)
    with translated("looking for the base image"):
        found = clients("ec2").describe_images(**query)["Images"]
    if not found:
        raise Refused(
            f"no base image matches {_words(settings)}",
            hint=f"correct base_name and base_owner (or base_id) in the file's [{place}]",
        )
    newest = max(found, key=lambda image: str(image["CreationDate"]))
    if newest["Architecture"] != settings.architecture:
        raise Refused(
            f"{newest['ImageId']} is for {newest['Architecture']}, not {settings.architecture}",
            hint=f"correct [{place}] architecture or base_id in the environment's file",
        )
    return BaseImage(newest["ImageId"], newest.get("Name", ""), newest["RootDeviceName"])


def _query(settings: ImageSettings) -> dict[str, object]:
    """Return the arguments of DescribeImages (EC2 API Reference).

    An id is passed as a filter: a query by ImageIds raises an error when it does not exist.
    """
    if settings.base_id:
        return {"Filters": [{"Name": "image-id", "Values": [settings.base_id]}]}
    filters = {
        "name": settings.base_name,
        "architecture": settings.architecture,
        "root-device-type": "ebs",
        "virtualization-type": "hvm",
        "state": "available",
    }
    return {
        "Owners": [settings.base_owner],
        "Filters": [{"Name": name, "Values": [value]} for name, value in filters.items()],
    }


def _words(settings: ImageSettings) -> str:
    if settings.base_id:
        return f"id {settings.base_id}"
    return f"name {settings.base_name!r}, owner {settings.base_owner}, {settings.architecture}"
