"""Where the files of a local cloud are, and what its kernel objects are called. No AWS.

All of that follows from two environment variables: ``RAYKILN_HOME`` (state; gone after
``cloud.down``) and ``RAYKILN_CACHE`` (what is made once and kept: the private CA, base images,
wheels). Names of kernel objects carry six digits of the home's path, so that clouds of different
homes coexist.

Mount options, and the configurations of HAProxy, dnsmasq, Redis and the registry, do not take every
name of a folder, and a Unix socket only a short one. So tools are given such a folder by a link
with a plain and short name, which is there while the cloud is (localcloud/places.py).
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common import checkout

PLAIN = re.compile(r"[A-Za-z0-9/._+@~-]+")
# HAProxy binds its socket, 32 characters below the home, with ".PID.tmp" at its end first.
# A socket's name has 107 characters at most: unix(7).
LONGEST = 60
LINKS = Path("/run")


@dataclass(frozen=True)
class Paths:
    """The files and names of one local cloud."""

    home: Path
    cache: Path

    @property
    def name(self) -> str:
        """The name of its network namespace, its cgroups and the prefix of everything else."""
        return f"rk-{hashlib.sha256(str(self.home).encode()).hexdigest()[:6]}"

    @property
    def namespace(self) -> Path:
        """The VPC's network namespace."""
        return namespace_path(self.name)

    @property
    def operator(self) -> Path:
        """The operator's network namespace, outside of the VPC."""
        return namespace_path(f"{self.name}-operator")

    @property
    def links(self) -> Mapping[Path, Path]:
        """The links that tools are given, and the folders that they lead to."""
        folders = {"home": self.home, "cache": self.cache}
        return {self._link(kind): f for kind, f in folders.items() if not _is_plain(f)}

    def _link(self, kind: str) -> Path:
        return LINKS / f"{self.name}-{kind}"

    @property
    def _home_for_tools(self) -> Path:
        return self.home if _is_plain(self.home) else self._link("home")

    @property
    def _cache_for_tools(self) -> Path:
        return self.cache if _is_plain(self.cache) else self._link("cache")

    @property
    def machines(self) -> Path:
        return self._home_for_tools / "machines"

    @property
    def images(self) -> Path:
        return self._home_for_tools / "images"

    @property
    def tasks(self) -> Path:
        """Tasks of ECS: their containers' files, and the images that were pulled for them."""
        return self._home_for_tools / "tasks"

    @property
    def tools(self) -> Path:
        """What an operator's PATH has first."""
        return self.run / "bin"

    @property
    def run(self) -> Path:
        """What the running cloud writes: pid files, sockets, generated configuration."""
        return self._home_for_tools / "run"

    @property
    def pid_file(self) -> Path:
        return self.run / "server.pid"

    @property
    def ready_file(self) -> Path:
        return self.run / "ready"

    @property
    def shortages(self) -> Path:
        """Capacity shortages while this file exists: type, zone, market and count per line."""
        return self.run / "shortages"

    @property
    def interruptions(self) -> Path:
        """Spot interruptions: an instance id and a time (seconds since the epoch) per line."""
        return self.run / "interruptions"

    @property
    def recommendations(self) -> Path:
        """Rebalance recommendations: an instance id and a time per line."""
        return self.run / "recommendations"

    @property
    def task_interruptions(self) -> Path:
        """Fargate Spot interruptions: a task id and a time per line."""
        return self.run / "task_interruptions"

    @property
    def s3_events(self) -> Path:
        """What becomes of S3's events: a pattern of keys and an effect per line."""
        return self.run / "s3_events"

    @property
    def outages(self) -> Path:
        """Services that answer with an error: a service and an effect per line."""
        return self.run / "outages"

    @property
    def issuers(self) -> Path:
        """What identity providers outside publish: a JSON Web Key Set for each, by its name."""
        return self.run / "issuers"

    @property
    def clocks(self) -> Path:
        """Wrong clocks: an instance id, and how many seconds its clock is ahead, per line."""
        return self.run / "clocks"

    @property
    def late_groups(self) -> Path:
        """What groups are late with: hooks or tags, and seconds since the launch, per line."""
        return self.run / "late_groups"

    @property
    def decisions(self) -> Path:
        """While it exists: what IAM decided, a line each of principal, action, resource, answer."""
        return self.run / "decisions"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    @property
    def lock(self) -> Path:
        """Held while the cloud is brought up or down."""
        return self.home / "lock"

    @property
    def credentials(self) -> Path:
        """The operator's access key, readable only by its owner."""
        return self.run / "credentials"

    @property
    def certificates(self) -> Path:
        return self._cache_for_tools / "ca"

    @property
    def ca(self) -> Path:
        """The certificate that clients trust."""
        return self.certificates / "ca.crt"

    @property
    def container_storage(self) -> Path:
        """The operator's container images: what buildah has built, and the base."""
        return self._cache_for_tools / "containers"

    @property
    def base_images(self) -> Path:
        return self._cache_for_tools / "base"


def _is_plain(folder: Path) -> bool:
    """Say whether every tool takes this folder."""
    return bool(PLAIN.fullmatch(str(folder))) and len(str(folder)) <= LONGEST


def namespace_path(name: str) -> Path:
    """Return where iproute2 keeps the network namespace ``name`` (ip-netns(8))."""
    return Path("/run/netns", name)


def paths(environ: Mapping[str, str] = os.environ) -> Paths:
    """Return the paths that the environment asks for."""
    return Paths(checkout.home(environ), checkout.cache(environ))
