"""Ray's dashboard at the stable name of a simulated cluster: what deploy asks of it."""

import json
import shlex
from dataclasses import dataclass, field

from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ssm.models import ssm_backends

from common.accelerators import RAYS_NAMES
from common.environment import Environment
from deploy.cluster.ray_api import (
    Actor,
    Job,
    PlacementGroup,
    RayNode,
    RunningJob,
    TokenRefused,
    Unreachable,
)
from deploy.verify.smoke import GROUP_TASK
from localcloud.account import ACCOUNT, REGION, ec2_backend
from node.identity import Identity
from tests.simulation.cloud import Cloud
from tests.simulation.machine import Machine
from tests.simulation.network import NobodyListens, Silence
from tests.simulation.ray import Raylet

DASHBOARD = 8265
GROUP = "ray.io/node-group"


@dataclass(frozen=True)
class FakeRayApi:
    """See deploy.cluster.ray_api.RayApi; a job has succeeded as soon as it is asked for."""

    cloud: Cloud
    environment: Environment
    jobs: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """See deploy.cluster.ray_api.RayApi."""
        return f"http://{self.environment.head_dns}:{DASHBOARD}"

    @property
    def way(self) -> str:
        """See deploy.cluster.ray_api.RayApi."""
        return "directly"

    def nodes(self) -> tuple[RayNode, ...]:
        """See deploy.cluster.ray_api.RayApi."""
        head = self.cloud.rays.running(self.environment.name)
        if head is None or not head.answers or head.machine is not self._reached():
            raise Unreachable(f"{self.environment.head_dns} does not answer")
        if head.token != self._token():
            raise TokenRefused(f"{self.base} refuses the token")
        return tuple(self._node(raylet, raylet is head.own) for raylet in head.nodes.values())

    def running_jobs(self) -> tuple[RunningJob, ...]:
        """Return a job that runs wherever a head does."""
        return (RunningJob("job-1", self.nodes()[0].id),)

    def actors(self) -> tuple[Actor, ...]:
        """See deploy.cluster.ray_api.RayApi."""
        return ()

    def placement_groups(self) -> tuple[PlacementGroup, ...]:
        """See deploy.cluster.ray_api.RayApi."""
        return ()

    def submit(self, entrypoint: str, submission_id: str, *, on_head: bool = False) -> None:
        """See deploy.cluster.ray_api.RayApi."""
        self.nodes()
        self.jobs[submission_id] = entrypoint

    def job(self, submission_id: str) -> Job:
        """See deploy.cluster.ray_api.RayApi."""
        return Job(submission_id, "SUCCEEDED", "")

    def logs(self, submission_id: str) -> str:
        """Return what the task of each group says of the first node of it."""
        command = shlex.split(self.jobs[submission_id])
        if command[2:3] != [GROUP_TASK.read_text()]:
            return ""
        addresses = {node.labels[GROUP]: node.address for node in self.nodes() if node.labels}
        ran = [{"group": group, "address": addresses.get(group, "")} for group in command[4:]]
        return "".join(f"here: {json.dumps(one)}\n" for one in ran)

    def _token(self) -> str:
        """Return the secret's value as it is now."""
        parameter = ssm_backends[ACCOUNT][REGION].get_parameter(self.environment.secret)
        assert parameter
        return str(parameter.decrypt(parameter.value))

    def _node(self, raylet: Raylet, is_head: bool) -> RayNode:
        """Return a node as Ray would start there: ``worker_arguments`` of node/ray."""
        instance_id = raylet.machine.host.instance_id
        worker = self.cloud.nodes.workers.get(instance_id)
        resources, labels = (
            _started_with(worker.identity, instance_id) if worker and not is_head else ({}, {})
        )
        return RayNode(
            raylet.node_id.hex(), raylet.machine.address, is_head, "ALIVE", resources, labels
        )

    def _reached(self) -> Machine | None:
        """Return where a connection from outside to the stable name ends."""
        address = self.cloud.names.address(self.environment.head_dns)
        target = self.cloud.names.target(address, DASHBOARD)
        try:
            return self.cloud.network.reach(None, target, DASHBOARD) if target else None
        except (Silence, NobodyListens):
            return None


def _started_with(identity: Identity, instance_id: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return a worker's resources and labels; vCPUs and GPUs' names are its instance type's."""
    facts = INSTANCE_TYPES[ec2_backend().get_instance(instance_id).instance_type]
    custom = json.loads(identity.resources or "{}")
    resources = {name: float(amount) for name, amount in custom.items()}
    resources |= {"driver": 1000.0, "CPU": float(facts["VCpuInfo"]["DefaultVCpus"]), "memory": 1e9}
    if identity.gpus:
        resources["GPU"] = float(identity.gpus)
    if identity.object_store_bytes:
        resources["object_store_memory"] = float(identity.object_store_bytes)
    labels = dict(pair.split("=", 1) for pair in identity.labels.split(",") if pair)
    for gpu in facts.get("GpuInfo", {}).get("Gpus", []):
        labels["ray.io/accelerator-type"] = RAYS_NAMES[gpu["Name"]]
    return resources, labels | {GROUP: identity.node_type}
