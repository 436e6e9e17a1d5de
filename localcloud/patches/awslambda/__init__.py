"""Lambda functions that run: asynchronously, with their role's keys, for callers in their policy.

moto keeps functions and their policies, and needs Docker to run one. Here the world's driver runs
them (``events`` is their queue, ``logs`` stores what they print). A synchronous invocation is
refused: nothing in the project needs one, and a step of the world must not wait.
"""

import json
from functools import cache
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction, lambda_backends

from localcloud.account import ACCOUNT, REGION
from localcloud.patches.awslambda import dead_letters, events
from localcloud.patches.iam.policies import Answer, Check, decide
from localcloud.world import World, now

ACTION = "lambda:InvokeFunction"
ASYNCHRONOUS_ONLY = "the local cloud invokes functions only asynchronously"


class NotAllowed(Exception):
    """The function's policy does not allow this caller."""


def invoke_for(service: str, arn: str, payload: str, source: str) -> None:
    """Accept an event from an AWS service on behalf of the resource ``source``.

    Raises NotAllowed unless the function's own policy allows it, LookupError without the function.
    """
    function = check_may_invoke(service, arn, source)
    events.accept(lambda_backends[ACCOUNT][REGION], function.function_name, payload, now())


def check_may_invoke(service: str, arn: str, source: str) -> Any:
    """Return moto's function if its policy lets an AWS service invoke it for ``source``.

    Raises NotAllowed, LookupError without the function:
    docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    backend = lambda_backends[ACCOUNT][REGION]
    function = next((one for one in backend.list_functions() if one.function_arn == arn), None)
    if function is None:
        raise LookupError(f"Function not found: {arn}")
    policy = json.dumps({"Statement": function.policy.statements})
    owner = source.split(":")[4] or ACCOUNT  # the ARN of a bucket has none
    context = {"aws:sourcearn": (source,), "aws:sourceaccount": (owner,)}
    if decide([policy], Check(ACTION, arn, context), service) is not Answer.ALLOWED:
        raise NotAllowed(
            f"{service} is not authorized to perform: {ACTION} on resource: {arn} "
            f"because no resource-based policy allows the {ACTION} action"
        )
    return function


def _invoke(
    self: Any, function_name: str, qualifier: Any, body: Any, headers: Any, response_headers: Any
) -> bytes:
    """Invoke of the Lambda API, as InvocationType Event."""
    if headers.get("X-Amz-Invocation-Type") != "Event":
        raise NotImplementedError(ASYNCHRONOUS_ONLY)
    function = self.get_function(function_name, qualifier)
    payload = body.decode() if isinstance(body, bytes) else body
    events.accept(self, function.function_name, payload or "{}", now())
    return b""


def _no_docker(self: Any, *_: Any) -> None:
    raise NotImplementedError(ASYNCHRONOUS_ONLY)


@cache
def install() -> None:
    """Put the queue in place of Docker."""
    dead_letters.install()
    LambdaBackend.invoke = _invoke
    LambdaFunction.invoke = _no_docker


def attach(world: World) -> None:
    """Let the world's clock carry events to functions."""
    world.reconcilers.append(lambda now: events.carry_all(world, now))
