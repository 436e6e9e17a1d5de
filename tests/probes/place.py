"""Where a probe asks: clients, a name of its own, and what it must remove again."""

import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from botocore.exceptions import ClientError

from common.clients import Clients, error_code
from common.errors import Interrupted, Refused
from common.waiting import Clock, Seen, wait_for

T = TypeVar("T")
RUN_TAG = "raykiln:probe"
SECONDS = 600.0  # as long as anything here may take
INSTANCE_TYPE = "t3.nano"


@dataclass
class Place:
    """An account and region, in which everything of one probe has the name ``name`` and its tag.

    Leaving the context removes what was made, the last first, whatever happened; what cannot be
    removed is named in ``left``. ``notes`` are figures that no assumption is about. Once
    ``is_interrupted``, the next wait raises Interrupted, except while what was made is removed.
    """

    clients: Clients
    clock: Clock
    name: str
    image_id: str
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_interrupted: Callable[[], bool] = lambda: False
    _undo: ExitStack = field(default_factory=ExitStack)
    _leaves: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leaves = True
        self._undo.close()

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags of everything that can have some."""
        return [{"Key": "Name", "Value": self.name}, {"Key": RUN_TAG, "Value": self.name}]

    def tagged(self, *kinds: str) -> list[dict[str, Any]]:
        """Return EC2's TagSpecifications for these kinds of resources."""
        return [{"ResourceType": kind, "Tags": self.tags} for kind in kinds]

    def afterwards(
        self,
        what: str,
        remove: Callable[[], object],
        *,
        gone: Callable[[], Seen[bool]] | None = None,
    ) -> None:
        """Have ``remove`` called at the end, and wait until it is ``gone``, where that is asked.

        ``what`` is left where AWS refuses its removal to the last.
        """

        def undo() -> None:
            def removed() -> Seen[bool]:
                code = answer_to(remove)
                is_so = code == "done" or "NotFound" in code or "NoSuch" in code
                return Seen(True if is_so else None, code)

            try:
                self.until(f"the removal of {what}", removed, every=5.0)
                if gone:
                    self.until(f"the end of {what}", gone)
            except Exception as error:  # the rest must go all the same
                self.left.append(f"{what}: {error}")

        self._undo.callback(undo)

    def until(self, what: str, look: Callable[[], Seen[T]], *, every: float = 1.0) -> T:
        """Wait for what ``look`` sees; raises TimedOut after ten minutes, and Interrupted."""

        def uninterrupted() -> Seen[T]:
            if self.is_interrupted() and not self._leaves:
                raise Interrupted(f"interrupted while it waited for {what}")
            return look()

        return wait_for(what, uninterrupted, clock=self.clock, seconds=SECONDS, every=every)

    def template(self, **data: Any) -> str:
        """Create a launch template of the smallest instance type, and return its id."""
        ec2 = self.clients("ec2")
        made = ec2.create_launch_template(
            LaunchTemplateName=self.name,
            LaunchTemplateData={"ImageId": self.image_id, "InstanceType": INSTANCE_TYPE} | data,
            TagSpecifications=self.tagged("launch-template"),
        )["LaunchTemplate"]["LaunchTemplateId"]
        self.afterwards(
            f"launch template {made}", lambda: ec2.delete_launch_template(LaunchTemplateId=made)
        )
        return str(made)

    def default_subnet(self) -> dict[str, Any]:
        """Return a default subnet, which is public; raises Refused where there is none."""
        default = [{"Name": "default-for-az", "Values": ["true"]}]
        found = self.clients("ec2").describe_subnets(Filters=default)["Subnets"]
        if not found:
            raise Refused(
                "the region has no default subnet, in which this probe makes what it asks with",
                hint="aws ec2 create-default-vpc, or create-default-subnet, in that region",
            )
        return dict(found[0])

    def security_group(self, name: str, vpc_id: str) -> str:
        """Create a security group, and return its id."""
        ec2 = self.clients("ec2")
        made = ec2.create_security_group(
            GroupName=f"{self.name}-{name}",
            Description="probe",
            VpcId=vpc_id,
            TagSpecifications=self.tagged("security-group"),
        )["GroupId"]
        self.afterwards(f"security group {made}", lambda: ec2.delete_security_group(GroupId=made))
        return str(made)

    def launch(self, **more: Any) -> str:
        """Launch an instance of the smallest type, which is terminated at the end; return its id.

        ``more`` comes in place of RunInstances' parameters, or beside them.
        """
        wanted = {
            **{"ImageId": self.image_id, "InstanceType": INSTANCE_TYPE},
            **{"MinCount": 1, "MaxCount": 1, "TagSpecifications": self.tagged("instance")},
        }
        made = self.clients("ec2").run_instances(**wanted | more)["Instances"][0]["InstanceId"]
        self.ends(made)
        return str(made)

    def launch_public(self, port: int) -> str:
        """Launch an instance with a port open to all, and return its id once it answers there."""
        ec2, subnet = self.clients("ec2"), self.default_subnet()
        group = self.security_group("public", subnet["VpcId"])
        ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
        )
        instance = self.launch(SubnetId=subnet["SubnetId"], SecurityGroupIds=[group])

        def look() -> Seen[bool]:
            found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
            address = str(found[0].get("PublicIpAddress", ""))
            answers = bool(address) and self.hears(address, port)
            return Seen(answers or None, f"{address or 'no address'} is silent")

        self.until(f"an answer of {instance}", look)
        return instance

    def hears(self, host: str, port: int) -> bool:
        """Say whether a server at a name or an address says something within two seconds."""
        with suppress(OSError), socket.create_connection((host, port), timeout=2.0) as connection:
            return connection.recv(1) != b""
        return False

    def ends(self, instance_id: str) -> None:
        """Have an instance terminated at the end, and its end waited for."""
        ec2 = self.clients("ec2")

        def ended() -> Seen[bool]:
            found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
            state = found[0]["Instances"][0]["State"]["Name"] if found else "terminated"
            return Seen(state == "terminated" or None, state)

        self.afterwards(
            f"instance {instance_id}",
            lambda: ec2.terminate_instances(InstanceIds=[instance_id]),
            gone=ended,
        )


def answer_to(call: Callable[[], object]) -> str:
    """Return the code with which AWS refuses a call, or ``done``."""
    try:
        call()
    except ClientError as error:
        return error_code(error)
    return "done"
