"""An instance's last output: its log while it runs, its console afterwards. Reads AWS."""

import re

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients
from common.errors import PipelineError
from common.waiting import Clock
from deploy.cluster.run_command import run_command
from node.contract import BOOTSTRAP_LOGS, GIVING_UP_MARK, HEAD

LOG = BOOTSTRAP_LOGS[HEAD]
LINES = 12
# Lines that say nothing of a failure: systemd's lists of units, and cloud-init's tables and keys
# (cloudinit/config/cc_ssh.py, cc_keys_to_console.py, cloudinit/netinfo.py), among them the picture
# that ssh-keygen draws of each host key.
UNITS = r"\[ *(OK|\*+) *\] | {9}|M$"
BY_CLOUD_INIT = r"(\[ *[\d.]+\] )?(<\d+>\w{3} [ \d]\d [\d:]{8} )?((cloud-init|ec2)(\[\d+\])?: ?)?"
TABLES = r"ci-info: "
KEYS = "|".join(
    (
        r"Generating public/private [\w-]+ key pair\.$|The key fingerprint is:$",
        r"Your (identification|public key) has been saved in ",
        r"The key's randomart image is:$|\+-+\[[\w -]+\]-+\+$|\|.{17}\|$",
        r"#+$|-----(BEGIN|END) SSH HOST KEY (FINGERPRINTS|KEYS)-----$",
        r"(\d+ )?SHA256:\S{43} |(ssh|ecdsa)-\S+ AAAA\S+|$",
    )
)
ROUTINE = re.compile(f"{UNITS}|{BY_CLOUD_INIT}({TABLES}|{KEYS})")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
SECONDS = 20


def bootstrap_log(clients: Clients, instance_id: str, *, clock: Clock) -> str:
    """Return the last lines of a running head's bootstrap log, or of its console."""
    try:
        ran = run_command(
            clients, instance_id, f"tail -n {LINES} {LOG}", clock=clock, seconds=SECONDS
        )
    except PipelineError:
        # The SSM agent does not answer: use the console.
        return console_output(clients, instance_id)
    return _last_lines(ran.stdout) or console_output(clients, instance_id)


def console_output(clients: Clients, instance_id: str) -> str:
    """Return the last lines of an instance's console; empty when they cannot be read.

    Asked for the latest first, which types on Nitro have: what EC2 has otherwise was posted shortly
    after the last start, stop or termination, and may end before the failure. AWS keeps it for an
    hour after termination, so it outlives a head that gave up.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
    """
    for latest in (True, False):
        try:
            answer = clients("ec2").get_console_output(InstanceId=instance_id, Latest=latest)
        except (ClientError, BotoCoreError):
            continue  # the output is only extra detail: the failure is reported without it
        if said := _last_lines(answer.get("Output", "")):
            return said
    return ""


def printable(text: str) -> str:
    """Return text without terminal control sequences."""
    return CONTROL.sub("", text)


def _last_lines(text: str) -> str:
    """Return what the node logged when it gave up, or else the end of the text.

    Without systemd's lists of the units that it starts and stops, of which a shutdown has many, and
    without what cloud-init prints of keys and networks at every boot.
    """
    lines = (printable(line).rstrip() for line in text.splitlines())
    kept = [line for line in lines if line and not ROUTINE.match(line)]
    begins = [number for number, line in enumerate(kept) if GIVING_UP_MARK in line]
    return "\n".join(kept[begins[-1] :][:LINES] if begins else kept[-LINES:])
