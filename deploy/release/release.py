"""A release: what a cluster runs, immutable and named by its content. Pure: no AWS.

The same images and settings are the same release. What can be changed without replacing an
instance (the number of standbys, timeouts) is not part of it.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from common.environment import Environment

Role = Literal["head", "worker"]


def content_id(text: str) -> str:
    """Return the id of a content: the first 16 hexadecimal digits of its SHA-256."""
    return sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class NodeImage:
    """The image of one role; ``root_device`` is the device name of its root volume."""

    ami_id: str
    digest: str
    ray_version: str
    root_device: str


@dataclass(frozen=True)
class Settings:
    """The settings of a cluster that its instances are launched with."""

    head_type: str
    worker_type: str
    worker_cpus: int
    workers_min: int
    workers_max: int
    idle_timeout_minutes: int
    volume_gib: int
    tags: tuple[tuple[str, str], ...]
    # The user's overrides of the autoscaler's YAML, as JSON.
    autoscaler_override: str


@dataclass(frozen=True)
class Release:
    """A head image, a worker image and the cluster's settings."""

    head: NodeImage
    worker: NodeImage
    settings: Settings

    @cached_property
    def id(self) -> str:
        """The release's name, derived from its content."""
        return content_id(self.to_json())

    def image(self, role: Role) -> NodeImage:
        """Return the image of a role."""
        return self.head if role == "head" else self.worker

    def to_json(self) -> str:
        """Return the canonical text of this release."""
        return json.dumps(asdict(self), sort_keys=True, indent=2)


def release_from(text: str | bytes) -> Release:
    """Parse the text that ``to_json`` wrote."""
    found: dict[str, Any] = json.loads(text)
    settings = {**found["settings"], "tags": tuple(map(tuple, found["settings"]["tags"]))}
    return Release(
        head=NodeImage(**found["head"]),
        worker=NodeImage(**found["worker"]),
        settings=Settings(**settings),
    )


def settings_of(environment: Environment, autoscaler_override: str = "{}") -> Settings:
    """Return the settings that an environment asks for."""
    return Settings(
        head_type=environment.head.instance_type,
        worker_type=environment.workers.instance_type,
        worker_cpus=environment.workers.cpus,
        workers_min=environment.workers.min,
        workers_max=environment.workers.max,
        idle_timeout_minutes=environment.workers.idle_timeout_minutes,
        volume_gib=environment.image.volume_gib,
        tags=tuple(sorted(environment.tags.items())),
        autoscaler_override=autoscaler_override,
    )


def differences(old: Release, new: Release) -> tuple[str, ...]:
    """Describe what differs between two releases, one line for each setting."""
    before, after = _facts(old), _facts(new)
    return tuple(
        f"{key}: {before.get(key)} → {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def _facts(release: Release) -> dict[str, Any]:
    found = asdict(release)
    found["settings"]["tags"] = dict(release.settings.tags)
    return _flat(found)


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            found |= _flat(inner, f"{prefix}{key}.")
        else:
            found[prefix + key] = inner
    return found
