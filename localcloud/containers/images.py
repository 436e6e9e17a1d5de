"""Container images on the host of the tasks: pulled with Buildah, from ECR's real endpoint.

The endpoint's name and certificate are those that clients see. Buildah keeps layers in a store of
its own below the cloud's home (containers-storage.conf(5), the overlay driver: one folder per
layer), and a container's file system is an overlay of them.
"""

import base64
import json
import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.paths import Paths
from localcloud.session import BIND

PULL_SECONDS = 600.0
# In its own mount namespace, where the VPC's resolver is the resolver.
INSIDE = f'{BIND.strip()} && shift 2 && exec "$@"'


class CannotPull(Exception):
    """The image could not be pulled; the text says why."""


@dataclass(frozen=True)
class Image:
    """A pulled image: its digest, its layers (topmost first), and what it runs."""

    digest: str
    layers: tuple[Path, ...]
    config: dict[str, Any] = field(repr=False)


class ContainerImages:
    """The images that were pulled."""

    def __init__(self, place: Paths) -> None:
        self._place = place
        self._store = place.tasks / "images"
        self._pulling = threading.Lock()

    def pull(self, reference: str, password: str) -> Image:
        """Return an image of ECR, pulled with this token; raises CannotPull."""
        with self._pulling:
            image_id = self._pulled(reference, password)
            details = json.loads(self._buildah("inspect", "--type", "image", image_id))
            return Image(
                digest=str(details["FromImageDigest"]),
                layers=self._layers(image_id),
                config=dict(details["OCIv1"].get("config") or {}),
            )

    def _pulled(self, reference: str, password: str) -> str:
        auth = self._place.run / "pull.json"
        auth.touch(mode=0o600)
        key = base64.b64encode(f"AWS:{password}".encode()).decode()
        auth.write_text(json.dumps({"auths": {reference.partition("/")[0]: {"auth": key}}}))
        try:
            every = ["--quiet", "--policy", "always", "--authfile", str(auth)]
            return self._buildah("pull", *every, reference).split()[-1]
        finally:
            auth.unlink()

    def _layers(self, image_id: str) -> tuple[Path, ...]:
        images = json.loads((self._store / "overlay-images/images.json").read_text())
        layers = json.loads((self._store / "overlay-layers/layers.json").read_text())
        parents = {layer["id"]: layer.get("parent") for layer in layers}
        layer = next(one["layer"] for one in images if one["id"] == image_id)
        found = []
        while layer:
            found.append(self._store / "overlay" / layer / "diff")
            layer = parents[layer]
        return tuple(found)

    def _buildah(self, command: str, *arguments: str) -> str:
        """Run one of Buildah's commands; raises CannotPull with its last line."""
        run = self._place.run
        store = ["--root", str(self._store), "--runroot", str(run / "task-images")]
        done = subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "slave", "sh", "-c", INSIDE, "sh"),
                *(str(run / "resolv.conf"), str(run / "nsswitch.conf")),
                *("buildah", *store, "--storage-driver", "overlay", command, *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=PULL_SECONDS,
            check=False,
            env={"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(self._place.ca)},
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise CannotPull(lines[-1].removeprefix("Error: "))
        return done.stdout
