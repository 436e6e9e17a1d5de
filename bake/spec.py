"""What to do for one image, and where the files of its bake go. No AWS."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bake.additions import Additions
from bake.base_image import BaseImage
from bake.catalog import DEPRECATED_AFTER
from bake.image_wheels import ImageWheels
from bake.owner import Owner
from bake.packer import Template
from bake.subnet import Subnet
from bake.wanted import WantedImage
from common.environment import Environment
from common.image_settings import ImageSettings


@dataclass(frozen=True)
class ImageSpec:
    """One image to test. ``added`` is the folder that its additions were written to."""

    image: WantedImage
    environment: Environment
    subnet: Subnet
    additions: Additions
    owner: Owner
    built: str
    folder: Path

    @property
    def settings(self) -> ImageSettings:
        """The image's settings in the environment's file."""
        return self.environment.image_named(self.image.name)

    @property
    def stamp(self) -> str:
        """The time of the bake as digits; makes names unique."""
        return re.sub(r"\D", "", self.built)

    @property
    def added(self) -> Path:
        """The folder that holds what a person adds to the image."""
        return self.folder / "additions"


@dataclass(frozen=True)
class BuildSpec(ImageSpec):
    """One image to build and test.

    ``source`` holds a copy of the shaping files, which ``digest`` is computed from.
    """

    base: BaseImage
    source: Path
    template: Template
    digest: str
    wheels: ImageWheels
    ray_version: str
    git: str

    @property
    def empty(self) -> Path:
        """An empty folder."""
        return self.folder / "empty"

    @property
    def description(self) -> str:
        """What EC2 shows of the image."""
        return f"Ray {self.ray_version} {self.image.role}"

    @property
    def deprecate_at(self) -> str:
        """When EC2 deprecates the image, in ISO 8601."""
        date = datetime.fromisoformat(self.built) + DEPRECATED_AFTER
        return date.strftime("%Y-%m-%dT%H:%M:%SZ")

    def variables(self) -> dict[str, object]:
        """Return a value for each variable of packer/variables.pkr.hcl."""
        settings = self.settings
        return {
            "role": self.image.role,
            "image": self.image.name,
            "slug": self.image.slug,
            "digest": self.digest,
            "repository": str(self.source),
            "wheels": str(self.wheels.ray / "wheels"),
            "requirements": str(self.wheels.ray / "requirements.txt"),
            "additions": str(self.added),
            "added_wheels": str(self.wheels.added / "wheels" if self.wheels.added else self.empty),
            "scripts": list(self.additions.scripts),
            "output": str(self.folder),
            "region": self.environment.region,
            "source_ami": self.base.ami_id,
            "root_device": self.base.root_device,
            "instance_type": settings.build_instance_type,
            "subnet_id": self.subnet.subnet_id,
            "source_cidrs": [str(cidr) for cidr in self.environment.network.operator_cidrs],
            "ssh_username": settings.ssh_username,
            "ssh_timeout": f"{self.environment.limits.boot_seconds}s",
            "volume_gib": settings.volume_gib,
            "encrypted": settings.encrypted,
            "kms_key": self.environment.nodes.kms_key,
            "python": settings.python,
            "ray_version": self.ray_version,
            "ssm_agent_required": settings.ssm_agent_required,
            "bake_id": str(self.owner),
            "stamp": self.stamp,
            "source_date_epoch": self.base.epoch,
            "deprecate_at": self.deprecate_at,
            "description": self.description,
            "git": self.git,
            "tags": self.environment.tags,
        }
