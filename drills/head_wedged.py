"""The head is cut off from AWS for good: it stays in service, and neither leads nor stands by.

In the field: a kernel that hangs, an interface or a route table that is lost; EC2's checks pass.
Must hold: a standby takes over at once, if one is kept; and with remediation enabled an alarm has
the wedged head replaced, without a person, and the remediation's record says so. The standby that
took over leads on.
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
# Until a standby leads and has all workers: the lease lapses after 10 s, and Ray starts.
TAKE_OVER = 120.0
# The alarm waits for three minutes without a head or a standby, and for its metric's last minute.
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
    if cluster.environment.head.standby:
        cluster.wait("a standby that leads", lambda: cluster.is_back(excluded=address), TAKE_OVER)
    led = cluster.lease().epoch
    took = cluster.wait("the head replaced by the alarm", lambda: is_gone(cluster), WITHIN)
    cluster.figures["replaced"] = took
    if cluster.environment.head.standby:
        cluster.expect(cluster.lease().epoch == led, "the leader was replaced too")
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
