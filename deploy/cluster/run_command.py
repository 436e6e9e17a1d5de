"""Run a command on an instance through SSM Run Command. Touches AWS."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.errors import PipelineError, TimedOut
from common.waiting import Clock, Seen, wait_for

# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html
UNFINISHED = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
# The least that SendCommand takes as TimeoutSeconds: a command that has not begun after this and
# the time for its execution never will; by default, it may begin for an hour.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html
DELIVERY_SECONDS = 30


@dataclass(frozen=True)
class CommandResult:
    """A command's result; without ``stdout`` where it timed out, or never ran."""

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

    Raises PipelineError when SSM does not know the instance, TimedOut when there is no result; the
    command is cancelled then, so that it does not run later.
    """
    with translated(f"running a command on {instance_id}"):
        sent = clients("ssm").send_command(
            InstanceIds=[instance_id],
            DocumentName="AWS-RunShellScript",
            TimeoutSeconds=DELIVERY_SECONDS,
            Parameters={"commands": [command], "executionTimeout": [str(round(seconds))]},
        )
    command_id = sent["Command"]["CommandId"]
    try:
        return wait_for(
            f"{command!r} on {instance_id}",
            lambda: _look(clients, command_id, instance_id),
            clock=clock,
            seconds=seconds + DELIVERY_SECONDS,
            every=0.5,
            hint="is the SSM agent running on it?",
        )
    except TimedOut as error:
        raise TimedOut(
            f"{error.message}; {_cancelled(clients, command_id)}", hint=error.hint
        ) from error


def _cancelled(clients: Clients, command_id: str) -> str:
    """Cancel a command, and say so, or that it may still run: AWS does not promise to stop it.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CancelCommand.html
    """
    try:
        with translated(f"cancelling {command_id}"):
            clients("ssm").cancel_command(CommandId=command_id)
    except PipelineError as error:
        return f"it may still run: {error.message}"
    return "it was cancelled"


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
