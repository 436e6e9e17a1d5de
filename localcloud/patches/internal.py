"""Call this process's own AWS: boto3 clients whose requests never reach a socket.

What AWS does on a customer's behalf (CloudFormation creating a bucket, an alarm publishing to a
topic) it does through its own APIs. So do the patches: the same operation, validated by botocore,
answered by moto in this process, with every other patch in force. Such calls are not checked
against IAM; the caller's own request was. CloudFormation is different: what it creates and deletes,
it does in the name of whoever changes the stack (``in_the_name_of``).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.models import botocore_stubber
from moto.core.utils import get_service_model

from localcloud.account import ACCOUNT, REGION

_calls = threading.local()


def is_internal() -> bool:
    """Say whether the request being answered on this thread came from the control plane itself."""
    return bool(getattr(_calls, "depth", 0))


def note_caller(caller: Any) -> None:
    """Remember who sent the request that is being answered on this thread; None: not known."""
    _calls.caller = caller


def caller() -> Any:
    """Return who sent the request that is being answered on this thread."""
    return getattr(_calls, "caller", None)


@contextmanager
def in_the_name_of(principal: Any) -> Iterator[None]:
    """Let the calls inside be checked as this principal's; None: not at all.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html
    """
    before, _calls.principal = getattr(_calls, "principal", None), principal
    try:
        yield
    finally:
        _calls.principal = before


@contextmanager
def at(account: str, region: str) -> Iterator[None]:
    """Have the calls inside go to this account and region."""
    before, _calls.place = _place(), (account, region)
    try:
        yield
    finally:
        _calls.place = before


def _place() -> tuple[str, str]:
    found: tuple[str, str] = getattr(_calls, "place", (ACCOUNT, REGION))
    return found


def principal() -> Any:
    """Return in whose name the request being answered was sent, if it was sent so itself."""
    return getattr(_calls, "principal", None) if getattr(_calls, "depth", 0) == 1 else None


@contextmanager
def internal() -> Iterator[None]:
    """Mark everything inside as done by the control plane itself."""
    _calls.depth = getattr(_calls, "depth", 0) + 1
    try:
        yield
    finally:
        _calls.depth -= 1


@cache
def _stubber() -> BotocoreStubber:
    stubber = BotocoreStubber()
    stubber.enabled = True
    return stubber


def _answer(event_name: str, request: AWSPreparedRequest, **_: Any) -> Any:
    # moto derives the account from the access key, unless this header names it.
    request.headers["x-moto-account-id"] = _place()[0]
    with internal():
        return _stubber()(event_name, request)


_making = threading.RLock()  # sessions are not thread-safe


@cache
def _session() -> Any:
    """One session for all: each new one reads botocore's endpoints and defaults again."""
    return boto3.session.Session(
        aws_access_key_id="CONTROLPLANEINTERNAL",
        aws_secret_access_key="internal",  # noqa: S106 - signs nothing that is checked
    )


def client(service: str) -> Any:
    """Return the control plane's own client of ``service``."""
    return _client(service, _place()[1])


@cache
def _client(service: str, region: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, ignore_configured_endpoint_urls=True)
    with _making:
        made = _session().client(service, region_name=region, config=config)
    # Inside mock_aws moto listens too, and every handler of this event is called.
    made.meta.events.unregister("before-send", botocore_stubber)
    made.meta.events.register_first("before-send", _answer)
    return made


USED = (
    "ec2",
    "elbv2",
    "autoscaling",
    "cloudwatch",
    "sns",
    "iam",
    "s3",
    "dynamodb",
    "route53",
    "logs",
    "cloudformation",
    "lambda",
    "ssm",
    "sts",
    "ecr",
    "ecs",
    "secretsmanager",
    "servicediscovery",
    "application-autoscaling",
    "sqs",
)


def prepare() -> None:
    """Read the services' models before the first step or request needs one: half a second each."""
    for service in USED:
        client(service)
        get_service_model(service)  # moto reads them again, for itself


def call(service: str, operation: str, /, **parameters: Any) -> Any:
    """Call ``operation`` (its snake_case name) with values coerced to the types it takes.

    CloudFormation takes ``"80"`` for 80 and ``"true"`` for true; botocore does not.
    """
    api = client(service)
    shape = api.meta.service_model.operation_model(
        api.meta.method_to_api_mapping[operation]
    ).input_shape
    return getattr(api, operation)(**_coerced(shape, parameters))


def _coerced(shape: Any, value: Any) -> Any:
    if shape is None or value is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        return {key: _coerced(shape.members.get(key), item) for key, item in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_coerced(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _coerced(shape.value, item) for key, item in value.items()}
    return _scalar(shape.type_name, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind in ("integer", "long") and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if kind in ("double", "float") and isinstance(value, int | str) and not isinstance(value, bool):
        return float(value)
    if kind == "string" and isinstance(value, bool):
        return str(value).lower()
    if kind == "string" and isinstance(value, int | float):
        return str(value)
    return value
