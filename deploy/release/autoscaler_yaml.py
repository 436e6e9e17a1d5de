"""The YAML that Ray's autoscaler v2 reads on the head. Pure: no AWS.

Ray runs here without ``ray up``, which would fill in defaults: ``resources`` and ``SubnetIds`` must
be explicit (ray/autoscaler/_private/aws/node_provider.py), the head's node_config stays empty, and
workers are launched from a numbered version of our launch template, with no SSH from the head, by
our own provider (node/ray/provider.py), which tries a group's instance types in order.
"""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from common.environment import Environment
from deploy.release.ray_schema import mistakes
from deploy.release.settings import Group, Settings
from node import contract

UNUSED = ("setup_commands", "head_setup_commands", "worker_setup_commands", "cluster_synced_files")


def autoscaler_yaml(
    environment: Environment,
    settings: Settings,
    template_id: str,
    template_version: int,
    subnet_ids: tuple[str, ...],
) -> str:
    """Return the configuration as YAML."""
    override = json.loads(settings.autoscaler_override)
    config = merged_config(
        environment, settings, override, template_id, str(template_version), subnet_ids
    )
    return yaml.safe_dump(config, sort_keys=False)


def merged_config(
    environment: Environment,
    settings: Settings,
    override: Mapping[str, Any],
    template_id: str,
    template_version: str,
    subnet_ids: tuple[str, ...],
) -> dict[str, Any]:
    """Return what Raykiln makes, with ``override`` applied; is not looked at for mistakes here."""
    node_config: dict[str, Any] = {
        "LaunchTemplate": {"LaunchTemplateId": template_id, "Version": template_version},
        "SubnetIds": list(subnet_ids),
    }
    group = settings.group
    if not settings.before_groups:
        node_config[contract.NODE_CONFIG_TYPES] = list(group.instance_types)
        node_config[contract.NODE_CONFIG_MARKETS] = list(group.markets)
    generated = {
        "cluster_name": environment.name,
        "max_workers": group.max,
        "idle_timeout_minutes": group.idle_timeout_minutes,
        **(_own_provider if settings.before_groups else _group_provider)(environment.region),
        "head_node_type": contract.HEAD_NODE_TYPE,
        "available_node_types": {
            contract.HEAD_NODE_TYPE: _head_type(),
            group.name: _group_type(group, node_config),
        },
    }
    return _merged(generated, override)


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


def _head_type() -> dict[str, object]:
    return {"node_config": {}, "resources": {"CPU": 0}, "min_workers": 0, "max_workers": 0}


def _group_type(group: Group, node_config: dict[str, Any]) -> dict[str, object]:
    """Return a group's node type; memory is left out, as each node measures its own."""
    gpus = {"GPU": group.gpus} if group.gpus else {}
    return {
        "node_config": node_config,
        "resources": {"CPU": group.cpus, **gpus, **dict(group.resources)},
        **({"labels": dict(group.labels)} if group.labels else {}),
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
    config = merged_config(environment, settings, override, "lt-later", "1", ("subnet-later",))
    return mistakes(config, ray_version)
