"""The base of container images: what ``FROM debian:12-slim`` finds in the operator's storage.

Inside the VPC there is no Docker Hub, as there is none in a private subnet. So the image is built
from Debian's archive, once, before a session enters the VPC, and kept in the cache; ``buildah
build`` finds it there under its usual name. It has Python, tini and the public CAs, since a build
inside the VPC cannot install them. No AWS.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

from common.errors import PipelineError
from common.file_lock import locked
from localcloud import session
from localcloud.base_image import SUITES, Progress, bootstrap
from localcloud.paths import Paths

NAME = "localhost/debian:12-slim"
PACKAGES = ("ca-certificates", "python3", "python3-venv", "tini")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# In its own mount namespace: what buildah mounts goes with it, however it exits.
ALONE = ("unshare", "--mount", "--propagation", "private")
LOAD = """
set -e
made=$(buildah from scratch)
trap 'buildah rm "$made" >/dev/null' EXIT
buildah add --quiet "$made" "$1" / >/dev/null
buildah config --cmd /bin/bash --env "PATH=/usr/local/sbin:/usr/local/bin:$3" "$made"
buildah commit --quiet --timestamp 0 "$made" "$2" >/dev/null
"""


def ensure_base(place: Paths, progress: Progress) -> None:
    """Build the base image if the operator's storage lacks it; raises PipelineError.

    The cloud is up, and the caller is not inside of its network.
    """
    recipe = json.dumps([SUITES["12"], PACKAGES, LOAD])
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    place.container_storage.mkdir(parents=True, exist_ok=True)
    built = place.container_storage / f"base-{digest}"
    with locked(place.container_storage / "lock"):
        if not built.exists():
            _build(place, progress)
            built.touch()


def _build(place: Paths, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(dir=place.container_storage, prefix="building-") as scratch:
        root = Path(scratch, "root")
        bootstrap(root, SUITES["12"], PACKAGES, progress)
        progress("storing the container image")
        command = [*ALONE, "sh", "-c", LOAD, "sh", str(root), NAME, SYSTEM_PATH]
        environment = os.environ | dict(session.container_tools(place))
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise PipelineError(
            f"the base of container images could not be stored: {done.stderr.strip()[-300:]}",
            hint=f"remove {place.container_storage} and try again",
        )
