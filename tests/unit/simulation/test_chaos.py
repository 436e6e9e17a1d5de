"""Faults at random, many at a time: never two heads, and healthy again once they are over.

Each seed is one story of five minutes. ``RAYKILN_THOROUGH=1`` tells two hundred.
"""

import random

import pytest

from deploy.cluster.state import find_lease
from deploy.rollout import hand_over
from tests.simulation.machine import NODES
from tests.unit.simulation.conftest import THOROUGH, Cluster, Deployed

pytestmark = pytest.mark.thorough
SEEDS = range(200 if THOROUGH else 2)
SECONDS = 300.0
HARMS = (
    *("crash", "terminate", "lease", "aws", "nodes", "all", "pause", "answers"),
    *("hand over", "drain"),
)


def do_harm(cluster: Cluster, chance: random.Random) -> str:
    """Do something to one machine of the cluster; return what in words."""
    cloud, heads, workers = cluster.cloud, cluster.head_ids, sorted(cluster.worker_ids)
    machine = chance.choice([*heads, *heads, *workers] or [""])
    if not machine:
        return "there is no machine to harm"
    harm = chance.choice(HARMS)
    if harm == "crash":
        cloud.crash(machine)
    elif harm == "terminate":
        cloud.clients("ec2").terminate_instances(InstanceIds=[machine])
    elif harm == "pause":
        cloud.pause_guard(machine)
    elif harm == "hand over":
        name_successor(cluster, machine)
    elif harm == "drain":
        drain(cluster, machine)
    elif harm == "answers":
        cloud.machine(machine).loses_answers = True
    else:
        cuts = {"lease": ("dynamodb",), "aws": ("aws",), "nodes": (NODES,), "all": ()}
        cloud.cut_off(machine, *cuts[harm])
    if chance.random() < 0.2:
        cloud.end_gcs(cluster.name)
        harm += " and the GCS dies"
    return f"{machine}: {harm}"


def name_successor(cluster: Cluster, machine: str) -> None:
    """Name any machine as successor: a head, a dead one, a worker."""
    lease = find_lease(cluster.cloud.clients, cluster.environment)
    if lease:
        hand_over.name_successor(cluster.cloud.clients, cluster.environment, lease, machine)


def drain(cluster: Cluster, machine: str) -> None:
    """Drain a worker, whose work may outlast every timeout."""
    raylet, head = cluster.cloud.nodes.raylet(machine), cluster.cloud.rays.running(cluster.name)
    if raylet and head:
        cluster.cloud.occupy(machine, 60.0)
        head.drain(raylet.node_id)


def heal(cluster: Cluster) -> None:
    """Restore what can be restored; what is dead stays dead."""
    for instance_id, machine in cluster.cloud.driver.machines.items():
        machine.loses_answers = False
        cluster.cloud.reconnect(instance_id)
        cluster.cloud.pause_guard(instance_id, paused=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cluster_survives(deployed: Deployed, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    cluster = deployed.doubled
    clock, story = cluster.cloud.clock, []
    end = clock.now() + SECONDS
    while clock.now() < end:
        story.append(f"{clock.now():.1f} {do_harm(cluster, chance)}")
        clock.sleep(chance.expovariate(1 / 20))
        if chance.random() < 0.5:
            heal(cluster)
            clock.sleep(chance.expovariate(1 / 20))
    heal(cluster)

    clock.until(lambda: cluster.cloud.leader(cluster.name) is not None, 900, "a leader")
    cluster.joined(2, within=900)
    failed = cluster.failed_checks(after=240)
    # What it looks at are the last ten minutes, and these were bad.
    assert [line for line in failed if "HeadReady arrives" not in line] == [], story
