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
from common.worker_groups import ONLY_GROUP
from node.contract import ON_DEMAND

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
class Group:
    """A group of workers: what it is launched with, and what each of its nodes offers Ray.

    ``cpus`` and ``gpus`` are those of its instance types, ``resources`` Ray's custom ones.
    """

    name: str
    instance_types: tuple[str, ...]
    markets: tuple[str, ...]
    min: int
    max: int
    idle_timeout_minutes: int
    cpus: int
    gpus: int = 0
    resources: tuple[tuple[str, int], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> str:
        """Return its instance types and markets in words."""
        types = " or ".join(self.instance_types)
        return types if self.markets == (ON_DEMAND,) else f"{types}, {' or '.join(self.markets)}"

    def has(self, instance_type: str, market: str) -> bool:
        """Say whether the group may launch that type in that market."""
        return instance_type in self.instance_types and market in self.markets


@dataclass(frozen=True)
class Settings:
    """The settings of a cluster that its instances are launched with."""

    head_type: str
    groups: tuple[Group, ...]
    volume_gib: int
    tags: tuple[tuple[str, str], ...]
    # The user's overrides of the autoscaler's YAML, as JSON.
    autoscaler_override: str
    # A release from before there were groups: its head's image launches by Ray's own provider.
    before_groups: bool = False

    @property
    def group(self) -> Group:
        """The only group."""
        (group,) = self.groups
        return group


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
        """Return the canonical text of this release; a stored one keeps its text, and so its id."""
        found = asdict(self)
        found["settings"] = _settings_as_stored(self.settings)
        return json.dumps(found, sort_keys=True, indent=2)


def release_from(text: str | bytes) -> Release:
    """Parse the text that ``to_json`` wrote."""
    found: dict[str, Any] = json.loads(text)
    settings = dict(found["settings"])
    return Release(
        head=NodeImage(**found["head"]),
        worker=NodeImage(**found["worker"]),
        settings=Settings(
            **_groups_of_stored(settings) | settings | {"tags": tuple(map(tuple, settings["tags"]))}
        ),
    )


def settings_of(
    environment: Environment, groups: tuple[Group, ...], autoscaler_override: str = "{}"
) -> Settings:
    """Return the settings that an environment asks for."""
    return Settings(
        head_type=environment.head.instance_type,
        groups=groups,
        volume_gib=environment.image.volume_gib,
        tags=tuple(sorted(environment.tags.items())),
        autoscaler_override=autoscaler_override,
    )


def _settings_as_stored(settings: Settings) -> dict[str, Any]:
    found = asdict(settings)
    if not found.pop("before_groups"):
        return found
    del found["groups"]
    group = settings.group
    return found | {
        "worker_type": group.instance_types[0],
        "worker_cpus": group.cpus,
        "workers_min": group.min,
        "workers_max": group.max,
        "idle_timeout_minutes": group.idle_timeout_minutes,
    }


def _groups_of_stored(settings: dict[str, Any]) -> dict[str, Any]:
    """Take what describes workers out of stored settings, and return it as groups."""
    if "groups" in settings:
        return {"groups": tuple(map(_group_of_stored, settings.pop("groups")))}
    group = Group(
        name=ONLY_GROUP,
        instance_types=(settings.pop("worker_type"),),
        markets=(ON_DEMAND,),
        min=settings.pop("workers_min"),
        max=settings.pop("workers_max"),
        idle_timeout_minutes=settings.pop("idle_timeout_minutes"),
        cpus=settings.pop("worker_cpus"),
    )
    return {"groups": (group,), "before_groups": True}


def _group_of_stored(group: dict[str, Any]) -> Group:
    lists = ("instance_types", "markets")
    pairs = ("resources", "labels")
    return Group(
        **group
        | {key: tuple(group[key]) for key in lists}
        | {key: tuple(map(tuple, group[key])) for key in pairs}
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
    settings = found["settings"]
    settings["tags"] = dict(release.settings.tags)
    settings["groups"] = {group.name: _group_facts(group) for group in release.settings.groups}
    del settings["before_groups"]
    return _flat(found)


def _group_facts(group: Group) -> dict[str, Any]:
    lists = {key: ", ".join(getattr(group, key)) for key in ("instance_types", "markets")}
    pairs = {key: dict(getattr(group, key)) for key in ("resources", "labels")}
    return asdict(group) | lists | pairs


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            found |= _flat(inner, f"{prefix}{key}.")
        else:
            found[prefix + key] = inner
    return found
