"""The images that an environment wants: one for each role and name. No AWS."""

from dataclasses import dataclass

from bake.files import ROLES
from common.environment import Environment
from common.errors import Refused


@dataclass(frozen=True, order=True)
class WantedImage:
    """A role's image of one name; the name of ``[image]`` is empty. As text: ``worker gpu``."""

    role: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.role} {self.name}".rstrip()

    @property
    def slug(self) -> str:
        """The same for the names of files and of AWS's resources: ``worker-gpu``."""
        return str(self).replace(" ", "-")

    @property
    def place(self) -> str:
        """Its table in the environment's file."""
        return f"images.{self.name}" if self.name else "image"


def wanted_images(
    environment: Environment, role: str = "", name: str = ""
) -> tuple[WantedImage, ...]:
    """Return the images of the environment's nodes: all, or those of a role or of a name.

    Raises Refused when there is none.
    """
    every = [WantedImage(*pair) for pair in environment.wanted_images]
    if role and role not in ROLES:
        raise Refused(f"there is no role {role!r}", hint=f"choose one of {', '.join(ROLES)}")
    found = tuple(one for one in every if role in ("", one.role) and name in ("", one.name))
    if not found:
        raise Refused(
            f"no node of {environment.name} is launched from a {role or 'head or worker'} image "
            f"named {name}",
            hint=f"its images are: {', '.join(map(str, every))}",
        )
    return found
