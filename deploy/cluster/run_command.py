"""Run a command on an instance through SSM Run Command. Touches AWS."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.waiting import Clock, Seen, wait_for

# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html
UNFINISHED = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})


@dataclass(frozen=True)
class CommandResult:
    """A command's result; a ``status`` other than Success without output: it never ran."""

    status: str
    exit_code: int
    stdout: str
    stderr: str

    @property
    def succeeded(self) -> bool:
        """It ran and exited with 0."""
        return self.status == "Success"


def run_command(
    clients: Clients, instance_id: str, command: str, *, clock: Clock, seconds: float = 60
) -> CommandResult:
    """Run a shell command as root on the instance, and wait for its result.

    Raises PipelineError when SSM does not know the instance, TimedOut when there is no result.
    """
    with translated(f"running a command on {instance_id}"):
        sent = clients("ssm").send_command(
            InstanceIds=[instance_id],
            DocumentName="AWS-RunShellScript",
            Parameters={"commands": [command], "executionTimeout": [str(round(seconds))]},
        )
    command_id = sent["Command"]["CommandId"]
    return wait_for(
        f"{command!r} on {instance_id}",
        lambda: _look(clients, command_id, instance_id),
        clock=clock,
        seconds=seconds + 30,
        every=0.5,
        hint="is the SSM agent running on it?",
    )


def _look(clients: Clients, command_id: str, instance_id: str) -> Seen[CommandResult]:
    with translated(f"reading the command's result on {instance_id}"):
        try:
            found = clients("ssm").get_command_invocation(
                CommandId=command_id, InstanceId=instance_id
            )
        except ClientError as error:
            # The invocation appears a moment after the command.
            if error_code(error) == "InvocationDoesNotExist":
                return Seen(None, "not delivered yet")
            raise
    if found["Status"] in UNFINISHED:
        return Seen(None, str(found["Status"]))
    result = CommandResult(
        status=found["Status"],
        exit_code=int(found["ResponseCode"]),
        stdout=found["StandardOutputContent"],
        stderr=found["StandardErrorContent"],
    )
    return Seen(result, result.status)
