"""A release: what a cluster runs, immutable and named by its content. Pure: no AWS.

The same images and settings are the same release. What can be changed without replacing an
instance (the number of standbys, timeouts) is not part of it.
"""

import json
from collections.abc import Container
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from common.worker_groups import ONLY_GROUP
from deploy.release.settings import Access, Group, NodeImage, Settings, Volume
from node.contract import HEAD, ON_DEMAND


def content_id(text: str) -> str:
    """Return the id of a content: the first 16 hexadecimal digits of its SHA-256."""
    return sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Release:
    """The heads' image, and the cluster's settings with the image of each group of workers."""

    head: NodeImage
    settings: Settings

    @cached_property
    def id(self) -> str:
        """The release's name, derived from its content."""
        return content_id(self.to_json())

    @property
    def images(self) -> tuple[tuple[str, NodeImage], ...]:
        """Return whose image each is, head or group, and the image."""
        return ((HEAD, self.head), *((group.name, group.image) for group in self.settings.groups))

    def to_json(self) -> str:
        """Return the canonical text of this release; a stored one keeps its text, and so its id."""
        found = _stored_before_groups(self) if self.settings.before_groups else _stored(self)
        return json.dumps(found, sort_keys=True, indent=2)


def _stored(release: Release) -> dict[str, Any]:
    found = asdict(release)
    settings = found["settings"]
    del settings["before_groups"]
    # A release without these keys is the one that it was before there were any.
    for group in settings["groups"]:
        if not group["runs_documents"]:
            del group["runs_documents"]
    for owner, key in ((settings, "head_volume"), *((one, "volume") for one in settings["groups"])):
        if not owner[key]["initialization_rate"]:
            del owner[key]["initialization_rate"]
    return found


def release_from(text: str | bytes) -> Release:
    """Parse the text that ``to_json`` wrote."""
    found: dict[str, Any] = json.loads(text)
    if "worker" in found:
        return _from_before_groups(found)
    settings = dict(found["settings"])
    return Release(
        head=NodeImage(**found["head"]),
        settings=Settings(
            **settings
            | {
                "head_volume": Volume(**settings["head_volume"]),
                "head_access": _access_of_stored(settings["head_access"]),
                "groups": tuple(map(_group_of_stored, settings["groups"])),
                "tags": tuple(map(tuple, settings["tags"])),
            }
        ),
    )


def _from_before_groups(found: dict[str, Any]) -> Release:
    """Parse a release that has one image and one type of workers."""
    settings = found["settings"]
    volume = Volume(settings["volume_gib"])
    group = Group(
        name=ONLY_GROUP,
        image=NodeImage(**found["worker"]),
        volume=volume,
        instance_types=(settings["worker_type"],),
        markets=(ON_DEMAND,),
        min=settings["workers_min"],
        max=settings["workers_max"],
        idle_timeout_minutes=settings["idle_timeout_minutes"],
        cpus=settings["worker_cpus"],
    )
    return Release(
        NodeImage(**found["head"]),
        Settings(
            head_type=settings["head_type"],
            head_volume=volume,
            head_access=Access(),
            groups=(group,),
            tags=tuple(map(tuple, settings["tags"])),
            autoscaler_override=settings["autoscaler_override"],
            before_groups=True,
        ),
    )


def _stored_before_groups(release: Release) -> dict[str, Any]:
    """Return what ``_from_before_groups`` parses."""
    settings = release.settings
    (group,) = settings.groups
    return {
        "head": asdict(release.head),
        "worker": asdict(group.image),
        "settings": {
            "head_type": settings.head_type,
            "volume_gib": settings.head_volume.gib,
            "tags": settings.tags,
            "autoscaler_override": settings.autoscaler_override,
            "worker_type": group.instance_types[0],
            "worker_cpus": group.cpus,
            "workers_min": group.min,
            "workers_max": group.max,
            "idle_timeout_minutes": group.idle_timeout_minutes,
        },
    }


def _group_of_stored(group: dict[str, Any]) -> Group:
    lists = ("instance_types", "markets", "zones")
    pairs = ("resources", "labels")
    return Group(
        **group
        | {key: tuple(group[key]) for key in lists}
        | {key: tuple(map(tuple, group[key])) for key in pairs}
        | {
            "image": NodeImage(**group["image"]),
            "volume": Volume(**group["volume"]),
            "access": _access_of_stored(group["access"]),
        }
    )


def _access_of_stored(access: dict[str, Any]) -> Access:
    lists = {key: tuple(value) for key, value in access.items()}
    return Access(**lists | {"efs": tuple(map(tuple, access["efs"]))})


def differences(old: Release, new: Release) -> tuple[str, ...]:
    """Describe what differs between two releases, one line for each setting.

    A group that only one of them has is one line.
    """
    kept = {group.name for group in old.settings.groups} & {g.name for g in new.settings.groups}
    before, after = _facts(old, kept), _facts(new, kept)
    return tuple(
        f"{key}: {before.get(key)} → {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def _facts(release: Release, kept: Container[str]) -> dict[str, Any]:
    settings = asdict(release.settings) | {
        "tags": dict(release.settings.tags),
        "head_access": _access_facts(release.settings.head_access),
    }
    del settings["groups"], settings["before_groups"]
    groups = {
        group.name: _group_facts(group) if group.name in kept else group.summary
        for group in release.settings.groups
    }
    return _flat({"head": asdict(release.head), "groups": groups, "settings": settings})


def _group_facts(group: Group) -> dict[str, Any]:
    pairs = {key: dict(getattr(group, key)) for key in ("resources", "labels")}
    return asdict(group) | pairs | {"access": _access_facts(group.access)}


def _access_facts(access: Access) -> dict[str, Any]:
    return asdict(access) | {"efs": dict(access.efs)}


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            found |= _flat(inner, f"{prefix}{key}.")
        elif isinstance(inner, tuple):
            found[prefix + key] = ", ".join(map(str, inner))
        else:
            found[prefix + key] = inner
    return found
