"""What a person may write into ``autoscaler_file``, and what to use instead of the rest. No AWS.

The file is merged over the configuration that Raykiln makes for Ray's autoscaler. Ray's schema has
keys that only ``ray up`` reads, too (ray/autoscaler/ray-schema.json, Ray 2.60): they would do
nothing, since nodes here are baked.
"""

import json
import math
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from common.errors import Refused
from common.worker_groups import table_of
from common.yaml_file import read_mapping
from deploy.release.settings import Settings
from node.contract import HEAD_NODE_TYPE

TYPES = "available_node_types"

_COMMANDS = "bake it into the image: a numbered script in ami-provisioners/"
_DATA = "bake files into the image, or give a job its own by Ray's runtime_env"
_RAYKILNS = "Raykiln sets it: remove it"
# Keys of the file, with what to use instead.
REFUSED = {
    "cluster_name": "Raykiln sets it: it is the environment's name",
    "provider": _RAYKILNS,
    "head_node_type": _RAYKILNS,
    "auth": "nodes are reached by Session Manager: `invoke head.shell`",
    "docker": "Ray runs without containers, from the image",
    "initialization_commands": _COMMANDS,
    "setup_commands": _COMMANDS,
    "head_setup_commands": _COMMANDS,
    "worker_setup_commands": _COMMANDS,
    "head_start_ray_commands": "systemd starts Ray: systemd/ray-head.service",
    "worker_start_ray_commands": "systemd starts Ray: systemd/ray-worker.service",
    "file_mounts": _DATA,
    "cluster_synced_files": _DATA,
    "file_mounts_sync_continuously": _DATA,
    "rsync_exclude": _DATA,
    "rsync_filter": _DATA,
    "metadata": "put it under [tags] in the environment's file",
    "no_restart": "only `ray up` reads it: remove it",
    "head_node": "use [head] in the environment's file",
    "worker_nodes": "use [workers.NAME] in the environment's file",
    "min_workers": "use min under [workers.NAME] in the environment's file",
}
# Keys of a group's node type, likewise; TABLE stands for the group's in the environment's file.
REFUSED_OF_GROUP = {
    "node_config": "workers are launched by the settings under TABLE in the environment's file",
    "resources": "use resources under TABLE in the environment's file, so that nodes have them too",
    "labels": "use labels under TABLE in the environment's file, so that nodes have them too",
    "min_workers": "use min under TABLE in the environment's file",
    "max_workers": "use max under TABLE in the environment's file",
    "initialization_commands": _COMMANDS,
    "worker_setup_commands": _COMMANDS,
    "docker": REFUSED["docker"],
}


def read_override(path: Path) -> dict[str, Any]:
    """Return the mapping in a person's YAML file; raises Refused, with all that is not JSON."""
    found = read_mapping(path, named="autoscaler_file", example="upscaling_speed: 2")
    refuse(path, _no_json(found, (), ()))
    return found


def refuse(path: Path, mistakes: Iterable[str]) -> None:
    """Raise Refused with all mistakes of a file at once, each with file and key."""
    if lines := [f"  {path.name}: {mistake}" for mistake in mistakes]:
        count = f"{len(lines)} mistake{'s' if len(lines) > 1 else ''}"
        raise Refused("\n".join((f"{path}: {count}", *lines)), hint=f"correct {path.name}")


def useless_keys(override: dict[str, Any], groups: Collection[str]) -> Iterator[str]:
    """Yield each key that Raykiln sets or that would do nothing, with what to use instead.

    ``groups``: the names of the environment's groups, which are its node types.
    """
    for key, instead in REFUSED.items():
        if key in override:
            yield f"{key}: {instead}"
    types = override.get(TYPES)
    for name, node_type in types.items() if isinstance(types, dict) else ():
        place = f"{TYPES}.{name}"
        if name == HEAD_NODE_TYPE:
            yield f"{place}: {_RAYKILNS}"
        elif name not in groups and not _only_drains(node_type):
            yield f"{place}: {_no_group(name)}"
        elif name in groups and isinstance(node_type, dict):
            for key, instead in REFUSED_OF_GROUP.items():
                if key in node_type:
                    yield f"{place}.{key}: {instead.replace('TABLE', table_of(name))}"


def _no_group(name: str) -> str:
    return (
        f"node types are made from the groups of the environment's file, which has no {name}: "
        f"write {table_of(name)} there, with its instance_types, min and max"
    )


def takes_effect(override: dict[str, Any], groups: Collection[str]) -> dict[str, Any]:
    """Return an override without the keys that ``useless_keys`` names."""
    kept = {key: value for key, value in override.items() if key not in REFUSED}
    types = kept.get(TYPES)
    if isinstance(types, dict):
        kept[TYPES] = {
            name: _without(node_type) if name in groups else node_type
            for name, node_type in types.items()
            if name in groups or (name != HEAD_NODE_TYPE and _only_drains(node_type))
        }
    return kept


def node_types(settings: Settings) -> frozenset[str]:
    """Return the node types of a release's override that Raykiln does not make itself."""
    return frozenset(_own_types(settings))


def launching_types(settings: Settings) -> frozenset[str]:
    """Return those of ``node_types`` that the autoscaler may launch workers of."""
    types = _own_types(settings)
    return frozenset(name for name, node_type in types.items() if not _only_drains(node_type))


def _own_types(settings: Settings) -> dict[str, Any]:
    types = json.loads(settings.autoscaler_override).get(TYPES)
    known = types if isinstance(types, dict) else {}
    ours = {HEAD_NODE_TYPE, *(group.name for group in settings.groups)}
    return {name: node_type for name, node_type in known.items() if name not in ours}


def _only_drains(node_type: object) -> bool:
    """Say whether a node type launches nothing: it stands there for workers that still run.

    The autoscaler stops at a node whose type it does not know (``_enforce_max_workers_per_type``,
    autoscaler/v2/scheduler.py, Ray 2.60).
    """
    return isinstance(node_type, dict) and node_type.get("max_workers") == 0


def _without(node_type: object) -> object:
    if not isinstance(node_type, dict):
        return node_type
    return {key: value for key, value in node_type.items() if key not in REFUSED_OF_GROUP}


def _no_json(value: object, place: tuple[str, ...], above: tuple[int, ...]) -> Iterator[str]:
    """Yield what Ray's schema has no type for: only what JSON can say."""
    where = ".".join(place) or "(the whole file)"
    if id(value) in above:
        yield f"{where}: contains itself"
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"{where}: the key {key!r} is a {type(key).__name__}: put it in quotes"
            yield from _no_json(inner, (*place, str(key)), (*above, id(value)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _no_json(inner, (*place, str(number)), (*above, id(value)))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: {value} is no number that Ray accepts"
    elif not isinstance(value, str | int | float | None):
        yield f"{where}: a {type(value).__name__} in YAML: put it in quotes, or write a number"
