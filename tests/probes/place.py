"""Where a probe asks: clients, a name of its own, and what it must remove again."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from botocore.exceptions import ClientError

from common.clients import Clients, error_code
from common.waiting import Clock, Seen, wait_for

T = TypeVar("T")
RUN_TAG = "raykiln:probe"
SECONDS = 600.0  # as long as anything here may take
INSTANCE_TYPE = "t3.nano"


@dataclass
class Place:
    """An account and region, in which everything of one probe has the name ``name`` and its tag.

    Leaving the context removes what was made, the last first, whatever happened; what cannot be
    removed is named in ``left``.
    """

    clients: Clients
    clock: Clock
    name: str
    image_id: str
    left: list[str] = field(default_factory=list)
    _undo: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.close()

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags of everything that can have some."""
        return [{"Key": "Name", "Value": self.name}, {"Key": RUN_TAG, "Value": self.name}]

    def tagged(self, *kinds: str) -> list[dict[str, Any]]:
        """Return EC2's TagSpecifications for these kinds of resources."""
        return [{"ResourceType": kind, "Tags": self.tags} for kind in kinds]

    def afterwards(self, what: str, remove: Callable[[], object]) -> None:
        """Have ``remove`` called at the end; ``what`` is left where AWS refuses it to the last."""

        def undo() -> None:
            def gone() -> Seen[bool]:
                code = answer_to(remove)
                is_gone = code == "done" or "NotFound" in code or "NoSuch" in code
                return Seen(True if is_gone else None, code)

            try:
                self.until(f"the removal of {what}", gone, every=5.0)
            except Exception as error:  # the rest must go all the same
                self.left.append(f"{what}: {error}")

        self._undo.callback(undo)

    def until(self, what: str, look: Callable[[], Seen[T]], *, every: float = 1.0) -> T:
        """Wait for what ``look`` sees; raises TimedOut after ten minutes."""
        return wait_for(what, look, clock=self.clock, seconds=SECONDS, every=every)

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

    def ends(self, instance_id: str) -> None:
        """Have an instance terminated at the end, and its end waited for."""
        ec2 = self.clients("ec2")

        def terminate() -> None:
            ec2.terminate_instances(InstanceIds=[instance_id])
            self.until(f"the end of {instance_id}", ended)

        def ended() -> Seen[bool]:
            found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
            state = found[0]["Instances"][0]["State"]["Name"] if found else "terminated"
            return Seen(state == "terminated" or None, state)

        self.afterwards(f"instance {instance_id}", terminate)


def answer_to(call: Callable[[], object]) -> str:
    """Return the code with which AWS refuses a call, or ``done``."""
    try:
        call()
    except ClientError as error:
        return error_code(error)
    return "done"
