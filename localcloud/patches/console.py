"""GetConsoleOutput returns what the machine wrote, also after it was terminated.

Follows https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html: the last
64 KB, base64; without ``Latest``, what was posted "shortly after an instance transition state
(start, stop, reboot, or terminate)", here what there was when the instance ran, or ended; with it,
what there is now, on types of the Nitro hypervisor. The refusal of other types is in the words that
github.com/aws/aws-k8s-tester matches. moto returns a fixed text.
"""

from base64 import b64encode
from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses.general import General

from localcloud.account import ec2_backends_in_use
from localcloud.world import World, current

XEN = "xen"


def get_console_output(self: Any) -> ActionResult:
    """Answer with the console of the machine behind the instance."""
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    latest = self._get_bool_param("Latest", False)
    if latest and INSTANCE_TYPES[instance.instance_type].get("Hypervisor") == XEN:
        raise EC2ClientError(
            "UnsupportedOperation",
            "This instance type does not support retrieving the latest console logs.",
        )
    said = current().driver.console(instance.id) if latest else _posted(instance)
    output = b64encode(said.encode()).decode()
    return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})


def _posted(instance: Any) -> str:
    if instance.state in ("pending", "running"):
        return getattr(instance, "console_when_started", "")
    return current().driver.console(instance.id)


def post(now: float) -> None:
    """Keep what each instance that has come to run has written so far."""
    for backend in ec2_backends_in_use():
        for instance in backend.all_instances():
            if instance.state != "running":
                vars(instance).pop("console_when_started", None)
            elif not hasattr(instance, "console_when_started"):
                instance.console_when_started = current().driver.console(instance.id)


@cache
def install() -> None:
    """Put this action in place of moto's."""
    General.get_console_output = get_console_output


def attach(world: World) -> None:
    """Post what machines wrote."""
    world.reconcilers.append(post)
