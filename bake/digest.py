"""The digest of an image: SHA-256 over everything that shapes it. No AWS, no clock.

An image with the same digest is not baked again. Two bakes of a digest give the same files (invoke
images.compare): an image's tags say when it was built and from which commit, its files do not. A
person's tests have a digest of their own.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from bake.additions import Additions
from bake.files import shaping_files
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.environment import Environment


@dataclass(frozen=True)
class DigestInputs:
    """What shapes an image of either role, besides the files of the checkout."""

    source_ami: str
    architecture: str
    python: str
    volume_gib: int
    encrypted: bool
    kms_key: str
    ssm_agent_required: bool
    additions: str  # the digest of what a person adds

    @classmethod
    def of(
        cls, environment: Environment, image: WantedImage, source_ami: str, additions: Additions
    ) -> "DigestInputs":
        """Return the inputs from an image's settings and what they name."""
        settings = environment.image_named(image.name)
        return cls(
            source_ami,
            settings.architecture,
            settings.python,
            settings.volume_gib,
            settings.encrypted,
            environment.nodes.kms_key,
            settings.ssm_agent_required,
            additions.digest,
        )


def image_digest(image: WantedImage, inputs: DigestInputs, repository: Path = REPOSITORY) -> str:
    """Return 64 hex digits over role, name, inputs, and every shaping file's name and content."""
    content = hashlib.sha256(json.dumps([image.role, image.name, vars(inputs)]).encode())
    for path in shaping_files(repository):
        data = (repository / path).read_bytes()
        content.update(f"\0{path}\0{len(data)}\0".encode() + data)
    return content.hexdigest()
