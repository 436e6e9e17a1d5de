"""A whole cloud in this process, on a fake clock: ``with simulated_cloud() as cloud``.

What it answers is held against recorded answers of AWS (tests/recordings).

moto with every patch of the local cloud, over simulated machines. What is global to a process
(moto's state, the world, the seeds of chance, AWS's variables) is set at first and restored.
"""

import math
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from moto import mock_aws
from moto.ec2.models import amis, elastic_block_store, instances
from moto.moto_api._internal import mock_random

from common.clients import Clients
from localcloud import behaviour, patches
from localcloud.account import REGION, ec2_backend
from localcloud.behaviour import Behaviour
from localcloud.patches import elasticache, shortages
from localcloud.world import World
from localcloud.world import install as install_world
from node.contract import VERSION
from tests.recordings.held import holding
from tests.simulation import answers, descriptions
from tests.simulation.autoscaler import Autoscaler
from tests.simulation.driver import SimulatedDriver
from tests.simulation.faults import Faults
from tests.simulation.head import HeadProcess
from tests.simulation.machine import Machine
from tests.simulation.names import Names
from tests.simulation.network import Network
from tests.simulation.node_aws import client
from tests.simulation.nodes import Nodes
from tests.simulation.ray import HeadRay, Rays
from tests.simulation.settings import DEFAULTS, Settings
from tests.simulation.shell import Shell
from tests.simulation.timeline import Timeline

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
    "AWS_DEFAULT_REGION": REGION,
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}


@cache
def operator() -> Clients:
    """Return the deployer's clients; created once, since that takes longer than a deploy."""
    return Clients(REGION)


def have_stores(now: float) -> None:
    """Have every Redis available at once: what it stores is not simulated."""
    for plan in elasticache.plans():
        elasticache.mark_available(plan.name)


class Cloud:
    """The simulation's parts, and the faults that a test can cause."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.clock = Timeline()
        self.network: Network = Network()
        self.faults = Faults()
        self.rays = Rays(self.network, self.faults)
        self.rays.passwords = self._passwords
        self.given_redis: dict[str, str] = {}  # the password of each Redis that no stack has made
        self.names = Names()
        self.network.balance = self.names.target
        self.nodes = Nodes(self.rays, self.names)
        shell = Shell(self.rays, self.nodes, self.names)
        self.driver = SimulatedDriver(
            self.clock,
            settings,
            folder,
            self.network,
            booted=self.nodes.boot,
            listen=shell.listen,
            command=shell.command,
        )
        self.nodes.power_off = self.driver.stop
        self.world = World(self.clock, self.driver)
        self.world.reconcilers.append(have_stores)
        self.autoscalers: dict[str, Autoscaler] = {}
        self.rays.on_head_joined = self._autoscale
        self.clients = operator()

    def bake(
        self,
        role: str,
        name: str = "",
        *,
        ray_version: str = "2.60.0",
        verified: bool = True,
        architecture: str = "x86_64",
        contract: str = VERSION,
    ) -> str:
        """Put an image into the catalog as a bake leaves it; return its id.

        ``name`` is that of ``[images.NAME]``; empty: ``[image]``.
        """
        ec2 = client("ec2")
        digest = f"{len(ec2.describe_images(Owners=['self'])['Images']):064}"
        ami_id = str(ec2.register_image(Name=f"raykiln-{role}-{digest[-8:]}")["ImageId"])
        # RegisterImage forgets both in moto; an image that CreateImage makes has them.
        ami = ec2_backend().amis[ami_id]
        ami.architecture, ami.root_device_name = architecture, "/dev/xvda"
        tags = {"role": role, "digest": digest, "ray-version": ray_version, "git": "abc"}
        tags["contract"] = contract
        if name:
            tags["image"] = name
        if verified:
            tags["verified"] = "2026-11-22T00:00:00Z"
        pairs = [{"Key": f"raykiln:{key}", "Value": value} for key, value in tags.items()]
        ec2.create_tags(Resources=[ami_id], Tags=pairs)
        return ami_id

    def machine(self, instance_id: str) -> Machine:
        """Return a machine; raises KeyError when it was terminated."""
        return self.driver.machines[instance_id]

    def heads(self) -> list[HeadProcess]:
        """Return the running guards."""
        found = [self.nodes.head_process(instance_id) for instance_id in self.driver.machines]
        return [process for process in found if process]

    def leader(self, cluster: str) -> Machine | None:
        """Return the machine whose guard is the cluster's leader."""
        head = self.rays.running(cluster)
        process = self.nodes.head_process(head.machine.host.instance_id) if head else None
        return head.machine if head and process and process.guard.is_leader else None

    def cut_off(self, instance_id: str, *what: str) -> None:
        """Cut a machine's cables: all of them, or those to ``what``."""
        self.machine(instance_id).cut_off(*what)
        self.rays.recheck()

    def reconnect(self, instance_id: str) -> None:
        """Restore a machine's cables."""
        self.machine(instance_id).reconnect()
        self.rays.recheck()

    def crash(self, instance_id: str) -> None:
        """Cut a machine's power; AWS sees it stopped."""
        self.driver.pull_plug(instance_id)

    def pause_guard(self, instance_id: str, *, paused: bool = True) -> None:
        """SIGSTOP (or SIGCONT) to a guard; its Ray runs on."""
        process = self.nodes.head_process(instance_id)
        if process:
            process.paused = paused

    def occupy(self, instance_id: str, seconds: float = math.inf) -> None:
        """Give a worker work for so many seconds: drained, its raylet ends only after that."""
        raylet = self.nodes.raylet(instance_id)
        if raylet:
            raylet.busy_until = self.clock.now() + seconds

    def no_capacity(self, instance_type: str = "*", zone: str = "*") -> None:
        """Have EC2 lack capacity for all callers; see Faults for an autoscaler alone."""
        shortages.declare(instance_type, zone)

    def capacity_again(self) -> None:
        """Have EC2 capacity for everything again."""
        shortages.clear()

    def end_gcs(self, cluster: str) -> None:
        """Kill the GCS of a cluster's head, and `ray start` with it."""
        head = self.rays.running(cluster)
        if head:
            self.rays.end(head)

    def _passwords(self, redis: str) -> tuple[str, ...]:
        """Return what a Redis accepts, by its address."""
        made = {f"rediss://{one.endpoint}:{one.port}": one.tokens for one in elasticache.plans()}
        given = {address: (password,) for address, password in self.given_redis.items()}
        return (made | given).get(redis, ())

    def _autoscale(self, head: HeadRay) -> None:
        self.autoscalers[head.cluster] = Autoscaler(head, self.faults)


@contextmanager
def simulated_cloud(settings: Settings = DEFAULTS) -> Iterator[Cloud]:
    """Yield a cloud in which nothing is deployed yet; one at a time in a process."""
    with (
        patch.dict(os.environ, VARIABLES),
        TemporaryDirectory(prefix="simulated-") as folder,
        _seeded(settings.seed),
        _behaving(settings.behaviour),
        mock_aws(),
        holding(),
    ):
        machines = Path(folder, "machines")
        machines.mkdir()
        cloud = Cloud(settings, machines)
        install_world(cloud.world)
        patches.install(cloud.world)
        descriptions.install()
        answers.install()
        cloud.world.reconcilers.append(cloud.names.reconcile)
        cloud.clock.every(settings.tick, cloud.world.step)
        with _dated(cloud.clock):
            yield cloud


@contextmanager
def _dated(clock: Timeline) -> Iterator[None]:
    """Date instances, images, volumes and snapshots by the simulation's clock."""

    def utcnow() -> datetime:
        return datetime.fromtimestamp(clock.now(), UTC).replace(tzinfo=None)

    with ExitStack() as patched:
        for module in (instances, amis, elastic_block_store):
            patched.enter_context(patch.object(module, "utcnow", utcnow))
        yield


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed all random choices, ours and those of moto's ids."""
    state = random.getstate()
    random.seed(seed)
    mock_random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def _behaving(wanted: Behaviour) -> Iterator[None]:
    before = behaviour.current()
    behaviour.install(wanted)
    try:
        yield
    finally:
        behaviour.install(before)
