"""One instance for a while: booted from an image, reached by SSH, and gone afterwards.

Like Packer's build machines it has a key pair and a security group of its own, and no profile and
no user data: an image must stand by itself. Changes AWS (EC2).
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
from common.environment import Environment
from common.errors import Refused
from common.waiting import Clock, Seen, wait_for

TERMINATION_SECONDS = 600


@dataclass(frozen=True)
class Reach:
    """How to get onto an instance."""

    instance_id: str
    address: str
    username: str
    key_file: Path


@contextmanager
def fresh_instance(
    clients: Clients,
    environment: Environment,
    subnet: Subnet,
    ami_id: str,
    *,
    name: str,
    owner: Owner,
    folder: Path,
    clock: Clock,
    cancelled: Callable[[], bool],
    progress: Callable[[str], None],
) -> Iterator[Reach]:
    """Boot ``ami_id`` and yield how to reach it once SSH answers.

    Instance, key pair and security group are removed whatever happens. Raises PipelineError when
    it does not boot.
    """
    tags = {**environment.tags, TAG: str(owner), "Name": name}
    with ExitStack() as cleanup, translated(f"booting {ami_id}"):
        key_file = _make_key(clients, name, tags, folder, cleanup)
        group_id = _make_group(clients, environment, subnet, name, tags, clock, cleanup)
        instance_id = _launch(clients, environment, subnet, ami_id, name, group_id, tags)
        cleanup.callback(terminate, clients, (instance_id,), clock)
        address = _address(clients, instance_id, clock)
        reach = Reach(instance_id, address, environment.image.ssh_username, key_file)

        def look() -> Seen[bool]:
            if cancelled():
                raise Refused("cancelled")
            return ssh_answers(address)

        wait_for(
            f"SSH on {instance_id} ({ami_id})",
            look,
            clock=clock,
            seconds=environment.limits.boot_seconds,
            every=0.25,
            hint="its console: aws ec2 get-console-output, while the instance is there",
            progress=progress,
        )
        yield reach


def terminate(clients: Clients, instance_ids: tuple[str, ...], clock: Clock) -> None:
    """End instances and wait until they are gone, so that their groups can be removed."""
    if not instance_ids:
        return
    ec2 = clients("ec2")
    ec2.terminate_instances(InstanceIds=list(instance_ids))

    def look() -> Seen[bool]:
        states = _states(ec2.describe_instances(InstanceIds=list(instance_ids)))
        return Seen(True if states == {"terminated"} else None, ", ".join(sorted(states)))

    wait_for(
        f"the end of {', '.join(instance_ids)}",
        look,
        clock=clock,
        seconds=TERMINATION_SECONDS,
        every=0.5,
        hint="look at them in the EC2 console; the next bake tries again",
    )


def delete_group(clients: Clients, group_id: str, clock: Clock) -> None:
    """Delete a security group; one that is gone is fine.

    Its last instance's interface may hold it for a while after the instance is terminated.
    """

    def look() -> Seen[bool]:
        try:
            clients("ec2").delete_security_group(GroupId=group_id)
        except ClientError as error:
            if error_code(error) == "DependencyViolation":
                return Seen(None, "still in use")
            if error_code(error) != "InvalidGroup.NotFound":
                raise
        return Seen(True, "deleted")

    wait_for(
        f"the removal of {group_id}", look, clock=clock, seconds=TERMINATION_SECONDS, every=1.0
    )


def _states(answer: dict[str, list[dict[str, list[dict[str, dict[str, str]]]]]]) -> set[str]:
    return {
        instance["State"]["Name"]
        for reservation in answer["Reservations"]
        for instance in reservation["Instances"]
    }


def _specification(kind: str, tags: dict[str, str]) -> dict[str, object]:
    return {
        "ResourceType": kind,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _make_key(
    clients: Clients, name: str, tags: dict[str, str], folder: Path, cleanup: ExitStack
) -> Path:
    ec2 = clients("ec2")
    answer = ec2.create_key_pair(
        KeyName=name, KeyType="ed25519", TagSpecifications=[_specification("key-pair", tags)]
    )
    cleanup.callback(ec2.delete_key_pair, KeyName=name)
    key_file = folder / "key"
    cleanup.callback(key_file.unlink, missing_ok=True)
    key_file.touch(mode=0o600)
    key_file.write_text(answer["KeyMaterial"])
    return key_file


def _make_group(
    clients: Clients,
    environment: Environment,
    subnet: Subnet,
    name: str,
    tags: dict[str, str],
    clock: Clock,
    cleanup: ExitStack,
) -> str:
    ec2 = clients("ec2")
    group_id = str(
        ec2.create_security_group(
            GroupName=name,
            Description="SSH from the operator, while an image is tested",
            TagSpecifications=[_specification("security-group", tags)],
            VpcId=subnet.vpc_id,
        )["GroupId"]
    )
    cleanup.callback(delete_group, clients, group_id, clock)
    ranges = [{"CidrIp": str(cidr)} for cidr in environment.network.operator_cidrs]
    ec2.authorize_security_group_ingress(
        GroupId=group_id,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}],
    )
    return group_id


def _launch(
    clients: Clients,
    environment: Environment,
    subnet: Subnet,
    ami_id: str,
    name: str,
    group_id: str,
    tags: dict[str, str],
) -> str:
    """Launch with a private address alone and IMDSv2; powering off ends the instance."""
    answer = clients("ec2").run_instances(
        ImageId=ami_id,
        InstanceType=environment.image.build_instance_type,
        MinCount=1,
        MaxCount=1,
        KeyName=name,
        InstanceInitiatedShutdownBehavior="terminate",
        MetadataOptions={"HttpTokens": "required"},
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": False,
                "Groups": [group_id],
                "SubnetId": subnet.subnet_id,
            }
        ],
        TagSpecifications=[_specification(kind, tags) for kind in ("instance", "volume")],
    )
    return str(answer["Instances"][0]["InstanceId"])


def _address(clients: Clients, instance_id: str, clock: Clock) -> str:
    """Return the private address; DescribeInstances may not know a new instance for a moment."""

    def look() -> Seen[str]:
        try:
            answer = clients("ec2").describe_instances(InstanceIds=[instance_id])
        except ClientError as error:
            if error_code(error) != "InvalidInstanceID.NotFound":
                raise
            return Seen(None, "not yet known")
        instance = answer["Reservations"][0]["Instances"][0]
        return Seen(instance.get("PrivateIpAddress"), instance["State"]["Name"])

    return wait_for(f"the address of {instance_id}", look, clock=clock, seconds=60, every=0.25)


def ssh_answers(address: str) -> Seen[bool]:
    """Say whether an SSH server answers there; a port that is open proves nothing."""
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            banner = connection.recv(4)
    except OSError as error:
        return Seen(None, f"{address}: {error}")
    return Seen(True if banner == b"SSH-" else None, f"{address}: {banner!r}")
