"""Whether build instances can be launched from the base images. Reads AWS (EC2)."""

from collections.abc import Iterable

from common.clients import Clients
from common.errors import Refused
from common.image_settings import ImageSettings
from common.instance_types import type_facts


def check_build_types(clients: Clients, images: Iterable[tuple[str, ImageSettings]]) -> None:
    """Raise Refused that names each image whose build instance has another architecture.

    ``images`` are their tables with their settings. EC2 launches no instance whose type lacks the
    architecture of its image:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resize-limitations.html
    """
    wanted = dict(images)
    facts = type_facts(clients, {settings.build_instance_type for settings in wanted.values()})
    wrong = {
        f"{place}.build_instance_type: {kind.name} is {' and '.join(kind.architectures)}, "
        f"the image {settings.architecture}"
        for place, settings in wanted.items()
        if settings.architecture not in (kind := facts[settings.build_instance_type]).architectures
    }
    if wrong:
        raise Refused(
            "a build instance has another architecture than its image:\n"
            + "\n".join(f"  {words}" for words in sorted(wrong)),
            hint="set it to a type of that architecture, such as m6i.large (x86_64) "
            "or m7g.large (arm64)",
        )
