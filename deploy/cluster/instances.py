"""The instances of a cluster, its heads and workers, as EC2 sees them. Reads AWS only."""

from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated
from common.worker_groups import ONLY_GROUP
from deploy.release.template_content import CONTENT_TAG
from node import contract
from node.contract import AUTOSCALER_TAG, ENVIRONMENT_TAG, GROUP_TAG, NODE_TYPE_TAG, ROLE_TAG

LIVE = ("pending", "running", "shutting-down", "stopping", "stopped")


@dataclass(frozen=True)
class Instance:
    """A head or a worker."""

    id: str
    role: str
    state: str
    type: str
    ami_id: str
    address: str
    zone: str
    # The digest of the launch template content that it was launched with.
    content: str
    # The address of a head's autoscaler configuration; empty on workers.
    autoscaler: str
    launched: str
    # Ray's name for what a worker is; empty on what its autoscaler did not launch.
    node_type: str = ""
    # on-demand or spot
    market: str = contract.ON_DEMAND
    # Of a worker; empty for heads.
    group: str = ""

    @property
    def is_there(self) -> bool:
        """It runs, or will: what Ray's provider counts too (_private/aws/node_provider.py)."""
        return self.state in ("pending", "running")


def find_instances(clients: Clients, environment: str) -> tuple[Instance, ...]:
    """Return the environment's heads and workers, oldest first, without terminated ones."""
    filters = [
        {"Name": f"tag:{ENVIRONMENT_TAG}", "Values": [environment]},
        {"Name": f"tag:{ROLE_TAG}", "Values": list(contract.ROLES)},
        {"Name": "instance-state-name", "Values": list(LIVE)},
    ]
    with translated("listing the instances"):
        pages = clients("ec2").get_paginator("describe_instances").paginate(Filters=filters)
        found = [
            _instance(entry)
            for page in pages
            for reservation in page["Reservations"]
            for entry in reservation["Instances"]
        ]
    return tuple(sorted(found, key=lambda instance: (instance.launched, instance.id)))


def _instance(entry: dict[str, Any]) -> Instance:
    tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
    return Instance(
        id=entry["InstanceId"],
        role=tags[ROLE_TAG],
        state=entry["State"]["Name"],
        type=entry["InstanceType"],
        ami_id=entry["ImageId"],
        address=entry.get("PrivateIpAddress", ""),
        zone=entry["Placement"]["AvailabilityZone"],
        content=tags.get(CONTENT_TAG, ""),
        autoscaler=tags.get(AUTOSCALER_TAG, ""),
        launched=entry["LaunchTime"].isoformat(),
        node_type=tags.get(NODE_TYPE_TAG, ""),
        market=entry.get("InstanceLifecycle", contract.ON_DEMAND),
        group=_group(tags) if tags[ROLE_TAG] == contract.WORKER else "",
    )


def _group(tags: dict[str, str]) -> str:
    """Return a worker's group; one from before groups has Ray's tag alone."""
    return tags.get(GROUP_TAG) or tags.get(NODE_TYPE_TAG) or ONLY_GROUP
