"""A whole deploy in one process: the stand-in AWS, fake machines, and fake nodes."""

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from moto.ec2.models import ec2_backends

from common.clients import Clients
from common.environment import Environment
from common.progress import Progress, Silent
from deploy.cluster.ray_api import Actor, PlacementGroup, RayNode, RunningJob
from deploy.cluster.state import ClusterState, read_state
from deploy.plan.steps import Done
from deploy.rollout.destroy import DestroyOperation
from deploy.rollout.prepare import Prepared, prepare_deploy, prepare_destroy
from localcloud.world import World
from node.contract import VERSION
from tests.unit.deploy.builders import ACCOUNT, REGION, an_environment
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

GUARD = 8479
# A small network: what the foundation creates is tested elsewhere.
SMALL = {"operator_cidrs": ["10.77.0.1/32"], "endpoints": False}
BAKED = datetime(2026, 11, 22, tzinfo=UTC)


def bake(clients: Clients, role: str, *, verified: bool = True, ray_version: str = "2.60.0") -> str:
    """Register an image as a bake does; return its id."""
    ec2 = clients("ec2")
    count = len(ec2.describe_images(Owners=["self"])["Images"])
    ami_id = str(ec2.register_image(Name=f"ray-{role}-{count}")["ImageId"])
    # RegisterImage in moto does not set these; CreateImage does.
    image = ec2_backends[ACCOUNT][REGION].amis[ami_id]
    image.architecture, image.creation_date = "x86_64", BAKED + timedelta(minutes=count)
    tags = {"role": role, "digest": f"{count:064}", "ray-version": ray_version, "git": "abc"}
    tags["contract"] = VERSION
    if verified:
        tags["verified"] = "2026-11-22T00:00:00Z"
    pairs = [{"Key": f"raykiln:{key}", "Value": value} for key, value in tags.items()]
    ec2.create_tags(Resources=[ami_id], Tags=pairs)
    return ami_id


@dataclass
class FakeNodes:
    """What the code on the instances does, as far as the control plane sees it.

    A head that has booted takes the lease if no running head holds it, answers as leader, and
    completes its lifecycle hook; the leader launches workers from the template in its YAML.
    """

    driver: FakeDriver
    aws: Clients
    heads_give_up: bool = False
    heads_hang: bool = False
    reads: dict[str, dict[str, Any]] = field(default_factory=dict)

    def step(self) -> None:
        """Let every node do what it does next."""
        heads = self._running("head")
        for instance in heads:
            self._head(instance, {one["InstanceId"] for one in heads})

    def _head(self, instance: dict[str, Any], alive: set[str]) -> None:
        scaling = self.aws("autoscaling")
        members = scaling.describe_auto_scaling_instances(InstanceIds=[instance["InstanceId"]])
        for member in members["AutoScalingInstances"]:
            if member["LifecycleState"] == "Pending:Wait" and not self.heads_hang:
                self._bootstrap(member, instance, alive)
            elif member["LifecycleState"] == "InService":
                self._lead(instance, alive)

    def _bootstrap(self, member: dict[str, Any], instance: dict[str, Any], alive: set[str]) -> None:
        if self.heads_give_up:
            self.driver.consoles[member["InstanceId"]] = "the secret cannot be read"
        else:
            self._lead(instance, alive)
        self.aws("autoscaling").complete_lifecycle_action(
            LifecycleHookName=self._node(member["InstanceId"])["lifecycle_hook"],
            AutoScalingGroupName=member["AutoScalingGroupName"],
            InstanceId=member["InstanceId"],
            LifecycleActionResult="ABANDON" if self.heads_give_up else "CONTINUE",
        )

    def _lead(self, instance: dict[str, Any], alive: set[str]) -> None:
        instance_id = instance["InstanceId"]
        node, table = self._node(instance_id), self.aws("dynamodb")
        where = {"TableName": node["lease_table"], "Key": {"cluster": {"S": node["environment"]}}}
        item = table.get_item(**where).get("Item", {})
        holder = item.get("holder", {}).get("S", "")
        named = item.get("successor", {}).get("S", "") == instance_id
        self.driver.serve(instance_id, GUARD, "/leader")
        for port in (6379, 10001, 8265):
            self.driver.serve(instance_id, port)
        if holder in alive - {instance_id} and not named:
            return  # a standby, which relays
        if holder != instance_id:
            if holder in alive:
                self.driver.silence(holder)
            epoch = int(item.get("epoch", {}).get("N", 0)) + 1
            taken = {
                "cluster": {"S": node["environment"]},
                "epoch": {"N": str(epoch)},
                "beat": {"N": "0"},
                "holder": {"S": instance_id},
                "address": {"S": "10.77.0.9"},
                "released": {"BOOL": False},
            }
            table.put_item(TableName=node["lease_table"], Item=taken)
            item = taken
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        uri = tags.get("raykiln:autoscaler", "")
        if item.get("autoscaler", {}).get("S") != uri:
            table.update_item(
                **where,
                UpdateExpression="SET autoscaler = :uri",
                ExpressionAttributeValues={":uri": {"S": uri}},
            )
        self._scale(uri)

    def ray(self) -> "FakeRay":
        """Return Ray at the stable name: the leader, and every worker that runs."""
        return FakeRay(self)

    def _scale(self, uri: str) -> None:
        """Launch workers up to the minimum, as Ray's autoscaler does from the head's YAML."""
        if uri not in self.reads:  # never changes: a release's are named by its content
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            body = self.aws("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            self.reads[uri] = yaml.safe_load(body)
        config = self.reads[uri]
        running = [
            tag["Value"]
            for worker in self._running("worker")
            for tag in worker["Tags"]
            if tag["Key"] == "ray-user-node-type"
        ]
        for name, kind in config["available_node_types"].items():
            missing = kind["min_workers"] - running.count(name)
            if missing > 0:
                self._launch(name, kind["node_config"], missing)

    def _launch(self, name: str, config: dict[str, Any], count: int) -> None:
        tags = [{"Key": "ray-user-node-type", "Value": name}]
        self.aws("ec2").run_instances(
            MinCount=count,
            MaxCount=count,
            LaunchTemplate=config["LaunchTemplate"],
            InstanceType=config["InstanceTypes"][0],
            SubnetId=config["SubnetIds"][0],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )

    def _running(self, role: str) -> list[dict[str, Any]]:
        states = ["running"] if role == "head" else ["pending", "running"]
        filters = [
            {"Name": "tag:raykiln:role", "Values": [role]},
            {"Name": "instance-state-name", "Values": states},
        ]
        found = self.aws("ec2").describe_instances(Filters=filters)["Reservations"]
        return [instance for reservation in found for instance in reservation["Instances"]]

    def _node(self, instance_id: str) -> dict[str, Any]:
        """Return the instance's user data."""
        if instance_id not in self.reads:
            answer = self.aws("ec2").describe_instance_attribute(
                InstanceId=instance_id, Attribute="userData"
            )
            text = b64decode(answer["UserData"]["Value"]).decode()
            self.reads[instance_id] = yaml.safe_load(
                yaml.safe_load(text)["write_files"][0]["content"]
            )
        return self.reads[instance_id]


@dataclass(frozen=True)
class FakeRay:
    """What deploy asks of Ray (``deploy.cluster.ray_api.RayApi``)."""

    cluster: FakeNodes
    way: str = "directly"

    def nodes(self) -> tuple[RayNode, ...]:
        """See deploy.cluster.ray_api.RayApi."""
        workers = [i["PrivateIpAddress"] for i in self.cluster._running("worker")]
        return (
            RayNode("head", "10.77.0.9", True, "ALIVE"),
            *(RayNode(f"node-{address}", address, False, "ALIVE") for address in workers),
        )

    def running_jobs(self) -> tuple[RunningJob, ...]:
        """See deploy.cluster.ray_api.RayApi."""
        return (RunningJob("train-7", "head"),)

    def actors(self) -> tuple[Actor, ...]:
        """See deploy.cluster.ray_api.RayApi."""
        return ()

    def placement_groups(self) -> tuple[PlacementGroup, ...]:
        """See deploy.cluster.ray_api.RayApi."""
        return ()


class Killed(BaseException):
    """No code catches it: the process is killed, as by kill -9."""


class MortalClients(Clients):
    """Clients whose process is killed once it has sent ``left`` requests."""

    left: int | None = None

    def _count(self, **_: object) -> None:
        if self.left == 0:
            raise Killed
        self.left = None if self.left is None else self.left - 1
        super()._count()


@dataclass
class Cluster:
    """An environment in its own world, and an operator's commands."""

    environment: Environment
    clock: FakeClock
    nodes: FakeNodes
    clients: MortalClients

    def prepare(self, *, resumes: bool = False) -> Prepared:
        """Plan a deploy."""
        return prepare_deploy(
            self.environment,
            self.clients,
            clock=self.clock,
            verify=lambda progress: "healthy",
            api=self.nodes.ray,  # type: ignore[arg-type]
            resumes=resumes,
        )

    def deploy(self, progress: Progress | None = None) -> tuple[Done, ...]:
        """Plan a deploy and carry it out."""
        return self.prepare().rollout.run(progress or Silent())

    def prepare_destroy(self) -> DestroyOperation:
        """Plan the deletion of the cluster."""
        return prepare_destroy(self.environment, self.clients, clock=self.clock)

    def destroy(self) -> tuple[Done, ...]:
        """Delete the cluster."""
        return self.prepare_destroy().run(Silent())

    @contextmanager
    def dies_after(self, requests: int) -> Iterator[None]:
        """Kill the operator once ``requests`` requests were sent."""
        self.clients.left = requests
        try:
            yield
        finally:
            self.clients.left = None

    def state(self) -> ClusterState:
        """Look at the cluster."""
        return read_state(self.clients, self.environment)


def a_cluster(clock: FakeClock, driver: FakeDriver) -> Cluster:  # noqa: F811
    """Return a cluster with verified images and nothing deployed yet."""
    clients = MortalClients(REGION)
    nodes = FakeNodes(driver, Clients(REGION))
    clock.listeners.append(nodes.step)
    bake(clients, "head")
    bake(clients, "worker")
    return Cluster(an_environment(network=SMALL), clock, nodes, clients)


@pytest.fixture
def cluster(world: World, clock: FakeClock, driver: FakeDriver) -> Cluster:  # noqa: F811
    """A new cluster for each test."""
    return a_cluster(clock, driver)
