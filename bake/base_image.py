"""Find the base image that an environment names. Reads AWS (EC2)."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from common.clients import Clients, translated
from common.errors import Refused
from common.image_settings import ImageSettings

if TYPE_CHECKING:
    from bake.source_lock import LockedBase


@dataclass(frozen=True)
class BaseImage:
    """The AMI that an image is baked from.

    ``created`` and ``deprecated`` are ISO 8601; ``deprecated`` is when EC2 deprecates it, or empty.
    """

    ami_id: str
    name: str
    root_device: str
    owner: str = ""
    created: str = ""
    deprecated: str = ""

    @property
    def epoch(self) -> int:
        """When it was made, in seconds since 1970; 0 where EC2 does not say."""
        return int(datetime.fromisoformat(self.created).timestamp()) if self.created else 0

    def is_deprecated(self, now: datetime) -> bool:
        """Say whether its owner wants no new instances of it."""
        return bool(self.deprecated) and datetime.fromisoformat(self.deprecated) <= now


def resolve_base_image(
    clients: Clients,
    settings: ImageSettings,
    place: str = "image",
    locked: "LockedBase | None" = None,
) -> BaseImage:
    """Return the locked image, or else the one with the configured id or the newest of the filter.

    ``place`` is the table of the settings. Raises Refused when no image matches, when it is for
    another architecture, and when the locked one is gone or another one than it was.
    """
    if locked is None:
        return newest_image(clients, settings, place)
    found = _found(clients, {"Filters": [{"Name": "image-id", "Values": [locked.id]}]})
    move = "invoke lock --env NAME moves the lock to the newest one"
    if not found:
        raise Refused(
            f"the locked base image {locked.words} was deregistered, or made private", hint=move
        )
    image = _image(found[0])
    if (image.name, image.owner, image.created) != (locked.name, locked.owner, locked.created):
        raise Refused(
            f"{locked.id} is {image.name} of {image.owner}, made {image.created}; the lock has "
            f"{locked.name} of {locked.owner}, made {locked.created}",
            hint=f"look who changed the lock; {move}",
        )
    return _of_architecture(found[0], settings, place)


def newest_image(clients: Clients, settings: ImageSettings, place: str = "image") -> BaseImage:
    """Return the image with the configured id, or the newest that the filter matches.

    Raises Refused when no image matches, or when it is for another architecture.
    """
    found = _found(clients, _query(settings))
    if not found:
        raise Refused(
            f"no base image matches {_words(settings)}",
            hint=f"correct base_name and base_owner (or base_id) in the file's [{place}]",
        )
    newest = max(found, key=lambda image: str(image["CreationDate"]))
    return _of_architecture(newest, settings, place)


def _found(clients: Clients, query: dict[str, Any]) -> list[dict[str, Any]]:
    """EC2 leaves deprecated images of others out unless it is asked for them (DescribeImages)."""
    by_id = {"IncludeDeprecated": True} if "Owners" not in query else {}
    with translated("looking for the base image"):
        answer = clients("ec2").describe_images(**query, **by_id)
    return [image for image in answer["Images"] if image.get("State", "available") == "available"]


def _of_architecture(found: dict[str, Any], settings: ImageSettings, place: str) -> BaseImage:
    if found["Architecture"] != settings.architecture:
        raise Refused(
            f"{found['ImageId']} is for {found['Architecture']}, not {settings.architecture}",
            hint=f"correct [{place}] architecture or base_id in the environment's file",
        )
    return _image(found)


def _image(found: dict[str, Any]) -> BaseImage:
    return BaseImage(
        found["ImageId"],
        found.get("Name", ""),
        found["RootDeviceName"],
        found.get("OwnerId", ""),
        str(found.get("CreationDate", "")),
        str(found.get("DeprecationTime", "")),
    )


def _query(settings: ImageSettings) -> dict[str, Any]:
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
