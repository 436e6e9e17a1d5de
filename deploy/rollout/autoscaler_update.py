"""Have heads use another autoscaler configuration without a restart. Touches AWS (EC2, DynamoDB).

A head reads the configuration that its tag names, tries it on its Ray, and writes into the lease
which one it uses, and which one it refuses and why. An older head refuses none.
"""

from common.clients import translated
from common.errors import Unhealthy
from common.waiting import Seen
from deploy.cluster.instances import find_instances
from deploy.cluster.state import find_lease
from deploy.rollout.cluster_access import ClusterAccess
from node.contract import AUTOSCALER_TAG

SECONDS = 120.0


def update_autoscaler(access: ClusterAccess, heads: set[str], uri: str) -> str:
    """Tag these heads with the configuration's URI; wait until the leader, if one of them, uses it.

    Returns the URI; raises Unhealthy as soon as the leader refuses the configuration.
    """
    found = find_instances(access.clients, access.environment.name)
    behind = [i.id for i in found if i.id in heads and i.autoscaler != uri]
    if behind:
        with translated("tagging the heads"):
            access.clients("ec2").create_tags(
                Resources=behind, Tags=[{"Key": AUTOSCALER_TAG, "Value": uri}]
            )

    def look() -> Seen[str]:
        lease = find_lease(access.clients, access.environment)
        if lease is None or lease.released:
            return Seen(None, "no instance holds the head lease")
        if lease.holder not in heads or lease.autoscaler == uri:
            return Seen(uri, "")
        refused, _, why = lease.refused.partition(" ")
        if refused == uri:
            raise Unhealthy(
                f"{lease.holder} keeps its autoscaler configuration: {why}",
                hint="correct the file that autoscaler_file names, then deploy again",
            )
        return Seen(None, f"{lease.holder} uses {lease.autoscaler or 'an unknown one'}")

    return access.wait_until(
        "the head's autoscaler configuration",
        look,
        seconds=SECONDS,
        hint="`journalctl -u ray-head`",
    )
