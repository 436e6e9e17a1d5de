"""The queue of asynchronous invocations: run, retried, dropped, on the world's clock.

Follows "How Lambda handles errors and retries with asynchronous invocation"
(docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html): a function error is
retried twice, after one and after two minutes; a throttled event waits from one second up to five
minutes, and for six hours in all. Reserved concurrency is the most that run at once
(configuration-concurrency.html); where it is 0, events are dropped (monitoring-metrics-types.html,
AsyncEventsDropped, and the metrics of invocations, which a function's alarms watch). What is
dropped goes to the function's dead letters (``dead_letters``).
"""

import uuid
from dataclasses import dataclass, field
from typing import Any

from moto.awslambda.models import lambda_backends

from localcloud.account import REGION
from localcloud.driver import Work
from localcloud.patches.awslambda import dead_letters, logs
from localcloud.patches.iam import may_assume, role_credentials
from localcloud.patches.internal import call
from localcloud.world import World

SERVICE = "lambda.amazonaws.com"
RETRIES = (60.0, 120.0)
UNRESERVED = 1000  # an account's, by default
LONGEST_WAIT = 300.0
LONGEST_AGE = 6 * 3600.0


@dataclass
class Event:
    """An event on its way to a function."""

    function: str
    payload: str
    accepted: float
    due: float
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    failures: int = 0
    throttles: int = 0
    began: float | None = None


def events_of(backend: Any) -> list[Event]:
    """Return a region's queue; moto's reset forgets it."""
    held: list[Event] = vars(backend).setdefault("events", [])
    return held


def accept(backend: Any, function: str, payload: str, now: float) -> None:
    """Put an event into the queue."""
    events_of(backend).append(Event(function, payload, now, now))


def carry_all(world: World, now: float) -> None:
    """Start what is due, collect what has finished."""
    for account in list(lambda_backends.values()):
        for backend in list(account.values()):
            queue = events_of(backend)
            for event in list(queue):
                if _advance(world, backend, event, now):
                    queue.remove(event)


def _advance(world: World, backend: Any, event: Event, now: float) -> bool:
    """Take an event one step further; say whether it leaves the queue."""
    found = {function.function_name: function for function in backend.list_functions()}
    function = found.get(event.function)
    if event.began is not None:
        return _collect(world, function, event, now)
    if function is None:
        return True
    if now - event.accepted > LONGEST_AGE:
        return _give_up(function, event, "EventAgeExceeded", "the event is too old")
    if now < event.due:
        return False
    if function.reserved_concurrency == 0:
        return _give_up(function, event, "ZeroReservedConcurrency", "reserved concurrency is 0")
    if not may_assume(SERVICE, function.role):
        return True
    running = [e for e in events_of(backend) if e.function == event.function and e.began]
    if len(running) >= int(function.reserved_concurrency or UNRESERVED):
        _measure(event.function, Throttles=1)
        event.due = now + min(LONGEST_WAIT, 2.0**event.throttles)
        event.throttles += 1
        return False
    event.began = now
    world.driver.invoke(event.request_id, _work(function, event))
    return False


def _collect(world: World, function: Any, event: Event, now: float) -> bool:
    answer = world.driver.invoked(event.request_id)
    if answer is None:
        return False
    if function is not None:
        logs.write(function, event.request_id, answer, began=event.began or now, now=now)
    event.began = None
    _measure(event.function, Invocations=1, Errors=int(answer.exit_code != 0))
    if answer.exit_code == 0:
        return True
    if function is None:
        return True
    if event.failures >= dead_letters.retries(function):
        words = (answer.stdout + answer.stderr).strip().splitlines()
        return _give_up(function, event, "RetriesExhausted", words[-1] if words else "it failed")
    event.due = now + RETRIES[event.failures]
    event.failures += 1
    return False


def _measure(name: str, **counts: int) -> None:
    """Add to a function's metrics."""
    pairs = [{"Name": "FunctionName", "Value": name}]
    data = [
        {"MetricName": metric, "Dimensions": pairs, "Value": float(count), "Unit": "Count"}
        for metric, count in counts.items()
    ]
    call("cloudwatch", "put_metric_data", Namespace="AWS/Lambda", MetricData=data)


def _give_up(function: Any, event: Event, condition: str, error: str) -> bool:
    """Send an event to where failures go; it leaves the queue."""
    dead_letters.send(function, event.request_id, event.payload, condition, error)
    return True


def _work(function: Any, event: Event) -> Work:
    return Work(
        archive=function.code_bytes,
        handler=function.handler,
        event=event.payload,
        environment=_environment(function),
        seconds=float(function.timeout),
    )


def _environment(function: Any) -> dict[str, str]:
    """Return a function's environment; its own variables cannot override Lambda's.

    docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    keys = role_credentials(function.role.rpartition("/")[2], function.function_name)
    return {
        **function.environment_vars,
        **{name.upper(): value for name, value in keys.items()},
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
        "_HANDLER": function.handler,
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }
