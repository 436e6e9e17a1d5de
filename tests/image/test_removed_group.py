"""Ray's scheduler in an image: what it does of workers whose group a deploy is removing."""

import json
from typing import Any

from deploy.release.autoscaler_yaml import MOST_WORKERS, Source, autoscaler_yaml
from tests.unit.deploy.builders import an_environment, the_settings

# Three workers of the node type old run, and one is about to be launched; there is work for more.
SCHEDULE = """
import json, sys
import yaml
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.schema import AutoscalerInstance
from ray.core.generated.autoscaler_pb2 import (
    NodeState, NodeStatus, ResourceRequest, ResourceRequestByCount)
from ray.core.generated.instance_manager_pb2 import Instance, NodeKind

def running(number, node_kind, node_type, resources):
    name, node_id = f"i-{number}", f"{number:056x}"
    return AutoscalerInstance(
        im_instance=Instance(
            instance_id=name, instance_type=node_type, status=Instance.RAY_RUNNING,
            node_id=node_id, cloud_instance_id=name, node_kind=node_kind),
        ray_node=NodeState(
            node_id=bytes.fromhex(node_id), instance_id=name, ray_node_type_name=node_type,
            total_resources=resources, available_resources=resources,
            status=NodeStatus.RUNNING),
        cloud_instance_id=name)

queued = Instance(
    instance_id="i-9", instance_type="old", status=Instance.QUEUED, node_kind=NodeKind.WORKER)
config = AutoscalingConfig(yaml.safe_load(sys.stdin), skip_content_hash=True)
reply = ResourceDemandScheduler().schedule(SchedulingRequest(
    disable_launch_config_check=True,
    node_type_configs=config.get_node_type_configs(),
    max_num_nodes=config.get_max_num_nodes(),
    current_instances=[
        running(1, NodeKind.HEAD, "head", {}),
        *(running(n, NodeKind.WORKER, "old", {"CPU": 2, "GPU": 1}) for n in (2, 3, 4)),
        AutoscalerInstance(im_instance=queued, ray_node=None, cloud_instance_id=None)],
    resource_requests=[
        ResourceRequestByCount(request=ResourceRequest(resources_bundle=wanted), count=50)
        for wanted in ({"CPU": 1}, {"GPU": 1})]))
print(json.dumps({
    "launched": sorted({request.instance_type for request in reply.to_launch}),
    "stopped": sorted(request.instance_id for request in reply.to_terminate)}))
"""


def decided(machine: Any, text: str) -> dict[str, list[str]]:
    """Return what Ray's scheduler decides by an autoscaler's YAML."""
    python = "printf %s %s | /opt/ray/bin/python -B -c %s"
    found: dict[str, list[str]] = json.loads(machine.check_output(python, "%s", text, SCHEDULE))
    return found


def a_removal() -> str:
    """Return the YAML of a deploy that removes the group old."""
    environment = an_environment()
    settings = the_settings(environment)
    sources = {group.name: Source("lt-1", 1, ("subnet-a",)) for group in settings.groups}
    return autoscaler_yaml(environment, settings, sources, removed=("old",))


def test_ray_neither_stops_nor_launches_workers_of_a_removed_group(machine: Any) -> None:
    assert decided(machine, a_removal()) == {"launched": ["worker"], "stopped": []}


def test_a_maximum_of_none_would_stop_them_at_once(machine: Any) -> None:
    text = a_removal().replace(f"max_workers: {MOST_WORKERS}\n", "max_workers: 0\n")

    assert decided(machine, text)["stopped"] == ["i-2", "i-3", "i-4", "i-9"]
