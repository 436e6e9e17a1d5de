"""Ray's own command line on this machine: the version of the images, by their lock. No AWS."""

from pathlib import Path

from commands.documents_runtime import locked_python
from common.checkout import REPOSITORY

LOCK = REPOSITORY / "ami-provisioners/ray.lock"


def ray_command(cache: Path) -> Path:
    """Return the path of ``ray``, installed once, hash by hash, and kept in the cache.

    Raises PipelineError when it cannot be installed.
    """
    return locked_python(cache / "ray", (LOCK,), "Ray").with_name("ray")
