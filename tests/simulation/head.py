"""A simulated head: the real guard, lease, services and tags over a fake Ray."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from deploy.release.ray_schema import mistakes
from node.contract import GUARD_PORT
from node.head.autoscaler_file import AutoscalerFile
from node.head.background_calls import BackgroundCalls
from node.head.guard import Guard
from node.head.phases import Phase
from node.head.services import AwsHeadServices
from node.identity import Identity
from node.lease.lease import Lease
from node.lease.table import DynamoLeaseTable
from node.ray.config_check import LONGEST
from node.ray.gcs import Unreachable
from node.ray.launches import RefusedLaunches
from node.ray.token import NotFit
from node.reports import Reports
from tests.simulation.background import Background
from tests.simulation.files import Files, tag_reader
from tests.simulation.machine import Machine
from tests.simulation.network import Network, NobodyListens, Silence
from tests.simulation.node_aws import LeaseClient, NodeClient
from tests.simulation.ray import HeadRay, Rays
from tests.simulation.service import Service

PYTHON_STARTS = 0.5
RAY = "2.60.0"
TICK = 0.25  # as in node/head/loop.py


class FakeRayHead:
    """Ray as the guard sees it (``node.head.ray_head.RayHead``)."""

    def __init__(self, machine: Machine, redis: str, files: Files, rays: Rays) -> None:
        self._machine, self._redis, self._files, self._rays = machine, redis, files, rays
        self._warm_at: float | None = None
        self.life: HeadRay | None = None

    def warm(self) -> bool:
        """See node.head.ray_head.RayHead; importing Ray begins with the first call."""
        if self._warm_at is None:
            self._warm_at = self._machine.timeline.now() + self._machine.settings.import_ray
        if self._machine.host.ami_id in self._rays.faults.unready_images:
            return False
        return self._machine.timeline.now() >= self._warm_at

    def start(self) -> None:
        """See node.head.ray_head.RayHead."""
        self.life = self._rays.start(
            self._machine,
            self._files.read_token(),
            lambda: parsed(self._files.autoscaler.read_text()),
        )
        self._warm_at = None
        if self._redis and self._files.read_redis_password() not in self._rays.passwords(
            self._redis
        ):
            self._locked_out(self.life)

    def _locked_out(self, life: HeadRay) -> None:
        """The GCS ends once its Redis answers WRONGPASS, and `ray start` with it."""
        self._rays.locked_out.append(self._machine.host.instance_id)
        self._machine.after(self._machine.settings.gcs_opens, lambda: self._rays.end(life))

    def is_running(self) -> bool:
        """See node.head.ray_head.RayHead."""
        return self.life is not None and self.life.runs

    def is_healthy(self) -> bool:
        """See node.head.ray_head.RayHead."""
        return bool(self.life and self.life.answers and self.life.own)

    def autoscaler_round(self) -> int:
        """See node.head.ray_head.RayHead."""
        if not (self.life and self.life.answers):
            raise Unreachable("UNAVAILABLE")
        return self.life.round

    def restart_autoscaler(self) -> None:
        """See node.head.ray_head.RayHead; what stops its rounds here is not in its memory."""

    def refused_launches(self) -> RefusedLaunches:
        """See node.head.ray_head.RayHead."""
        return self._files.launches.refused(self._machine.timeline.now())

    def kill(self) -> bool:
        """See node.head.ray_head.RayHead; no process is ever left."""
        self._warm_at = None
        if self.life:
            self._rays.end(self.life)
        return True


class FakeRelay:
    """A relay in the simulated network (``node.head.relay.Relay``)."""

    def __init__(self, machine: Machine, network: Network) -> None:
        self._machine, self._network = machine, network

    @property
    def is_open(self) -> bool:
        """See node.head.relay.Relay."""
        return bool(self._machine.passes_on)

    def follow(self, address: str) -> None:
        """See node.head.relay.Relay; no port is ever in use."""
        self._machine.passes_on = address

    def close(self) -> None:
        """See node.head.relay.Relay."""
        self._machine.passes_on = ""

    def reaches(self) -> bool:
        """See node.head.relay.Relay: a balancer waits for the answer, the guard does not."""
        try:
            self._network.reach(self._machine, self._machine.passes_on, GUARD_PORT)
        except (Silence, NobodyListens):
            return False
        return True


@lru_cache(maxsize=8)
def parsed(text: str) -> dict[str, Any]:
    """Parse the autoscaler's YAML, which is read in each round and seldom changes."""
    return dict(yaml.safe_load(text))


def refusal(path: Path) -> str:
    """Return why Ray would refuse a YAML (``node.ray.config_check.refusal``)."""
    return "; ".join(mistakes(parsed(path.read_text()), RAY))[:LONGEST]


class HeadProcess:
    """node/head/main.py's loop: step, feed systemd's watchdog when the guard allows it, end."""

    def __init__(self, machine: Machine, identity: Identity, rays: Rays, service: Service) -> None:
        self.machine, self.identity, self._service = machine, identity, service
        files = Files(machine)
        self.ray = FakeRayHead(machine, identity.redis, files, rays)
        self.relay = FakeRelay(machine, rays.network)
        self.guard = make_guard(machine, identity, files, self.ray, self.relay)
        self.paused = False
        self._ready = self._over = False
        machine.after(PYTHON_STARTS, self._tick)

    def stop(self) -> None:
        """SIGTERM: kill Ray and release the lease; a paused process does neither."""
        if self.paused:
            return
        self.guard.shut_down()
        self.guard.step()

    def kill(self) -> None:
        """SIGKILL to the whole cgroup."""
        self._over = True
        self.relay.close()
        self.ray.kill()

    def _tick(self) -> None:
        if self._over:
            return
        spent = 0.0 if self.paused else self._step()
        if not self._over:
            self.machine.after(TICK + spent, self._tick)

    def _step(self) -> float:
        """Step once; return how long that blocked."""
        with self.machine.spending() as spent:
            self.guard.step()
        if not self._ready and self.guard.phase is Phase.STANDBY:
            self._ready = True
            self._service.ready()
        if self.guard.may_feed_watchdog():
            self._service.feed()
        if self.guard.phase is Phase.ENDED:
            self._service.ended(self.guard.exit_code or 0)
        return spent()


def make_guard(
    machine: Machine, identity: Identity, files: Files, ray: FakeRayHead, relay: FakeRelay
) -> Guard:
    """Return the guard of one head, as node/head/assembly.py does."""
    table = DynamoLeaseTable(LeaseClient(machine), identity.lease_table, identity.environment)
    read_tag = tag_reader(machine.host.instance_id)
    reports = Reports(
        identity, NodeClient(machine, "cloudwatch"), NodeClient(machine, "autoscaling"), read_tag
    )
    services = AwsHeadServices(
        identity=identity,
        reports=reports,
        ssm=NodeClient(machine, "ssm"),
        ec2=NodeClient(machine, "ec2"),
        token=files.token,
        redis_password=files.redis_password,
        autoscaler=AutoscalerFile(
            files.autoscaler,
            identity,
            s3=NodeClient(machine, "s3"),
            read_tag=read_tag,
            refusal=refusal,
            log=machine.log,
        ),
        log=machine.log,
    )
    return Guard(
        Lease(table, identity.instance_id, identity.address, clock=machine.clock, log=machine.log),
        ray,
        relay,
        services,
        BackgroundCalls(Background(machine), clock=machine.clock, log=machine.log, final=NotFit),
        clock=machine.clock,
        log=machine.log,
    )
