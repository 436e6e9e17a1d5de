"""User data: which cluster an instance belongs to, and where its resources are. Pure: no AWS.

A few lines of cloud-config and never a secret: anyone who may describe the instance can read
them. Everything else is in the image, or comes from the metadata service.
https://cloudinit.readthedocs.io/en/latest/reference/modules.html#write-files
"""

from textwrap import indent

import yaml

from common.environment import Environment
from deploy.release.release import Role

NODE_FILE = "/etc/raykiln/node.yaml"

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
        "environment": environment.name,
        "role": role,
        "head_name": environment.head_dns,
        "lease_table": environment.lease_table,
        "secret": environment.secret,
        "metric_namespace": environment.names.metric_namespace,
    }
    if redis:
        facts["redis"] = redis
    if role == "worker" and environment.workers.rejoin_seconds:
        facts["rejoin_seconds"] = str(environment.workers.rejoin_seconds)
    if role == "head":
        facts["lifecycle_hook"] = environment.names.lifecycle_hook
    content = indent(yaml.safe_dump(facts, sort_keys=False, width=1000), " " * 6)
    return _FRAME.format(path=NODE_FILE, content=content)
