"""The digest of an image: sha256 over everything that shapes it. Pure: no AWS, no clock.

Same digest, same image: no bake. When it was built and from which commit is written into the image
but does not shape it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from bake.files import shaping_files
from common.checkout import REPOSITORY
from common.environment import ImageSettings


@dataclass(frozen=True)
class DigestInputs:
    """What shapes an image of either role beside the files of the checkout."""

    source_ami: str
    architecture: str
    python: str
    volume_gib: int
    encrypted: bool
    ssm_agent_required: bool

    @classmethod
    def of(cls, settings: ImageSettings, source_ami: str) -> "DigestInputs":
        """Return what an environment's settings and the resolved base image say."""
        return cls(
            source_ami,
            settings.architecture,
            settings.python,
            settings.volume_gib,
            settings.encrypted,
            settings.ssm_agent_required,
        )


def image_digest(role: str, ingredients: DigestInputs, repository: Path = REPOSITORY) -> str:
    """Return 64 hex digits over role, ingredients, and every shaping file's name and content."""
    content = hashlib.sha256(json.dumps([role, vars(ingredients)]).encode())
    for path in shaping_files(repository):
        data = (repository / path).read_bytes()
        content.update(f"\0{path}\0{len(data)}\0".encode() + data)
    return content.hexdigest()
