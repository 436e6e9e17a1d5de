"""Tag this instance, and no other, as Ray's head. Touches EC2 tags.

Ray's autoscaler v2 finds its head by these tags (ray/autoscaler/tags.py); without them it
silently stops scaling, and of two heads it evicts one. It calls an instance without ray-node-type
"unmanaged" and leaves it alone (v2/instance_manager/node_provider.py).
"""

from typing import Any

from node.contract import CLUSTER_NAME_TAG, HEAD, NODE_KIND_TAG, NODE_TYPE_TAG
from node.identity import Identity

HEAD_TAGS = (CLUSTER_NAME_TAG, NODE_KIND_TAG, NODE_TYPE_TAG)


def move_head_tags(ec2: Any, identity: Identity) -> None:
    """Tag this instance and untag those that had the tags before; safe to repeat.

    Call only while holding the lease and before Ray starts: no autoscaler runs then, so none ever
    sees two heads.
    """
    previous = sorted(_tagged_heads(ec2, identity.environment) - {identity.instance_id})
    if previous:
        ec2.delete_tags(Resources=previous, Tags=[{"Key": key} for key in HEAD_TAGS])
    values = (identity.environment, HEAD, identity.node_type)
    tags = [{"Key": key, "Value": value} for key, value in zip(HEAD_TAGS, values, strict=True)]
    ec2.create_tags(Resources=[identity.instance_id], Tags=tags)


def _tagged_heads(ec2: Any, environment: str) -> set[str]:
    """Return the instances that an autoscaler would treat as this cluster's head."""
    answer = ec2.describe_instances(
        Filters=[
            {"Name": f"tag:{CLUSTER_NAME_TAG}", "Values": [environment]},
            {"Name": f"tag:{NODE_KIND_TAG}", "Values": [HEAD]},
            {
                "Name": "instance-state-name",
                "Values": ["pending", "running", "stopping", "stopped"],
            },
        ]
    )
    found = [i for reservation in answer["Reservations"] for i in reservation["Instances"]]
    return {str(instance["InstanceId"]) for instance in found}
