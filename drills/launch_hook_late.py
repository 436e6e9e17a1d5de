"""A new head has booted before its group waits for it, and before it has the group's tags.

In the field: EC2 Auto Scaling is slow to bring an instance to Pending:Wait; a head that answers the
hook once, before that, is terminated when the hook times out, even while it leads.
Must hold: the head answers until its group has it in service, and stays.
Runbook: docs/runbooks/head-launch.md
"""

from drills.kit.cluster import ClusterUnderTest
from drills.kit.local_faults import delay_groups
from drills.kit.phases import Recovery

RECOVERY = Recovery.HEAD
LOCAL_ONLY = "AWS has no call that makes a group slow"
SECONDS = 20.0


def run(cluster: ClusterUnderTest) -> None:
    """Let groups be late, and terminate the head."""
    delay_groups(cluster, SECONDS)
    cluster.terminate(cluster.leader)
    cluster.wait("the new head is in service", lambda: in_service(cluster))


def in_service(cluster: ClusterUnderTest) -> bool:
    """Say whether the group has as many other heads in service as it had."""
    groups = cluster.clients("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[cluster.environment.head_group]
    )["AutoScalingGroups"]
    states = {
        one["InstanceId"]: one["LifecycleState"] for group in groups for one in group["Instances"]
    }
    others = [name for name, state in states.items() if state == "InService"]
    return len(set(others) - {cluster.leader}) == len(cluster.initial.heads)
