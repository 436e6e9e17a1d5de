"""What boots on a simulated machine: the units that its user data and its image ask for."""

from collections.abc import Callable

from localcloud.account import ec2_backend
from localcloud.driver import Power
from node.identity import BadIdentity, Identity
from node.reports import Reports
from tests.simulation.files import identity_of, node_yaml, tag_reader
from tests.simulation.head import HeadProcess
from tests.simulation.machine import Machine
from tests.simulation.names import Names
from tests.simulation.node_aws import NodeClient
from tests.simulation.ray import Raylet, Rays
from tests.simulation.service import HEAD, WATCHDOG, WORKER, Service
from tests.simulation.worker import WatchProcess, Worker, WorkerProcess


class Nodes:
    """Starts the node code of each machine, and returns what runs."""

    def __init__(self, rays: Rays, names: Names) -> None:
        self._rays, self._names = rays, names
        self.power_off: Callable[[str], None] = lambda instance_id: None
        self.heads: dict[str, Service] = {}
        self.workers: dict[str, Worker] = {}

    def boot(self, machine: Machine) -> None:
        """cloud-init and ray-identity.service; a machine that is no node stays idle."""
        instance = ec2_backend().get_instance(machine.host.instance_id)
        machine.ray_version = ec2_backend().tags[instance.image_id].get("raykiln:ray-version", "")
        text = node_yaml(instance)
        if text is None:
            return
        try:
            identity = identity_of(instance, text)
        except BadIdentity as error:
            machine.log("no identity", level=3, error=error)
            self._power_off(machine)
            return
        if identity.role == "head":
            self._boot_head(machine, identity)
        else:
            self._boot_worker(machine, identity)

    def head_process(self, instance_id: str) -> HeadProcess | None:
        """Return the guard that runs on a machine."""
        service = self.heads.get(instance_id)
        process = service.process if service else None
        return process if isinstance(process, HeadProcess) else None

    def raylet(self, instance_id: str) -> Raylet | None:
        """Return the raylet that runs on a worker."""
        worker = self.workers.get(instance_id)
        return worker.raylet if worker else None

    def _boot_head(self, machine: Machine, identity: Identity) -> None:
        service = Service(
            machine,
            HEAD,
            lambda made: HeadProcess(machine, identity, self._rays, made),
            lambda: self._give_up(machine, identity),
        )
        self.heads[machine.host.instance_id] = service
        machine.units = [service]
        service.start()

    def _boot_worker(self, machine: Machine, identity: Identity) -> None:
        worker = Worker(machine, identity, self._rays, self._names.address)

        def failed() -> None:
            self._give_up(machine, identity)

        ray = Service(machine, WORKER, lambda made: WorkerProcess(worker, made), failed)
        watchdog = Service(machine, WATCHDOG, lambda made: WatchProcess(worker, made), failed)
        worker.service = ray
        self.workers[machine.host.instance_id] = worker
        machine.units = [ray, watchdog]
        ray.start()
        watchdog.start()

    def _give_up(self, machine: Machine, identity: Identity) -> None:
        """ray-give-up.service: node/give_up.py decides whether the machine powers off."""
        from node.give_up import AWS_REPLACES, give_up

        reports = Reports(
            identity,
            NodeClient(machine, "cloudwatch"),
            NodeClient(machine, "autoscaling"),
            tag_reader(machine.host.instance_id),
        )
        with machine.spending():
            code = give_up(identity, reports, machine.log)
        if code != AWS_REPLACES:
            self._power_off(machine)

    def _power_off(self, machine: Machine) -> None:
        if machine.power is Power.UP:
            self.power_off(machine.host.instance_id)
