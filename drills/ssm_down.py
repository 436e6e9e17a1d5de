"""Systems Manager does not answer when the head's Ray dies.

In the field: an endpoint is deleted, the parameter store throttles.
Must hold: Ray starts again on the same instance, since the token that it needs was fetched before.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD


def run(cluster: ClusterUnderTest) -> None:
    """Redirect SSM's name to an unused address on the head, then kill Ray there."""
    name = f"ssm.{cluster.environment.region}.amazonaws.com"
    cluster.inject(
        cluster.leader,
        f"{name} resolves to an unused address",
        f"echo '192.0.2.1 {name}' >>/etc/hosts",
        undo=f"sed -i '/^192.0.2.1 {name}$/d' /etc/hosts",
    )
    cluster.kill(cluster.leader, "gcs_server", "raylet")
