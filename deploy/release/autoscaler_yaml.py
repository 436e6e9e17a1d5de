"""The YAML that Ray's autoscaler v2 reads on the head. Pure: no AWS.

Ray runs here without ``ray up``, which would fill in defaults: ``resources`` and ``SubnetIds`` must
be explicit (ray/autoscaler/_private/aws/node_provider.py), the head's node_config stays empty, and
workers are launched from a numbered version of our launch template, with no SSH from the head, by
our own provider (node/ray/provider.py), which tries a group's instance types in order.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from common.environment import Environment
from deploy.release.ray_schema import mistakes
from deploy.release.settings import Group, Settings
from node import contract

UNUSED = ("setup_commands", "head_setup_commands", "worker_setup_commands", "cluster_synced_files")
IDLE = "idle_timeout_minutes"
# What a driver of a job takes, so that the autoscaler launches a worker for one that waits.
DRIVERS: dict[str, float] = {contract.DRIVER_RESOURCE: contract.DRIVERS_PER_WORKER}
# Of a group that is removed: as many as any group may have.
MOST_WORKERS = 10_000


@dataclass(frozen=True)
class Source:
    """What a group's workers are launched from: a launch template's version, and the subnets.

    ``interfaces`` are the template's own, if it has some: each launch names their subnet.
    """

    template_id: str
    version: int
    subnet_ids: tuple[str, ...]
    interfaces: tuple[dict[str, Any], ...] = ()


UNKNOWN = Source("lt-later", 1, ("subnet-later",))


def autoscaler_yaml(
    environment: Environment,
    settings: Settings,
    sources: Mapping[str, Source],
    removed: Collection[str] = (),
) -> str:
    """Return the configuration as YAML.

    ``sources`` are by group. ``removed`` groups are not the release's, but may have workers still.
    """
    override = json.loads(settings.autoscaler_override)
    config = merged_config(environment, settings, override, sources, removed)
    return yaml.safe_dump(config, sort_keys=False)


def removed_in(body: bytes) -> tuple[str, ...]:
    """Return the removed groups that a YAML of ``autoscaler_yaml`` still has a node type for.

    None for one that was changed since, and is no such YAML: heads keep their copy of it.
    """
    try:
        types = dict(yaml.safe_load(body)["available_node_types"])
    except (yaml.YAMLError, LookupError, TypeError, ValueError):
        return ()
    return tuple(sorted(name for name in types if types[name] == _launches_none(MOST_WORKERS)))


def merged_config(
    environment: Environment,
    settings: Settings,
    override: Mapping[str, Any],
    sources: Mapping[str, Source],
    removed: Collection[str] = (),
) -> dict[str, Any]:
    """Return what Raykiln makes, with ``override`` applied; is not looked at for mistakes here."""
    before = settings.before_groups
    per_group = not before and IDLE not in override
    groups = {
        group.name: _group_type(group, _node_config(sources[group.name], group, before=before))
        | ({"idle_timeout_s": 60 * group.idle_timeout_minutes} if per_group else {})
        for group in settings.groups
    }
    generated = {
        "cluster_name": environment.name,
        "max_workers": sum(group.max for group in settings.groups),
        **({IDLE: settings.groups[0].idle_timeout_minutes} if before else {}),
        **(_own_provider if before else _group_provider)(environment.region),
        "head_node_type": contract.HEAD_NODE_TYPE,
        "available_node_types": {contract.HEAD_NODE_TYPE: _launches_none(0)} | groups,
    }
    return _with_removed(_merged(generated, override), removed)


def _with_removed(config: dict[str, Any], removed: Iterable[str]) -> dict[str, Any]:
    """Return the configuration with the node types of removed groups.

    The autoscaler stops at a node whose type it does not know, and above a maximum, a type's or the
    cluster's, it stops nodes at once, whatever runs on them (``_enforce_max_workers_per_type`` and
    ``_enforce_max_workers_global``, autoscaler/v2/scheduler.py, and ``_stop_ray_node``,
    subscribers/ray_stopper.py, Ray 2.60). So those that still run are below both until they are
    drained; nothing is launched, since no work fits a node that offers no CPU.
    """
    names = sorted(removed)
    if not names:
        return config
    types = config["available_node_types"] | {name: _launches_none(MOST_WORKERS) for name in names}
    most = config["max_workers"] + MOST_WORKERS * len(names)
    return config | {"max_workers": most, "available_node_types": types}


def _node_config(source: Source, group: Group, *, before: bool) -> dict[str, Any]:
    template = {"LaunchTemplateId": source.template_id, "Version": str(source.version)}
    return {
        "LaunchTemplate": template,
        "SubnetIds": list(source.subnet_ids),
        **({} if before else {contract.NODE_CONFIG_TYPES: list(group.instance_types)}),
        **({} if before else {contract.NODE_CONFIG_MARKETS: list(group.markets)}),
        **({"NetworkInterfaces": list(source.interfaces)} if source.interfaces else {}),
    }


def _own_provider(region: str) -> dict[str, Any]:
    """Return Ray's own provider for AWS, which images from before there were groups launch by."""
    return {"provider": {"type": "aws", **_aws(region)}}


def _group_provider(region: str) -> dict[str, Any]:
    """Return our provider, and the lists that Ray fills in for its own ones alone.

    ``prepare_config`` of ray/autoscaler/_private/util.py (Ray 2.60) expects them.
    """
    return {
        "provider": {
            "type": "external",
            "module": contract.PROVIDER,
            contract.PROVIDER_LAUNCHES: contract.LAUNCHES_FILE,
            **_aws(region),
        },
        **{key: [] for key in UNUSED},
    }


def _aws(region: str) -> dict[str, object]:
    return {
        "region": region,
        "cache_stopped_nodes": False,
        "use_internal_ips": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    }


def _launches_none(most: int) -> dict[str, object]:
    """Return a node type that nothing is launched from, but that ``most`` nodes may have."""
    return {"node_config": {}, "resources": {"CPU": 0}, "min_workers": 0, "max_workers": most}


def _group_type(group: Group, node_config: dict[str, Any]) -> dict[str, object]:
    """Return a group's node type; memory is left out, as each node measures its own.

    Ray gives each node the label of its group by itself (RAY_NODE_TYPE_NAME), but launches one for
    work that asks for it only where the node type says so (``_satisfies_label_constraints``,
    autoscaler/v2/scheduler.py, Ray 2.60).
    """
    gpus = {"GPU": group.gpus} if group.gpus else {}
    return {
        "node_config": node_config,
        "resources": {"CPU": group.cpus, **gpus, **dict(group.resources)} | DRIVERS,
        "labels": {contract.NODE_GROUP_LABEL: group.name} | dict(group.labels),
        "min_workers": group.min,
        "max_workers": group.max,
    }


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``over`` applied: tables are merged, everything else is replaced."""
    both = dict(base)
    for key, value in over.items():
        inner = both.get(key)
        both[key] = (
            _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
        )
    return both


def mistakes_of(
    environment: Environment, settings: Settings, override: Mapping[str, Any], ray_version: str
) -> tuple[str, ...]:
    """Return what that Ray would refuse of the configuration with ``override`` applied.

    What AWS will name is not known before a deploy, and Ray does not look into it.
    """
    sources = {group.name: UNKNOWN for group in settings.groups}
    config = merged_config(environment, settings, override, sources)
    return mistakes(config, ray_version)
