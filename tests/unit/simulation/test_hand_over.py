"""A lease that is handed over, a YAML that is exchanged, workers that are drained; and what a
rollout can meet: heads and workers that are no good, and no capacity.
"""

import hashlib
import shlex
from typing import Any

import yaml

from deploy.cluster.run_command import run_command
from deploy.cluster.state import Lease, find_lease
from deploy.rollout import hand_over
from node.lease.lease import LEASE_TIMES
from tests.simulation.machine import Machine
from tests.unit.simulation.conftest import Cluster

# A renewal, a read by the successor, tags.
HAND_OVER = 2.0 + 0.5 + 1.5
CALM = 130.0  # until alarms are quiet and heartbeats steady again


def lease_of(cluster: Cluster) -> Lease:
    """Return the cluster's lease as it is now."""
    found = find_lease(cluster.cloud.clients, cluster.environment)
    assert found is not None
    return found


def name_successor(cluster: Cluster, instance_id: str) -> None:
    """Name the successor, as a deploy does."""
    clients, environment = cluster.cloud.clients, cluster.environment
    hand_over.name_successor(clients, environment, lease_of(cluster), instance_id)


def standby_of(cluster: Cluster) -> Machine:
    """Return the head that does not lead."""
    leader = cluster.leader().host.instance_id
    (other,) = (head for head in cluster.head_ids if head != leader)
    return cluster.cloud.machine(other)


def test_the_lease_is_handed_over_and_back(doubled: Cluster) -> None:
    before, after = doubled.leader(), standby_of(doubled)
    workers = doubled.worker_ids

    for machine in (after, before):
        was = doubled.leader()
        name_successor(doubled, machine.host.instance_id)
        seconds = doubled.leads_again(was, within=60)
        assert doubled.leader() is machine
        assert seconds <= HAND_OVER + doubled.cloud.settings.head_joins
        doubled.joined(2, within=40)

    assert doubled.worker_ids == workers
    assert doubled.failed_checks(CALM) == []
    assert sorted(doubled.head_ids) == sorted(m.host.instance_id for m in (before, after))


def test_a_lost_successor_costs_the_leases_length_and_no_head(doubled: Cluster) -> None:
    before = doubled.leader()
    other = standby_of(doubled).host.instance_id
    doubled.cloud.cut_off(other)
    life = doubled.life

    name_successor(doubled, other)
    doubled.cloud.clock.until(lambda: life.ended is not None, 5, "the end of the leader's Ray")
    began = doubled.cloud.clock.now()
    doubled.cloud.clock.until(
        lambda: doubled.cloud.leader(doubled.name) is before, 60, "the former leader again"
    )

    boot = doubled.cloud.settings.head_joins
    assert doubled.cloud.clock.now() - began < LEASE_TIMES.length + boot + HAND_OVER
    doubled.cloud.reconnect(other)
    assert doubled.failed_checks(CALM) == []


def test_a_successor_whose_ray_never_comes_up_releases_the_lease(doubled: Cluster) -> None:
    before, after = doubled.leader(), standby_of(doubled)
    # Both heads are of one image, so only what is started from now on is broken.
    doubled.cloud.faults.broken_images.add(after.host.ami_id)
    name_successor(doubled, after.host.instance_id)
    doubled.cloud.clock.sleep(20)
    assert doubled.life.machine is after
    doubled.cloud.faults.broken_images.clear()

    doubled.leads_again(after, within=180)

    assert doubled.leader() is before


def another_document(cluster: Cluster, name: str = "worker", **changes: Any) -> str:
    """Store the leader's autoscaler YAML with changes in its workers; return its URI."""
    s3, uri = cluster.cloud.clients("s3"), lease_of(cluster).autoscaler
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    found = yaml.safe_load(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    workers = found["available_node_types"].pop("worker") | changes
    found["available_node_types"][name] = workers
    found["max_workers"] = max(found["max_workers"], workers["max_workers"])
    body = yaml.safe_dump(found).encode()
    key = f"{key.rpartition('/')[0]}/{hashlib.sha256(body).hexdigest()[:16]}.yaml"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return f"s3://{bucket}/{key}"


def tag_heads(cluster: Cluster, uri: str) -> None:
    """Tag the running heads with the document to use, as a deploy does."""
    tag = {"Key": "raykiln:autoscaler", "Value": uri}
    cluster.cloud.clients("ec2").create_tags(Resources=cluster.head_ids, Tags=[tag])


def test_another_autoscaler_document_takes_effect_without_another_head(doubled: Cluster) -> None:
    life = doubled.life
    uri = another_document(doubled, min_workers=3, max_workers=3)

    tag_heads(doubled, uri)
    doubled.cloud.clock.until(lambda: lease_of(doubled).autoscaler == uri, 10, "the new document")
    doubled.joined(3, within=60)

    assert doubled.life is life
    name_successor(doubled, standby_of(doubled).host.instance_id)
    doubled.leads_again(life.machine, within=30)
    assert lease_of(doubled).autoscaler == uri


def test_workers_are_launched_from_the_document_read_last(single: Cluster) -> None:
    ec2 = single.cloud.clients("ec2")
    subnets = single.life.config["available_node_types"]["worker"]["node_config"]["SubnetIds"]
    config = dict(single.life.config["available_node_types"]["worker"]["node_config"])
    uri = another_document(single, node_config=config | {"SubnetIds": subnets[::-1]})
    tag_heads(single, uri)
    single.cloud.clock.until(lambda: lease_of(single).autoscaler == uri, 10, "the new document")
    before = single.worker_ids

    single.cloud.crash(min(before))
    single.joined(1, within=60)
    single.joined(2, within=120)

    (new,) = single.worker_ids - before
    found = ec2.describe_instances(InstanceIds=[new])["Reservations"][0]["Instances"][0]
    assert len(subnets) > 1
    assert found["SubnetId"] == subnets[-1]


def test_a_type_that_vanishes_while_its_workers_live_stops_the_autoscaler(single: Cluster) -> None:
    before = single.worker_ids

    tag_heads(single, another_document(single, name="cpu"))
    single.cloud.clock.sleep(60)
    assert single.worker_ids == before
    for instance_id in before:
        single.cloud.crash(instance_id)

    single.joined(0, within=60)
    single.joined(2, within=120)


def test_a_bad_autoscaler_document_changes_nothing(single: Cluster) -> None:
    good, life = lease_of(single).autoscaler, single.life

    tag_heads(single, good.replace(".yaml", "-missing.yaml"))
    single.cloud.clock.sleep(60)

    assert single.life is life
    assert lease_of(single).autoscaler == good
    assert single.failed_checks() == []


def drain(cluster: Cluster, *instance_ids: str, seconds: int = 300) -> None:
    """Drain workers through the leader, as a deploy does."""
    leader, commands = cluster.leader(), []
    for instance_id in instance_ids:
        raylet = cluster.cloud.nodes.raylet(instance_id)
        assert raylet
        commands.append(
            f"/usr/local/bin/ray drain-node --address {leader.address}:6379 "
            f"--node-id {raylet.node_id.hex()} --reason DRAIN_NODE_REASON_PREEMPTION "
            f"--reason-message {shlex.quote('a newer release')} "
            f"--deadline-remaining-seconds {seconds}"
        )
    ran = run_command(
        cluster.cloud.clients,
        leader.host.instance_id,
        " && ".join(commands),
        clock=cluster.cloud.clock,
    )
    assert ran.succeeded, ran


def test_drained_workers_are_replaced_by_the_autoscaler(single: Cluster) -> None:
    before = single.worker_ids

    drain(single, *sorted(before))
    single.cloud.clock.until(lambda: not before & single.worker_ids, 30, "the end of the drained")
    single.joined(2, within=120)

    assert single.failed_checks(CALM) == []


def test_a_drained_worker_with_work_stays_until_it_is_done(single: Cluster) -> None:
    busy, workers = min(single.worker_ids), single.worker_ids
    single.cloud.occupy(busy, 120)

    drain(single, busy, seconds=60)
    single.joined(3, within=60)
    assert busy in single.worker_ids
    single.cloud.clock.until(lambda: busy not in single.worker_ids, 120, "the end of the drained")

    assert len(single.worker_ids) == 2
    assert len(single.worker_ids & workers) == 1


def test_a_drained_worker_that_is_not_terminated_is_restarted_by_its_watchdog(
    single: Cluster,
) -> None:
    drained, workers = min(single.worker_ids), single.worker_ids
    single.leader().cut_off("ec2")

    drain(single, drained)
    single.joined(1, within=10)
    seconds = single.joined(2, within=120)

    assert seconds >= 30
    assert single.worker_ids == workers


def test_a_wrong_drain_is_refused(single: Cluster) -> None:
    leader = single.leader()
    command = f"/usr/local/bin/ray drain-node --address {leader.address}:6379 --node-id 00"

    ran = run_command(
        single.cloud.clients, leader.host.instance_id, command, clock=single.cloud.clock
    )

    assert (ran.status, ran.exit_code) == ("Failed", 2)


def test_workers_that_are_cut_off_or_meet_a_head_without_raylet_do_not_rejoin(
    doubled: Cluster,
) -> None:
    stranded, faults = min(doubled.worker_ids), doubled.cloud.faults
    faults.stranded.add(stranded)
    before = doubled.leader()
    name_successor(doubled, standby_of(doubled).host.instance_id)
    doubled.leads_again(before, within=30)
    doubled.cloud.clock.sleep(60)
    assert doubled.cloud.rays.worker_count(doubled.name) == 1

    faults.stranded.clear()
    faults.lonely_images.add(before.host.ami_id)
    was = doubled.leader()
    name_successor(doubled, before.host.instance_id)
    doubled.leads_again(was, within=30)
    doubled.cloud.clock.sleep(60)

    assert doubled.cloud.rays.worker_count(doubled.name) == 0


def test_a_head_whose_gcs_keeps_dying_gives_up(single: Cluster) -> None:
    before = single.leader()
    single.cloud.faults.dying_images[before.host.ami_id] = 5.0
    single.cloud.end_gcs(single.name)

    single.cloud.clock.until(
        lambda: before.host.instance_id not in single.head_ids, 300, "the end of the head"
    )


def test_a_head_that_is_never_ready_is_no_standby(doubled: Cluster) -> None:
    lost = standby_of(doubled)
    doubled.cloud.faults.unready_images.add(lost.host.ami_id)

    doubled.cloud.crash(lost.host.instance_id)
    doubled.cloud.clock.sleep(120)

    (new,) = set(doubled.head_ids) - {lost.host.instance_id, lease_of(doubled).holder}
    process = doubled.cloud.nodes.head_process(new)
    assert process
    assert process.guard.phase.value == "preparing"


def test_without_capacity_for_workers_none_is_launched(single: Cluster) -> None:
    single.cloud.faults.short_of_workers.add(single.name)

    single.cloud.crash(min(single.worker_ids))
    single.cloud.clock.sleep(120)
    assert len(single.worker_ids) == 1
    single.cloud.faults.short_of_workers.clear()

    single.joined(2, within=120)


def test_without_any_capacity_a_lost_standby_is_not_replaced(doubled: Cluster) -> None:
    lost = standby_of(doubled).host.instance_id
    doubled.cloud.no_capacity()

    doubled.cloud.crash(lost)
    doubled.cloud.clock.sleep(120)
    assert len(doubled.head_ids) == 1
    doubled.cloud.capacity_again()

    doubled.cloud.clock.until(lambda: len(doubled.head_ids) == 2, 400, "another standby")


def test_a_drain_unknown_to_the_new_head_leaves_no_surplus_worker(
    doubled: Cluster,
) -> None:
    before, busy = doubled.leader(), min(doubled.worker_ids)
    doubled.cloud.occupy(busy)
    drain(doubled, busy)
    doubled.joined(3, within=60)

    name_successor(doubled, standby_of(doubled).host.instance_id)
    doubled.leads_again(before, within=30)
    doubled.joined(2, within=60)

    doubled.cloud.clock.sleep(60)
    assert len(doubled.worker_ids) == 2
