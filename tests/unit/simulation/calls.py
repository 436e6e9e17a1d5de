"""A call to AWS, and what makes it the same as another."""

import re
import sys
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from botocore.awsrequest import AWSPreparedRequest

MESSAGE = "as the test wants it"
LOCK = "#deploy"  # the key of a deployer's lock ends in it
ACTS = ("drain-node", "systemctl")  # in a command that is run on a head
# What decides nothing: a UUID, a process id, and messages about a fault.
_CHANCE = re.compile(rb"\b[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\b|process \d+")
_TOLD = re.compile(rb"as.the.test.wants.it|Read.timeout.on.endpoint")
_VERDICT = re.compile(rb'"verdict": "([^"]+)"')
_TEXT = re.compile(rb'[^"&]+')  # of a string in JSON, or of a parameter


@dataclass(frozen=True)
class Call:
    """One call as deploy makes it, in a step of its plan; botocore may send it several times.

    ``place`` has every line of deploy/ that is waiting for it, the innermost first.
    """

    number: int
    step: str
    service: str
    operation: str
    arguments: dict[str, Any]
    place: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The call as AWS's documentation has it."""
        return f"{self.service}:{self.operation}"

    @property
    def words(self) -> str:
        """Say where in the story it is."""
        return f"{self.number} {self.name} ({self.step or 'before the first step'})"

    @property
    def only_reads(self) -> bool:
        """True when it changes nothing, as most commands that are run on a head."""
        if self.operation == "SendCommand":
            return not any(word in str(self.arguments["Parameters"]) for word in ACTS)
        return self.operation.startswith(("Describe", "Get", "Head", "List"))

    @property
    def of_lock(self) -> bool:
        """True when it is about the deploy lock."""
        key = self.arguments.get("Key") or self.arguments.get("Item")
        return self.service == "dynamodb" and LOCK in str(key)

    @property
    def keeps_lock(self) -> bool:
        """True for a renewal of the deploy lock, every few seconds."""
        return self.of_lock and self.operation == "UpdateItem"

    @property
    def of_journal(self) -> bool:
        """True when it writes the journal of a rollout."""
        return self.operation == "PutObject" and "/rollouts/" in self.arguments["Key"]

    @property
    def only_tells(self) -> bool:
        """True when it tells people something, which changes nothing else."""
        return self.operation == "Publish"

    @property
    def ends_something(self) -> bool:
        """True when it terminates or deletes something, or has it terminated."""
        match self.operation:
            case "TerminateInstanceInAutoScalingGroup" | "TerminateInstances":
                return True
            case "DeleteAutoScalingGroup" | "DeleteStack":
                return True
            case "UpdateAutoScalingGroup":
                return self.arguments.get("DesiredCapacity") == 0
            case "SendCommand":
                return "drain-node" in str(self.arguments["Parameters"])
            case "UpdateItem":
                return "SET successor" in str(self.arguments["UpdateExpression"])
        return False


@dataclass(frozen=True)
class Change:
    """A request that reached AWS and was no read: when, in seconds, and its ``fingerprint``.

    ``verdict`` is what a journal that it writes says of the rollout.
    """

    at: float
    call: Call
    request: str
    verdict: str = ""


def change(at: float, call: Call, request: AWSPreparedRequest) -> Change:
    """Return what a request changes."""
    found = _VERDICT.search(_body(request)) if call.of_journal else None
    return Change(at, call, fingerprint(request), found[1].decode() if found else "")


NO_CALL = Call(0, "", "", "", {})


def place() -> tuple[str, ...]:
    """Return where in deploy/ the running call comes from: see Call."""
    lines, frame = [], sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        module = frame.f_globals["__name__"]
        if module.startswith("deploy."):
            lines.append(f"{module}:{frame.f_lineno}")
    return tuple(lines)


def fingerprint(request: AWSPreparedRequest) -> str:
    """Return what tells a request from every other that asks for something else."""
    sent = _CHANCE.sub(b"", f"{request.url}\n".encode() + _body(request))
    return sha256(b"&".join(t for t in _TEXT.findall(sent) if not _TOLD.search(t))).hexdigest()


def _body(request: AWSPreparedRequest) -> bytes:
    body = request.body
    if hasattr(body, "read"):
        content = bytes(body.read())
        body.seek(0)
        return content
    return body.encode() if isinstance(body, str) else body or b""
