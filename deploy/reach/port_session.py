"""A port of an instance or task, or of a host that it reaches, as one of this machine. Touches AWS.

Session Manager starts the session, and AWS's session-manager-plugin carries its data.
"""

import queue
import re
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients, error_code, translated
from deploy.reach.plugin import NotReached, find_plugin, plugin_call

# https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-
# sessions-start.html#sessions-start-port-forwarding
TO_INSTANCE = "AWS-StartPortForwardingSession"
TO_HOST = "AWS-StartPortForwardingSessionToRemoteHost"
# As the plugin says it (portsession/muxportforwarding.go).
OPENED = re.compile(r"Port (\d+) opened for sessionId")
OPEN_SECONDS = 30.0
END_SECONDS = 5.0
HINT = "is the SSM agent running on it? `aws ssm describe-instance-information` lists those that do"
# Without that permission the plugin says nothing, and stays: github.com/aws/session-manager-plugin,
# release 1.2.889.0 reported it, and 1.2.896.0 does not any more.
NOT_OPEN_HINT = (
    "may you do ssmmessages:OpenDataChannel? `invoke account.setup` gives it; else see whether the "
    "instance reaches ssmmessages"
)


@dataclass(frozen=True)
class PortSession:
    """An open session; ``port`` is that of this machine, on localhost."""

    clients: Clients
    id: str
    target: str
    port: int
    process: "subprocess.Popen[str]"

    @property
    def is_open(self) -> bool:
        """The plugin runs; it exits when the session has ended."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the session, and its process."""
        with suppress(ClientError, BotoCoreError):  # it ends by itself when it is idle
            self.clients("ssm").terminate_session(SessionId=self.id)
        _end(self.process)


def open_session(clients: Clients, target: str, port: int, host: str = "") -> PortSession:
    """Open a session to a port of the target, or of a ``host`` that the target reaches.

    The target is an instance's id, or ``ecs:CLUSTER_TASK_RUNTIME`` for a container of a task.
    Raises NotReached without the plugin, when the target's agent is not connected or the session
    does not open; Unanswered when AWS refuses.
    """
    plugin = find_plugin()
    parameters = {"portNumber": [str(port)]} | ({"host": [host]} if host else {})
    request = {
        "Target": target,
        "DocumentName": TO_HOST if host else TO_INSTANCE,
        "Parameters": parameters,
        "Reason": "raykiln",
    }
    with translated(f"starting a session with {target}"):
        try:
            started = clients("ssm").start_session(**request)
        except ClientError as error:
            if error_code(error) != "TargetNotConnected":
                raise
            words = f"{target} is not connected to Systems Manager"
            raise NotReached(words, hint=HINT) from error
    session = {key: started[key] for key in ("SessionId", "TokenValue", "StreamUrl")}
    call = plugin_call(clients, plugin, request, session)
    process = subprocess.Popen(
        call.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=call.environment,
        start_new_session=True,  # Ctrl-C is for us alone
    )
    opened = PortSession(clients, started["SessionId"], target, 0, process)
    try:
        local = _opened_port(process)
    except BaseException:
        opened.close()
        raise
    return PortSession(clients, opened.id, target, local, process)


def _opened_port(process: "subprocess.Popen[str]") -> int:
    """Return the port that the plugin opens; raises NotReached when it opens none in time."""
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    deadline, said = time.monotonic() + OPEN_SECONDS, ""
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            line = None
        if line is None:
            words = said.strip().splitlines()
            last = words[-1] if words else "it said nothing"
            raise NotReached(f"the session did not open: {last}", hint=NOT_OPEN_HINT)
        said += line
        if found := OPENED.search(line):
            return int(found[1])


def _read(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    """Read all that the plugin says, so that it never waits for a reader."""
    for line in process.stdout or ():
        lines.put(line)
    lines.put(None)


def _end(process: "subprocess.Popen[str]") -> None:
    """End the plugin as Ctrl-C does, or by force."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
