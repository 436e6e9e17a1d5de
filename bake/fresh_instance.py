"""Boot an instance from an image, give SSH access to it, and remove it afterwards.

Like Packer's build instances it gets a key pair and a security group for itself, and neither an
instance profile nor user data: an image must work without them. Changes AWS (EC2).
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from bake.owner import TAG, Owner
from bake.subnet import Subnet
from common.clients import Clients, error_code, translated
from common.consistency import NO_GROUP, NO_INSTANCE, NO_KEY_PAIR, once_known
from common.environment import Environment
from common.errors import Refused
from common.image_settings import ImageSettings
from common.waiting import Clock, Seen, wait_for

TERMINATION_SECONDS = 600


@dataclass(frozen=True)
class InstanceSpec:
    """What to boot and where. ``folder`` is for the private key."""

    environment: Environment
    settings: ImageSettings
    subnet: Subnet
    ami_id: str
    name: str
    owner: Owner
    folder: Path

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the instance, its volume, its key pair and its security group."""
        return {**self.environment.tags, TAG: str(self.owner), "Name": self.name}


@dataclass(frozen=True)
class SshAccess:
    """How to reach an instance by SSH."""

    instance_id: str
    address: str
    username: str
    key_file: Path


@dataclass(frozen=True)
class Access:
    """The file of the private key, and the security group, of one instance."""

    key_file: Path
    group_id: str


@contextmanager
def fresh_instance(
    clients: Clients,
    spec: InstanceSpec,
    *,
    clock: Clock,
    is_cancelled: Callable[[], bool],
    progress: Callable[[str], None],
) -> Iterator[SshAccess]:
    """Boot an instance and yield SSH access to it once SSH answers.

    Instance, key pair and security group are removed at the end, also after an error. Raises
    PipelineError when the instance does not boot.
    """
    environment = spec.environment
    with translated(f"booting {spec.ami_id}"), ExitStack() as cleanup:
        access = create_access(clients, spec, clock, cleanup)
        instance_id = _launch(clients, spec, access.group_id, clock)
        cleanup.callback(terminate, clients, (instance_id,), clock)
        address = _address(clients, instance_id, clock)

        def look() -> Seen[bool]:
            if is_cancelled():
                raise Refused("cancelled")
            return ssh_answers(address)

        wait_for(
            f"SSH on {instance_id} ({spec.ami_id})",
            look,
            clock=clock,
            seconds=environment.limits.boot_seconds,
            every=0.25,
            hint="read its console while the instance exists: aws ec2 get-console-output",
            progress=progress,
        )
        yield SshAccess(instance_id, address, spec.settings.ssh_username, access.key_file)


def create_access(clients: Clients, spec: InstanceSpec, clock: Clock, cleanup: ExitStack) -> Access:
    """Create a key pair, and a security group that lets the operator in; ``cleanup`` removes both.

    They are tagged as they are made: a bake role opens and deletes nothing without that tag.
    """
    key_file = _create_key(clients, spec, cleanup)
    return Access(key_file, _create_group(clients, spec, clock, cleanup))


def terminate(clients: Clients, instance_ids: tuple[str, ...], clock: Clock) -> None:
    """Terminate instances and wait for it, so that their security groups can be deleted.

    Raises ClientError when EC2 does not know one of them, even after a while.
    """
    if not instance_ids:
        return
    ec2, ids = clients("ec2"), list(instance_ids)
    once_known(lambda: ec2.terminate_instances(InstanceIds=ids), NO_INSTANCE, clock=clock)

    def look() -> Seen[bool]:
        states = _states(
            once_known(lambda: ec2.describe_instances(InstanceIds=ids), NO_INSTANCE, clock=clock)
        )
        return Seen(True if states == {"terminated"} else None, ", ".join(sorted(states)))

    wait_for(
        f"the termination of {', '.join(instance_ids)}",
        look,
        clock=clock,
        seconds=TERMINATION_SECONDS,
        every=0.5,
        hint="check them in the EC2 console; the next bake tries again",
    )


def delete_group(clients: Clients, group_id: str, clock: Clock) -> None:
    """Delete a security group, unless it no longer exists.

    The network interface of its last instance may use it for a while after the termination.
    """

    def look() -> Seen[bool]:
        try:
            clients("ec2").delete_security_group(GroupId=group_id)
        except ClientError as error:
            if error_code(error) == "DependencyViolation":
                return Seen(None, "still in use")
            if error_code(error) != NO_GROUP:
                raise
        return Seen(True, "deleted")

    wait_for(
        f"the deletion of {group_id}", look, clock=clock, seconds=TERMINATION_SECONDS, every=1.0
    )


def _states(answer: dict[str, list[dict[str, list[dict[str, dict[str, str]]]]]]) -> set[str]:
    return {
        instance["State"]["Name"]
        for reservation in answer["Reservations"]
        for instance in reservation["Instances"]
    }


def _tag_specification(kind: str, tags: dict[str, str]) -> dict[str, object]:
    return {
        "ResourceType": kind,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _create_key(clients: Clients, spec: InstanceSpec, cleanup: ExitStack) -> Path:
    ec2 = clients("ec2")
    answer = ec2.create_key_pair(
        KeyName=spec.name,
        KeyType="ed25519",
        TagSpecifications=[_tag_specification("key-pair", spec.tags)],
    )
    cleanup.callback(ec2.delete_key_pair, KeyName=spec.name)
    key_file = spec.folder / "key"
    cleanup.callback(key_file.unlink, missing_ok=True)
    key_file.touch(mode=0o600)
    key_file.write_text(answer["KeyMaterial"])
    return key_file


def _create_group(clients: Clients, spec: InstanceSpec, clock: Clock, cleanup: ExitStack) -> str:
    ec2 = clients("ec2")
    group_id = str(
        ec2.create_security_group(
            GroupName=spec.name,
            Description="SSH from the operator, while an image is built or tested",
            TagSpecifications=[_tag_specification("security-group", spec.tags)],
            VpcId=spec.subnet.vpc_id,
        )["GroupId"]
    )
    cleanup.callback(delete_group, clients, group_id, clock)
    ranges = [{"CidrIp": str(cidr)} for cidr in spec.environment.network.operator_cidrs]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}
    once_known(
        lambda: ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[ssh]),
        NO_GROUP,
        clock=clock,
    )
    return group_id


def _launch(clients: Clients, spec: InstanceSpec, group_id: str, clock: Clock) -> str:
    """Launch with only a private address and with IMDSv2; a shutdown terminates the instance."""
    request = {
        "ImageId": spec.ami_id,
        "InstanceType": spec.settings.build_instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": spec.name,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required"},
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": False,
                "Groups": [group_id],
                "SubnetId": spec.subnet.subnet_id,
            }
        ],
        "TagSpecifications": [
            _tag_specification(kind, spec.tags) for kind in ("instance", "volume")
        ],
    }
    answer = once_known(
        lambda: clients("ec2").run_instances(**request), NO_GROUP, NO_KEY_PAIR, clock=clock
    )
    return str(answer["Instances"][0]["InstanceId"])


def _address(clients: Clients, instance_id: str, clock: Clock) -> str:
    """Return the private address; DescribeInstances may not list a new instance at first."""

    def look() -> Seen[str]:
        try:
            answer = clients("ec2").describe_instances(InstanceIds=[instance_id])
        except ClientError as error:
            if error_code(error) != NO_INSTANCE:
                raise
            return Seen(None, "not listed yet")
        instance = answer["Reservations"][0]["Instances"][0]
        return Seen(instance.get("PrivateIpAddress"), instance["State"]["Name"])

    return wait_for(f"the address of {instance_id}", look, clock=clock, seconds=60, every=0.25)


def ssh_answers(address: str) -> Seen[bool]:
    """Return whether an SSH server answers; an open port alone proves nothing."""
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            banner = connection.recv(4)
    except OSError as error:
        return Seen(None, f"{address}: {error}")
    return Seen(True if banner == b"SSH-" else None, f"{address}: {banner!r}")
