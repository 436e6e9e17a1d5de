"""The YAML that Ray's autoscaler v2 reads on the head. Pure: no AWS.

Ray runs here without ``ray up``, which would fill in defaults: ``resources`` and ``SubnetIds`` must
be explicit (ray/autoscaler/_private/aws/node_provider.py), the head's node_config stays empty, and
workers are launched from a numbered version of our launch template, with no SSH from the head, by
our own provider (node/ray/provider.py), which tries a group's instance types in order.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from common.environment import Environment
from common.errors import Refused
from deploy.release.release import Group, Settings
from node import contract

UNUSED = ("setup_commands", "head_setup_commands", "worker_setup_commands", "cluster_synced_files")
# Keys that the rest of the deployment relies on.
RESERVED = ("cluster_name", "provider", "head_node_type")


def autoscaler_yaml(
    environment: Environment,
    settings: Settings,
    template_id: str,
    template_version: int,
    subnet_ids: tuple[str, ...],
) -> str:
    """Return the configuration as YAML; raises Refused when an override makes it invalid."""
    node_config: dict[str, Any] = {
        "LaunchTemplate": {"LaunchTemplateId": template_id, "Version": str(template_version)},
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
    merged = _merged(generated, json.loads(settings.autoscaler_override))
    _check(merged)
    return yaml.safe_dump(merged, sort_keys=False)


def read_override(path: Path) -> str:
    """Return a person's YAML of overrides as JSON; raises Refused when it cannot be used."""
    try:
        found = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise Refused(f"{path}: no such file", hint="correct autoscaler_file") from error
    except yaml.YAMLError as error:
        raise Refused(f"{path} is not YAML: {error}", hint="correct that line") from error
    if found is None:
        return "{}"
    if not isinstance(found, dict):
        raise Refused(f"{path} holds a {type(found).__name__}, not keys and values", hint="fix it")
    for key in RESERVED:
        if key in found:
            raise Refused(f"{path}: {key} is set by Raykiln", hint="remove it")
    return json.dumps(found, sort_keys=True)


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


def _check(config: dict[str, Any]) -> None:
    """Raise Refused with all mistakes that Ray would fail on."""
    types = config["available_node_types"]
    if not isinstance(types, dict):
        mistakes = ["available_node_types is not a table of node types"]
    elif not isinstance(config["max_workers"], int):
        mistakes = ["max_workers is not a whole number"]
    else:
        mistakes = [m for name in types for m in _mistakes(name, types[name], config)]
    if mistakes:
        raise Refused(
            "the autoscaler's configuration is not valid for Ray:\n  " + "\n  ".join(mistakes),
            hint="fix [workers] in the environment's file, or the file that autoscaler_file names",
        )


def _mistakes(name: str, node_type: object, config: dict[str, Any]) -> list[str]:
    place = f"available_node_types.{name}"
    if not isinstance(node_type, dict) or not isinstance(node_type.get("resources"), dict):
        return [f"{place}.resources is missing: Ray does not detect it"]
    least = node_type.get("min_workers", 0)
    most = node_type.get("max_workers", config["max_workers"])
    if not (isinstance(least, int) and isinstance(most, int)):
        return [f"{place}: min_workers and max_workers must be whole numbers"]
    found = []
    if least > most:
        found.append(f"{place}: min_workers ({least}) is above max_workers ({most})")
    if name != contract.HEAD_NODE_TYPE and not (node_type.get("node_config") or {}).get(
        "SubnetIds"
    ):
        found.append(f"{place}.node_config.SubnetIds is missing: Ray needs it to launch")
    return found
