"""User data: which cluster an instance belongs to, and where its resources are. Pure: no AWS.

A few lines of cloud-config and never a secret: anyone who may describe the instance can read
them. Everything else is in the image, or comes from the metadata service.
https://cloudinit.readthedocs.io/en/latest/reference/modules.html#write-files
"""

import json
from textwrap import indent

import yaml

from common.environment import Environment
from common.errors import Refused
from deploy.release.settings import Access, Group, Settings
from node import contract

GIB = 2**30
# Before it is encoded:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
MOST_BYTES = 16 * 1024
# The address of a Redis that is not created yet may be as long: DNS names have 253 characters.
LONGEST_REDIS = f"rediss://{'x' * 253}:65535"
_FRAME = """\
#cloud-config
write_files:
  - path: {path}
    permissions: "0644"
    content: |
{content}"""


def head_user_data(environment: Environment, redis: str = "", access: Access | None = None) -> str:
    """Return a head's cloud-config; ``redis`` is the address of Ray's stored state, if any.

    Raises Refused for more than EC2 takes.
    """
    own = {contract.LIFECYCLE_HOOK_KEY: environment.names.lifecycle_hook}
    common = _common(environment, contract.HEAD, redis)
    metrics = {
        contract.GRAFANA_KEY: environment.metrics.grafana,
        contract.GRAFANA_IN_BROWSER_KEY: environment.metrics.grafana_in_browser,
        contract.REMOTE_WRITE_KEY: environment.metrics.remote_write,
    }
    given = {key: value for key, value in metrics.items() if value}
    if redis:
        given[contract.STATE_SECRET_KEY] = environment.state_secret
    return _written(common | own | given | _file_systems(access or Access()))


def worker_user_data(environment: Environment, group: Group, redis: str = "") -> str:
    """Return the cloud-config of a group's workers; ``redis`` and errors as for a head."""
    asked = environment.workers.get(group.name)
    own = {
        contract.REJOIN_SECONDS_KEY: str(asked.rejoin_seconds or "") if asked else "",
        contract.GPUS_KEY: str(group.gpus or ""),
        contract.RESOURCES_KEY: json.dumps(dict(group.resources)) if group.resources else "",
        contract.LABELS_KEY: ",".join(f"{key}={value}" for key, value in group.labels),
        contract.REBALANCE_SECONDS_KEY: str(group.rebalance_seconds or ""),
        contract.OBJECT_STORE_KEY: str(group.object_store_gib * GIB or ""),
        contract.INSTANCE_STORE_KEY: contract.SPILL if group.instance_store == "spill" else "",
    }
    given = {key: value for key, value in own.items() if value}
    common = _common(environment, contract.WORKER, redis)
    return _written(common | given | _file_systems(group.access))


def check_sizes(environment: Environment, settings: Settings) -> None:
    """Raise Refused if heads or workers would be told more than EC2 takes."""
    head_user_data(environment, LONGEST_REDIS, settings.head_access)
    for group in settings.groups:
        try:
            worker_user_data(environment, group, LONGEST_REDIS)
        except Refused as error:
            raise Refused(f"workers.{group.name}: {error.message}", hint=error.hint) from error


def node_facts(user_data: str) -> dict[str, str]:
    """Return what a node is told: the node.yaml that its user data writes; empty without one."""
    files = (yaml.safe_load(user_data) or {}).get("write_files", ())
    for file in files:
        if file["path"] == contract.NODE_YAML:
            return dict(yaml.safe_load(file["content"]))
    return {}


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


def _file_systems(access: Access) -> dict[str, str]:
    mounts = ",".join(f"{file_system}:{mount}" for file_system, mount in access.efs)
    return {contract.EFS_KEY: mounts} if mounts else {}


def _written(facts: dict[str, str]) -> str:
    content = indent(yaml.safe_dump(facts, sort_keys=False, width=1000), " " * 6)
    text = _FRAME.format(path=contract.NODE_YAML, content=content)
    if (size := len(text.encode())) > MOST_BYTES:
        raise Refused(
            f"the user data of a {facts[contract.ROLE_KEY]} has {size} bytes, and EC2 takes "
            f"{MOST_BYTES}",
            hint="give the group fewer resources, labels or file systems",
        )
    return text
