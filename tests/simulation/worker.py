"""A simulated worker: the real gate and watchdog beside a fake `ray start`."""

from collections.abc import Callable

from node.identity import Identity
from node.lease.table import DynamoLeaseTable
from node.log import WARNING
from node.ray import token as settings
from node.ray.token import NotFit, NotNow
from node.worker.gate import Gate, jittered
from node.worker.unit import Raylet
from node.worker.watchdog import Watchdog
from tests.simulation.files import Files
from tests.simulation.machine import Machine
from tests.simulation.node_aws import LeaseClient, NodeClient
from tests.simulation.ray import GcsClient, Rays
from tests.simulation.ray import Raylet as RunningRaylet
from tests.simulation.service import Service
from tests.simulation.worker_ray import WorkerRay

PAUSE = 1.0  # as in node/worker/main.py
GIVEN_UP = 64  # as in node/worker/watchdog_main.py


class Worker:
    """What gate, watchdog and `ray start` of one worker share."""

    def __init__(
        self, machine: Machine, identity: Identity, rays: Rays, look_up: Callable[[str], str]
    ) -> None:
        self.machine, self.identity, self.rays = machine, identity, rays
        self.files = Files(machine)
        self.ssm = NodeClient(machine, "ssm")
        self._look_up = look_up
        table = identity.lease_table
        self.table = DynamoLeaseTable(LeaseClient(machine), table, identity.environment)
        self.service: Service | None = None

    @property
    def raylet(self) -> RunningRaylet | None:
        """Return the raylet that runs here, if one does."""
        process = self.service.process if self.service else None
        return process.ray.raylet if isinstance(process, WorkerProcess) and process.ray else None

    def resolve(self, name: str) -> str:
        """Return a name's address: /etc/hosts comes before DNS; raises OSError without one."""
        return self.files.resolve(name) or self._look_up(name)

    def follow(self, address: str) -> None:
        """Have the head's name resolve to an address."""
        self.files.point(self.identity.head_name, address)

    def gcs(self, address: str) -> GcsClient:
        """Return the GCS at an address, as this machine reaches it."""
        return GcsClient(self.rays, self.machine, address, self.files.read_token)

    def refresh_secret(self) -> None:
        """Fetch the token as node/worker/main.py does."""
        try:
            warning = settings.refresh_secret(self.ssm, self.identity.secret, self.files.token)
        except NotNow as error:
            warning = str(error)
        if warning:
            self.machine.log("secret not refreshed", level=WARNING, reason=warning)


class WorkerProcess:
    """node/worker/main.py: token, gate, then `ray start`."""

    def __init__(self, worker: Worker, service: Service) -> None:
        self._worker, self._service = worker, service
        self._machine = worker.machine
        self._over = False
        self.ray: WorkerRay | None = None
        self._machine.after(self._machine.settings.import_ray, self._fetch_secret)

    def stop(self) -> None:
        """SIGTERM drains, which an idle node has done at once."""

    def kill(self) -> None:
        """End the process."""
        self._over = True
        if self.ray:
            self.ray.kill()

    def _fetch_secret(self) -> None:
        if self._over:
            return
        try:
            self._worker.refresh_secret()
        except NotFit as error:
            self._machine.log("worker cannot start", level=3, why=error)
            self._service.ended(1)
            return
        if not self._worker.files.token.exists():
            self._machine.after(jittered(PAUSE), self._fetch_secret)
            return
        self._gate = Gate(
            self._worker.table,
            self._worker.identity.head_name,
            resolve=self._worker.resolve,
            gcs=self._worker.gcs,
            refresh_secret=self._worker.refresh_secret,
            clock=self._machine.clock,
            log=self._machine.log,
        )
        self._knock()

    def _knock(self) -> None:
        if self._over:
            return
        with self._machine.spending() as spent:
            is_open = self._gate.step()
        if is_open:
            self._start_ray()
        else:
            self._machine.after(jittered(PAUSE) + spent(), self._knock)

    def _start_ray(self) -> None:
        worker = self._worker
        self.ray = WorkerRay(
            worker.rays,
            self._machine,
            resolve=lambda: worker.resolve(worker.identity.head_name),
            token=worker.files.read_token(),
            ended=lambda: self._service.ended(1),
        )


class Unit:
    """ray-worker.service as the watchdog sees it (``node.worker.unit.WorkerUnit``)."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def raylet(self) -> Raylet | None:
        """See node.worker.unit.WorkerUnit."""
        raylet = self._worker.raylet
        return Raylet(1, raylet.node_id) if raylet else None

    def kill(self) -> None:
        """See node.worker.unit.WorkerUnit."""
        if self._worker.service:
            self._worker.service.ended(137)


class WatchProcess:
    """node/worker/watchdog_main.py's loop: the watchdog says when to check again."""

    def __init__(self, worker: Worker, service: Service) -> None:
        self._worker, self._service, self._over = worker, service, False
        self._watchdog = Watchdog(
            worker.table,
            Unit(worker),
            gcs=worker.gcs,
            follow=worker.follow,
            clock=worker.machine.clock,
            log=worker.machine.log,
        )
        worker.machine.after(jittered(PAUSE), self._look)

    def stop(self) -> None:
        """Nothing is left to do."""

    def kill(self) -> None:
        """End the process."""
        self._over = True

    def _look(self) -> None:
        if self._over:
            return
        with self._worker.machine.spending() as spent:
            pause = self._watchdog.step()
        if self._watchdog.given_up:
            self._service.ended(GIVEN_UP)
        else:
            self._worker.machine.after(pause + spent(), self._look)
