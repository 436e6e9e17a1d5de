"""Find a head image that would not find the password of its Redis. Reads AWS (SSM)."""

from collections.abc import Mapping

from common.clients import Clients
from common.environment import Environment
from deploy.cluster.release_images import FoundImage
from deploy.cluster.secret import find_secret, secret_value
from deploy.plan.finding import Finding
from deploy.release.release import Release
from node.contract import OWN_PASSWORD


def state_findings(
    clients: Clients, environment: Environment, release: Release, images: Mapping[str, FoundImage]
) -> tuple[Finding, ...]:
    """Return why heads could not use their Redis.

    An image from before a Redis had its own password takes Ray's token for it. That is right
    until one of the two is changed; afterwards such a release cannot be gone back to.
    """
    image = images.get(release.head.ami_id)
    if environment.head.state == "none" or image is None or image.contract >= OWN_PASSWORD:
        return ()
    secrets = (environment.secret, environment.state_secret)
    if not all(find_secret(clients, name) for name in secrets):
        return ()
    token, password = (secret_value(clients, name) for name in secrets)
    if token == password:
        return ()
    return (
        Finding(
            f"the head image {image.ami_id} takes Ray's token for the password of its Redis, and "
            "they differ by now",
            "choose a release that is newer, or deploy",
            fatal=True,
        ),
    )
