"""What an instance said last: its log while it runs, its console afterwards. Reads AWS."""

from botocore.exceptions import BotoCoreError, ClientError

from deploy.clients import Clients
from deploy.errors import PipelineError
from deploy.run_command import run_command
from deploy.waiting import Clock

LOG = "/var/log/ray-head-bootstrap.log"
LINES = 12
SECONDS = 20


def log_of(clients: Clients, instance_id: str, *, clock: Clock) -> str:
    """Return the last lines of a running head's bootstrap log, or else of its console."""
    try:
        ran = run_command(
            clients, instance_id, f"tail -n {LINES} {LOG}", clock=clock, seconds=SECONDS
        )
    except PipelineError:
        # Without an SSM agent that answers there is the console.
        return console_of(clients, instance_id)
    return ran.stdout.strip() or console_of(clients, instance_id)


def console_of(clients: Clients, instance_id: str) -> str:
    """Return the last lines of an instance's console, or nothing when there are none to be had.

    AWS keeps them for an hour after the instance has gone, so they outlive a head that gave up.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-console.html
    """
    try:
        answer = clients("ec2").get_console_output(InstanceId=instance_id)
    except (ClientError, BotoCoreError):
        # The reason is a courtesy: the failure itself is told without it.
        return ""
    lines = [line.rstrip() for line in answer.get("Output", "").splitlines() if line.strip()]
    return "\n".join(lines[-LINES:])
