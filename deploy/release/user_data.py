"""User data: which cluster an instance belongs to, and where its resources are. Pure: no AWS.

A few lines of cloud-config and never a secret: anyone who may describe the instance can read
them. Everything else is in the image, or comes from the metadata service.
https://cloudinit.readthedocs.io/en/latest/reference/modules.html#write-files
"""

import json
from textwrap import indent

import yaml

from common.environment import Environment
from deploy.release.settings import Group
from node import contract

_FRAME = """\
#cloud-config
write_files:
  - path: {path}
    permissions: "0644"
    content: |
{content}"""


def head_user_data(environment: Environment, redis: str = "") -> str:
    """Return a head's cloud-config; ``redis`` is the address of Ray's stored state, if any."""
    own = {contract.LIFECYCLE_HOOK_KEY: environment.names.lifecycle_hook}
    return _written(_common(environment, contract.HEAD, redis) | own)


def worker_user_data(environment: Environment, group: Group, redis: str = "") -> str:
    """Return the cloud-config of a group's workers; ``redis`` as for a head."""
    asked = environment.workers.get(group.name)
    own = {
        contract.REJOIN_SECONDS_KEY: str(asked.rejoin_seconds or "") if asked else "",
        contract.GPUS_KEY: str(group.gpus or ""),
        contract.RESOURCES_KEY: json.dumps(dict(group.resources)) if group.resources else "",
        contract.LABELS_KEY: ",".join(f"{key}={value}" for key, value in group.labels),
        contract.REBALANCE_SECONDS_KEY: str(group.rebalance_seconds or ""),
    }
    given = {key: value for key, value in own.items() if value}
    return _written(_common(environment, contract.WORKER, redis) | given)


def _common(environment: Environment, role: str, redis: str) -> dict[str, str]:
    facts = {
        contract.ENVIRONMENT_KEY: environment.name,
        contract.ROLE_KEY: role,
        contract.HEAD_NAME_KEY: environment.head_dns,
        contract.LEASE_TABLE_KEY: environment.lease_table,
        contract.SECRET_KEY: environment.secret,
        contract.METRIC_NAMESPACE_KEY: environment.names.metric_namespace,
    }
    return facts | ({contract.REDIS_KEY: redis} if redis else {})


def _written(facts: dict[str, str]) -> str:
    content = indent(yaml.safe_dump(facts, sort_keys=False, width=1000), " " * 6)
    return _FRAME.format(path=contract.NODE_YAML, content=content)
