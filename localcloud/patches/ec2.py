"""Instances whose state follows a machine.

Follows "Amazon EC2 instance state changes" in the EC2 user guide and, in the API reference,
RunInstances, StartInstances, StopInstances, RebootInstances, TerminateInstances and StateReason.
moto changes states at once and runs nothing; here a state is reached when the machine reaches it, a
power-off from inside stops or terminates, a boot that fails ends in ``terminated`` with
``Server.InternalError``, and a terminated instance stays visible for an hour (TerminateInstances:
"usually approximately one hour").
"""

from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState, StateReason

from localcloud.account import ec2_backends_in_use
from localcloud.driver import Host, Power
from localcloud.world import World, current

CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
ENDED = ("shutting-down", "terminated")
VISIBLE_SECONDS = 3600.0
ROOT_GIB = 8


def host_of(instance: Any) -> Host:
    """Return what the driver needs to know of a moto instance."""
    vcpus, memory_mib = machine_size(instance.instance_type)
    disks, disk_gb = instance_store(instance.instance_type)
    return Host(
        instance_id=instance.id,
        ami_id=instance.image_id,
        private_ip=instance.private_ip,
        mac=instance.nics[0].mac_address,
        vcpus=vcpus,
        memory_mib=memory_mib,
        disks=disks,
        disk_gb=disk_gb,
    )


def machine_size(instance_type: str) -> tuple[int, int]:
    """Return vCPUs and MiB of an instance type, as DescribeInstanceTypes has them."""
    facts = INSTANCE_TYPES.get(instance_type)
    if facts is None:
        raise EC2ClientError(
            "InvalidInstanceType",
            f"The following supplied instance types do not exist: [{instance_type}]",
        )
    return facts["VCpuInfo"]["DefaultVCpus"], facts["MemoryInfo"]["SizeInMiB"]


def instance_store(instance_type: str) -> tuple[int, int]:
    """Return how many NVMe disks a type has, and the GB of each.

    Disks that are no NVMe disks are there only where a block device mapping asks for them:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/add-instance-store-volumes.html
    """
    storage = INSTANCE_TYPES[instance_type].get("InstanceStorageInfo") or {}
    if storage.get("NvmeSupport", "unsupported") == "unsupported":
        return 0, 0
    (disk,) = storage["Disks"]
    return disk["Count"], disk["SizeInGB"]


def set_state(instance: Any, name: str) -> None:
    """Set an instance's state; moto returns the old object as the previous state."""
    instance._state = InstanceState(name, CODES[name])


def _run_instances(run: Any, self: Any, *arguments: Any, **keywords: Any) -> Any:
    machine_size(keywords["instance_type"])
    interface: dict[str, Any] = next(iter(keywords.get("nics") or ()), {})
    if not (keywords.get("subnet_id") or interface.get("NetworkInterfaceId")):
        keywords["subnet_id"] = interface.get("SubnetId") or _default_subnet(
            self, keywords.get("placement")
        )
    reservation = run(self, *arguments, **keywords)
    for instance in reservation.instances:
        if not interface.get("NetworkInterfaceId"):
            # "By default … deleted when the instance terminates": interfaces, EC2 user guide.
            instance.nics[0].delete_on_termination = interface.get("DeleteOnTermination", True)
        set_state(instance, "pending")
        current().driver.launch(host_of(instance))
    return reservation


def _default_subnet(backend: Any, zone: str | None) -> str:
    """RunInstances, SubnetId: "If you don't specify a subnet ID, we choose a default subnet"."""
    subnets = backend.get_default_subnets()
    if zone in subnets or (subnets and not zone):
        return str(subnets[zone or min(subnets)].id)
    raise EC2ClientError(
        "MissingInput", "No subnets found for the default VPC. Please specify a subnet."
    )


def _add_root_volume(self: Any) -> None:
    """Attach the root volume as the image's root device; moto has one name for all."""
    backend = self.ec2_backend
    volume = backend.create_volume(
        size=ROOT_GIB, zone_name=self.availability_zone, volume_type="gp3"
    )
    image = backend.amis.get(self.image_id)
    volume.snapshot_id = image.ebs_snapshot.id if image else volume.snapshot_id
    backend.attach_volume(volume.id, self.id, self.root_device_name, True)


def _require(instance: Any, verb: str, *states: str) -> None:
    if instance.state not in states:
        raise EC2ClientError(
            "IncorrectInstanceState",
            f"The instance '{instance.id}' is not in a state from which it can be {verb}.",
        )


def _start(start: Any, self: Any) -> Any:
    if self.state in ("pending", "running"):
        return self._state
    _require(self, "started", "stopped")
    previous = start(self)
    set_state(self, "pending")
    current().driver.start(self.id)
    return previous


def _stop(stop: Any, self: Any) -> Any:
    if self.state in ("stopping", "stopped"):
        return self._state
    _require(self, "stopped", "running")
    previous = stop(self)
    set_state(self, "stopping")
    current().driver.stop(self.id)
    return previous


def _terminate(terminate: Any, self: Any) -> Any:
    if self.state in ENDED:
        return self._state
    previous = terminate(self)
    set_state(self, "shutting-down")
    current().driver.destroy(self.id)
    return previous


def _reboot(self: Any) -> None:
    _require(self, "rebooted", "running")
    self.comes_back = True
    current().driver.stop(self.id)


def reconcile(now: float) -> None:
    """Bring every instance to the state of its machine."""
    for backend in ec2_backends_in_use():
        for instance in backend.all_instances():
            if instance.state == "terminated":
                _forget_in_time(backend, instance, now)
            else:
                _follow(instance, current().driver.power(instance.id), now)


def _follow(instance: Any, power: Power, now: float) -> None:
    match instance.state, power:
        case "pending", Power.UP:
            set_state(instance, "running")
        case ("pending", Power.FAILED):
            terminate_for(instance, "Server.InternalError", "Internal error on launch")
        case ("pending" | "running", Power.DOWN | Power.FAILED):
            _powered_off(instance)
        case "stopping", Power.DOWN | Power.FAILED:
            set_state(instance, "stopped")
        case "shutting-down", Power.GONE:
            set_state(instance, "terminated")
            instance.terminated_at = now


def _powered_off(instance: Any) -> None:
    """Rebooted and imaged instances boot again; others follow their shutdown behaviour."""
    if getattr(instance, "imaging", False):
        return
    if getattr(instance, "comes_back", False):
        instance.comes_back = False
        current().driver.start(instance.id)
        return
    code, message = "Client.InstanceInitiatedShutdown", "Instance initiated shutdown"
    if instance.instance_initiated_shutdown_behavior == "terminate":
        terminate_for(instance, code, message)
        return
    for interface in instance.nics.values():
        interface.stop()
    instance.state_reason = StateReason(f"{code}: {message}", code)
    set_state(instance, "stopped")


def terminate_for(instance: Any, code: str, message: str) -> None:
    """Terminate an instance for a reason of its own, and say which."""
    instance.terminate()
    instance.state_reason = StateReason(f"{code}: {message}", code)


def _forget_in_time(backend: Any, instance: Any, now: float) -> None:
    if now - getattr(instance, "terminated_at", now) < VISIBLE_SECONDS:
        return
    for key, reservation in list(backend.reservations.items()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
        if not reservation.instances:
            del backend.reservations[key]


@cache
def install() -> None:
    """Put machines behind moto's instances."""
    run, start = InstanceBackend.run_instances, Instance.start
    stop, terminate = Instance.stop, Instance.terminate
    InstanceBackend.run_instances = lambda self, *a, **k: _run_instances(run, self, *a, **k)
    Instance.setup_defaults = _add_root_volume
    Instance.start = lambda self: _start(start, self)
    Instance.stop = lambda self: _stop(stop, self)
    Instance.terminate = lambda self: _terminate(terminate, self)
    Instance.reboot = _reboot


def attach(world: World) -> None:
    """Let instances follow their machines."""
    world.reconcilers.append(reconcile)
