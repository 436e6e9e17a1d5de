"""A head that has booted before its group waits for it, or has given it its tags."""

from pathlib import Path

from localcloud.patches.autoscaling import lateness
from tests.unit.simulation.conftest import Cluster

LATE = 20.0


def state_of(cluster: Cluster, instance_id: str) -> str:
    found = cluster.cloud.clients("autoscaling").describe_auto_scaling_instances(
        InstanceIds=[instance_id]
    )["AutoScalingInstances"]
    return str(found[0]["LifecycleState"]) if found else "gone"


def test_a_head_whose_group_is_late_goes_into_service_and_stays(
    single: Cluster, tmp_path: Path
) -> None:
    file = tmp_path / "late"
    file.write_text(f"hooks {LATE}\ntags {LATE}\n")
    before = single.leader()
    lateness.follow(file)
    try:
        single.cloud.clients("ec2").terminate_instances(InstanceIds=[before.host.instance_id])
        single.leads_again(before, within=120)
        after = single.leader()
        single.cloud.clock.sleep(single.environment.limits.head_ready_seconds + LATE)
    finally:
        lateness.follow(None)

    assert single.leader() is after
    assert state_of(single, after.host.instance_id) == "InService"


def test_a_head_that_leads_before_its_hook_waits_is_in_service_soon_after(
    single: Cluster, tmp_path: Path
) -> None:
    file = tmp_path / "late"
    file.write_text("hooks 60\n")
    before = single.leader()
    lateness.follow(file)
    try:
        single.cloud.clients("ec2").terminate_instances(InstanceIds=[before.host.instance_id])
        single.leads_again(before, within=59)
        after = single.leader()
        assert state_of(single, after.host.instance_id) == "Pending"
        single.cloud.clock.until(
            lambda: state_of(single, after.host.instance_id) == "InService", 60, "in service"
        )
    finally:
        lateness.follow(None)
