"""What an instance said last: its log while it runs, its console afterwards. Reads AWS."""

import re

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients
from common.errors import PipelineError
from common.waiting import Clock
from deploy.cluster.run_command import run_command
from node.contract import BOOTSTRAP_LOGS, GIVING_UP_MARK, HEAD

LOG = BOOTSTRAP_LOGS[HEAD]
LINES = 12
ROUTINE = re.compile(r"\[ *(OK|\*+) *\] | {9}|M$")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
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
    return _last_lines(ran.stdout) or console_of(clients, instance_id)


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
    return _last_lines(answer.get("Output", ""))


def printable(text: str) -> str:
    """Return text without what moves a terminal's cursor or colours it."""
    return CONTROL.sub("", text)


def _last_lines(text: str) -> str:
    """Return what the node said when it gave itself up, or else the end of the text.

    Left out: systemd's lists of what it starts and stops, which a machine that is ended has many
    of.
    """
    lines = (printable(line).rstrip() for line in text.splitlines())
    said = [line for line in lines if line and not ROUTINE.match(line)]
    begins = [number for number, line in enumerate(said) if GIVING_UP_MARK in line]
    kept = said[begins[-1] :][:LINES] if begins else said[-LINES:]
    return "\n".join(kept)
