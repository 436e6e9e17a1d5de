"""User data: which cluster an instance belongs to, and where its resources are. Pure: no AWS.

A few lines of cloud-config and never a secret: anyone who may describe the instance can read
them. Everything else is in the image, or comes from the metadata service.
https://cloudinit.readthedocs.io/en/latest/reference/modules.html#write-files
"""

from textwrap import indent

import yaml

from common.environment import Environment
from deploy.release.release import Role
from node import contract

_FRAME = """\
#cloud-config
write_files:
  - path: {path}
    permissions: "0644"
    content: |
{content}"""


def user_data(environment: Environment, role: Role, redis: str = "") -> str:
    """Return the cloud-config of a role; ``redis`` is the address of Ray's stored state, if any."""
    facts = {
        contract.ENVIRONMENT_KEY: environment.name,
        contract.ROLE_KEY: role,
        contract.HEAD_NAME_KEY: environment.head_dns,
        contract.LEASE_TABLE_KEY: environment.lease_table,
        contract.SECRET_KEY: environment.secret,
        contract.METRIC_NAMESPACE_KEY: environment.names.metric_namespace,
    }
    if redis:
        facts[contract.REDIS_KEY] = redis
    if role == "worker" and environment.workers.rejoin_seconds:
        facts[contract.REJOIN_SECONDS_KEY] = str(environment.workers.rejoin_seconds)
    if role == "head":
        facts[contract.LIFECYCLE_HOOK_KEY] = environment.names.lifecycle_hook
    content = indent(yaml.safe_dump(facts, sort_keys=False, width=1000), " " * 6)
    return _FRAME.format(path=contract.NODE_YAML, content=content)
