"""The head is cut off from AWS for good: it stays in service, and there is no leader.

In the field: a kernel that hangs, an interface or a route table that is lost; EC2's checks pass.
Must hold: with remediation enabled the alarm has the head replaced, without a person, and the
remediation's record says so.
Runbook: docs/runbooks/remediation.md
"""

from common.environment import Environment
from deploy.cluster.head_group import find_group
from deploy.cluster.remediations import last_remediation
from deploy.foundation.changes import apply_foundation, plan_foundation
from deploy.release.config_bucket import current_release
from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import between, drop_packets, restore_network
from drills.kit.phases import Recovery
from localcloud.network import API

RECOVERY = Recovery.HEAD
# The alarm waits for three minutes without a head, and for its metric's last minute.
WITHIN = 480.0
LOCAL_ONLY = "on AWS the endpoints have no fixed addresses, and Run Command would be cut off too"


def run(cluster: ClusterUnderTest) -> None:
    """Drop all packets between the head and AWS until the alarm has had the head replaced."""
    alarms = cluster.environment.alarms.model_copy(update={"remediate": True})
    cluster.cleanup.callback(apply_alarms, cluster, cluster.environment)
    apply_alarms(cluster, cluster.environment.model_copy(update={"alarms": alarms}))
    before = last_remediation(cluster.clients, cluster.environment)
    address = cluster.address(cluster.leader)
    drop_packets(cluster, f"{cluster.leader} is cut off from AWS for good", between(address, API))
    took = cluster.wait("the head replaced by the alarm", lambda: is_gone(cluster), WITHIN)
    cluster.figures["replaced"] = took
    restore_network()
    words = last_remediation(cluster.clients, cluster.environment)
    cluster.expect(words != before, f"no alarm was acted on; last remediation: {words or 'none'}")


def apply_alarms(cluster: ClusterUnderTest, environment: Environment) -> None:
    """Update the foundation to this environment: with remediation enabled, or as before."""
    served = current_release(cluster.clients, environment.bucket, environment.name)
    arns = served.settings.head_access.policy_arns if served else ()
    plan = plan_foundation(cluster.clients, environment, clock=cluster.clock, policy_arns=arns)
    apply_foundation(cluster.clients, environment, plan, clock=cluster.clock, policy_arns=arns)


def is_gone(cluster: ClusterUnderTest) -> bool:
    """Return whether the initial leader is no longer in service in the group."""
    names = cluster.environment.head_group, cluster.environment.names.lifecycle_hook
    group = find_group(cluster.clients, *names)
    return group is not None and cluster.leader not in {m.instance_id for m in group.serving}
