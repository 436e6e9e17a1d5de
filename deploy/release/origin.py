"""Where the images of a release came from, for a person. Reads AWS (SSM)."""

from bake.channels import Channel, read_channel
from bake.wanted import wanted_images
from common.clients import Clients
from common.environment import Environment
from deploy.release.release import Release


def origins(clients: Clients, environment: Environment, release: Release) -> tuple[str, ...]:
    """Return a line for the heads and for each group: the image, and where it came from."""
    channel = read_channel(clients, environment.name, wanted_images(environment))
    return tuple(
        f"{role}: {image.ami_id}, {_origin(channel, environment, image.ami_id)}"
        for role, image in release.images
    )


def _origin(channel: Channel, environment: Environment, ami_id: str) -> str:
    for entry in channel.values():
        if entry.ami_id == ami_id:
            return entry.words
    for settings in (environment.image, *environment.images.values()):
        if ami_id in (settings.head_id, settings.worker_id):
            return "named in the environment's file"
    return "not in the channel"
