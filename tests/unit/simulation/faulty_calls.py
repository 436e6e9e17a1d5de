"""Calls to AWS that go wrong, as botocore sees them.

Every fault happens where botocore sends, so that its own retries see it as they see AWS. Time
passes as it would: an answer that does not come costs the client's time-out.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, cast
from unittest.mock import patch

import botocore.endpoint
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from common.clients import CONFIG, Clients
from common.waiting import Clock
from tests.unit.simulation.calls import MESSAGE, NO_CALL, Call, Change, change, place

FAULTS = ("killed", "killed after", "throttled", "denied", "failing", "timed out", "sent twice")
SERVICES = (
    "autoscaling",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "elbv2",
    "s3",
    "secretsmanager",
    "service-quotas",
    "sns",
    "ssm",
    "sts",
)
# What AWS answers, by protocol: code and HTTP status. S3 and EC2 have their own codes.
ANSWERS = {
    "throttled": {
        "ec2": ("RequestLimitExceeded", 503),
        "rest-xml": ("SlowDown", 503),
        "query": ("Throttling", 400),
        "json": ("ThrottlingException", 400),
    },
    "denied": {
        "ec2": ("UnauthorizedOperation", 403),
        "rest-xml": ("AccessDenied", 403),
        "query": ("AccessDenied", 403),
        "json": ("AccessDeniedException", 400),
    },
    "failing": {
        "ec2": ("InternalError", 500),
        "rest-xml": ("InternalError", 500),
        "query": ("InternalFailure", 500),
        "json": ("InternalServerError", 500),
    },
}
Responses = list[tuple[Any, Any]]


class Killed(BaseException):
    """The deployer is dead, in this copy of the process."""


@dataclass
class Fault:
    """A fault of one call, each time it is sent. A missing permission stays missing."""

    name: str
    call: Call
    clock: Clock
    sent: int = 0

    def befalls(self, call: Call) -> bool:
        """It is this call's."""
        if self.name != "denied":
            return call is self.call
        # S3 and DynamoDB grant by key.
        same_key = call.arguments.get("Key") == self.call.arguments.get("Key")
        return call.name == self.call.name and same_key

    def send(self, protocol: str, method: str, send: Callable[[], Responses]) -> Responses:
        """Send the call, or do not."""
        self.sent += 1
        if self.name == "killed":
            raise Killed
        if self.name in ANSWERS:
            return [(None, _answer(*ANSWERS[self.name][protocol], protocol, method))]
        if self.sent == 1 or self.name == "sent twice":
            responses = send()
        if self.name == "killed after":
            raise Killed
        if self.sent == 1 or self.name == "timed out":
            self.clock.sleep(CONFIG.read_timeout)
            raise ReadTimeoutError(endpoint_url=self.call.service)
        return responses


class _Raw(io.BytesIO):
    """A body as urllib3 hands it to botocore."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def _answer(code: str, status: int, protocol: str, method: str) -> AWSResponse:
    """Return AWS's answer that says no, as the protocol has it."""
    words = f"<Code>{code}</Code><Message>{MESSAGE}</Message>"
    bodies = {
        "ec2": f"<Response><Errors><Error>{words}</Error></Errors></Response>",
        "query": f"<ErrorResponse><Error><Type>Sender</Type>{words}</Error></ErrorResponse>",
        "rest-xml": f"<Error>{words}</Error>",
        "json": json.dumps({"__type": code, "message": MESSAGE}),
    }
    body = "" if method == "HEAD" else bodies[protocol]
    return AWSResponse("", status, {}, _Raw(body.encode()))


class _Emitter:
    """A botocore emitter that has ``wire`` send."""

    def __init__(self, emitter: Any, wire: "Wire", protocol: str) -> None:
        self._emitter, self._wire, self._protocol = emitter, wire, protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._emitter, name)

    def emit(self, event_name: str, **arguments: Any) -> Responses:
        def emit() -> Responses:
            return cast(Responses, self._emitter.emit(event_name, **arguments))

        def send() -> Responses:
            self._wire.note(request)
            return emit()

        if not event_name.startswith("before-send."):
            return emit()
        request = arguments["request"]
        return self._wire.send(self._protocol, request.method, send)


class Watching(Protocol):
    """Who sees the calls that are not at fault; ``title`` is that of the step under way."""

    title: str

    def sends(self, call: Call, *, faulty: bool) -> None:
        """A call is about to be sent; ``faulty``: there has been a fault."""


class Wire:
    """Between the deployer's clients and AWS: sees every call, and has one fault at most.

    ``changes`` has every request that reached AWS and was no read; ``answered`` is told the rest.
    """

    def __init__(self, clock: Clock, watch: Watching) -> None:
        self._clock, self._watch = clock, watch
        self.calls = 0
        self.call = NO_CALL
        self.changes: list[Change] = []
        self.answered: Callable[[Call, dict[str, Any]], None] = lambda call, answer: None
        self.fault: Fault | None = None
        # Asked once a call, before it is sent for the first time; None once there is a fault.
        self.fault_for: Callable[[Call], Fault | None] = lambda call: None
        self._asked = 0

    @contextmanager
    def installed(self, clients: Clients) -> Iterator[None]:
        """Send everything over this wire; botocore's pauses are simulated time, too."""
        with ExitStack() as stack:
            for service in SERVICES:
                stack.enter_context(self.between(clients(service)))
            stack.enter_context(self.pausing())
            yield

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Have botocore's pauses between two attempts take simulated time."""
        pauses = SimpleNamespace(sleep=self._clock.sleep)
        with patch.object(botocore.endpoint, "time", pauses):
            yield

    @contextmanager
    def between(self, client: Any) -> Iterator[None]:
        """Send everything of one client over this wire."""
        events, endpoint = client.meta.events, client._endpoint
        before, protocol = endpoint._event_emitter, client.meta.service_model.resolved_protocol
        events.register_first("before-parameter-build", self._begin)
        events.register("after-call", self._end)
        endpoint._event_emitter = _Emitter(before, self, protocol)
        try:
            yield
        finally:
            events.unregister("before-parameter-build", self._begin)
            events.unregister("after-call", self._end)
            endpoint._event_emitter = before

    def _begin(self, params: dict[str, Any], model: Any, **_: object) -> None:
        self.calls += 1
        service = model.service_model.service_name
        title, arguments = self._watch.title, dict(params)
        self.call = Call(self.calls, title, service, model.name, arguments, place())

    def _end(self, parsed: dict[str, Any], **_: object) -> None:
        self.answered(self.call, parsed)

    def note(self, request: AWSPreparedRequest) -> None:
        """A request reaches AWS."""
        if not self.call.only_reads:
            self.changes.append(change(self._clock.now(), self.call, request))

    def send(self, protocol: str, method: str, send: Callable[[], Responses]) -> Responses:
        """Send a request, or have the fault happen."""
        call = self.call
        if self.fault is None and self._asked != call.number:
            self._asked = call.number
            self.fault = self.fault_for(call)
        if self.fault and self.fault.befalls(call):
            return self.fault.send(protocol, method, send)
        self._watch.sends(call, faulty=self.fault is not None)
        return send()
