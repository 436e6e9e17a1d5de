"""The YAML that Ray's autoscaler v2 reads on the head. Pure: no AWS.

Ray runs here without ``ray up``, which would fill in defaults: ``resources`` and ``SubnetIds`` must
be explicit (ray/autoscaler/_private/aws/node_provider.py), the head's node_config stays empty, and
workers are launched from a numbered version of our launch template, with no SSH from the head.
"""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from common.environment import Environment
from deploy.release.autoscaler_override import WORKER_TYPE
from deploy.release.ray_schema import mistakes
from deploy.release.release import Settings
from node.contract import HEAD_NODE_TYPE


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
    node_config = {
        "LaunchTemplate": {"LaunchTemplateId": template_id, "Version": template_version},
        "SubnetIds": list(subnet_ids),
    }
    generated = {
        "cluster_name": environment.name,
        "max_workers": settings.workers_max,
        "idle_timeout_minutes": settings.idle_timeout_minutes,
        "provider": _provider(environment.region),
        "head_node_type": HEAD_NODE_TYPE,
        "available_node_types": {
            HEAD_NODE_TYPE: _node_type({}, cpus=0, min_workers=0, max_workers=0),
            WORKER_TYPE: _node_type(
                node_config,
                cpus=settings.worker_cpus,
                min_workers=settings.workers_min,
                max_workers=settings.workers_max,
            ),
        },
    }
    return _merged(generated, override)


def _provider(region: str) -> dict[str, object]:
    return {
        "type": "aws",
        "region": region,
        "cache_stopped_nodes": False,
        "use_internal_ips": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    }


def _node_type(
    node_config: dict[str, Any], *, cpus: int, min_workers: int, max_workers: int
) -> dict[str, object]:
    return {
        "node_config": node_config,
        "resources": {"CPU": cpus},
        "min_workers": min_workers,
        "max_workers": max_workers,
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
