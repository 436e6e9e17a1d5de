"""GetConsoleOutput returns what the machine wrote, also after it was terminated.

Follows https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html (the last
64 KB, base64) and "Instance console output" in the EC2 user guide. moto returns a fixed text.
"""

from base64 import b64encode
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.responses.general import General

from localcloud.world import World, current


def get_console_output(self: Any) -> ActionResult:
    """Answer with the console of the machine behind the instance."""
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    output = b64encode(current().driver.console(instance.id).encode()).decode()
    return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})


def install() -> None:
    """Put this action in place of moto's."""
    General.get_console_output = get_console_output


def attach(world: World) -> None:
    """Nothing happens here by itself."""
