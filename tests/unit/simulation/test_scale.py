"""Many workers: they are deployed, lose their head, and are back; and what that costs.

``RAYKILN_THOROUGH=1`` does it with a thousand.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.simulation.conftest import THOROUGH, Deployed, Start

WORKERS = 1000 if THOROUGH else 12


@pytest.mark.thorough
def test_many_workers_join_and_rejoin(
    deployed: Deployed, start: Start, record_property: Callable[[str, object], None]
) -> None:
    # Ray's own limit of ten at once makes a deploy of a thousand one of nine minutes.
    driver = deployed.cloud.driver
    driver.settings = replace(driver.settings, launches_at_once=100)
    clock, began = deployed.cloud.clock, time.process_time()
    launched = clock.now()

    cluster = start(workers=WORKERS, limits={"workers_ready_seconds": 3600})
    deployed_after, cost = clock.now() - launched, time.process_time() - began
    before, workers = cluster.leader(), cluster.worker_ids
    deployed.cloud.crash(before.host.instance_id)
    cluster.leads_again(before, within=120)
    rejoined = cluster.joined(WORKERS, within=120)

    print(
        f"{WORKERS} workers: deployed after {deployed_after:.0f} s ({cost:.0f} s of CPU), "
        f"back {rejoined:.0f} s after the next head led "
        f"({time.process_time() - began - cost:.0f} s of CPU)"
    )
    record_property("deployed_after_seconds", deployed_after)
    record_property("cpu_seconds", time.process_time() - began)
    assert cluster.worker_ids == workers
    clock.sleep(30)
    assert cluster.prepare().rollout.plan.is_empty


def test_a_cached_description_follows_every_change(deployed: Deployed) -> None:
    ec2 = deployed.cloud.clients("ec2")
    answer = ec2.run_instances(ImageId=deployed.cloud.bake("head"), MinCount=1, MaxCount=1)
    ids = [answer["Instances"][0]["InstanceId"]]

    def described() -> dict[str, Any]:
        answer = ec2.describe_instances(InstanceIds=ids)
        found: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
        return found

    assert described() == described()
    deployed.cloud.clock.sleep(30)
    assert described()["State"]["Name"] == "running"
    ec2.create_tags(Resources=ids, Tags=[{"Key": "seen", "Value": "yes"}])
    assert {"Key": "seen", "Value": "yes"} in described()["Tags"]
    ec2.modify_instance_metadata_options(InstanceId=ids[0], HttpTokens="required")
    assert described()["MetadataOptions"]["HttpTokens"] == "required"
    ec2.terminate_instances(InstanceIds=ids)
    assert described()["State"]["Name"] == "shutting-down"
