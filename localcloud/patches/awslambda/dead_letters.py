"""Where the events go that a function has failed on: dead-letter queue and failure destination.

Follows "Adding a dead-letter queue" and "Capturing records of asynchronous invocations"
(docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html): a dead-letter queue
gets the event itself with attributes, a destination gets a record of the invocation. The function's
role has to allow the delivery. Retries are those of the function's EventInvokeConfig, two by
default (.../invocation-async-configuring.html). moto forgets the queue, and sends nothing.
"""

import json
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction

from localcloud import world
from localcloud.patches import iam
from localcloud.patches.internal import call
from localcloud.times import moment

MOST_RETRIES = 2


def retries(function: Any) -> int:
    """Return how often a failed event is tried again."""
    configured = _invoke_config(function).get("MaximumRetryAttempts")
    return MOST_RETRIES if configured is None else int(configured)


def _invoke_config(function: Any) -> dict[str, Any]:
    found = function.event_invoke_config
    return dict(found[-1].response()) if found else {}


def send(function: Any, request_id: str, payload: str, condition: str, error: str) -> None:
    """Send what failed to the function's dead-letter queue and failure destination."""
    if arn := (getattr(function, "dead_letter_config", None) or {}).get("TargetArn"):
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": error[:1024] or "-"},
        }
        _deliver(function, arn, payload, attributes)
    failing = (_invoke_config(function).get("DestinationConfig") or {}).get("OnFailure") or {}
    if arn := failing.get("Destination"):
        record = {
            "version": "1.0",
            "timestamp": f"{moment(world.now()):%Y-%m-%dT%H:%M:%S.000Z}",
            "requestContext": {
                "requestId": request_id,
                "functionArn": f"{function.function_arn}:$LATEST",
                "condition": condition,
            },
            "requestPayload": json.loads(payload),
            "responsePayload": {"errorMessage": error},
        }
        _deliver(function, arn, json.dumps(record), {})


def _deliver(function: Any, arn: str, body: str, attributes: dict[str, Any]) -> None:
    """Send a message if the function's role may; AWS only counts a delivery that failed."""
    action = "sqs:SendMessage" if ":sqs:" in arn else "sns:Publish"
    if not iam.role_may(function.role, [action], arn):
        return
    given = {"MessageAttributes": attributes} if attributes else {}
    try:
        if ":sqs:" in arn:
            url = call("sqs", "get_queue_url", QueueName=arn.rpartition(":")[2])["QueueUrl"]
            call("sqs", "send_message", QueueUrl=url, MessageBody=body, **given)
        else:
            call("sns", "publish", TopicArn=arn, Message=body, **given)
    except ClientError:
        return


@cache
def install() -> None:
    """Keep a function's dead-letter queue, and only its last EventInvokeConfig."""
    create, show = LambdaBackend.create_function, LambdaFunction.get_configuration
    update = LambdaBackend.update_function_configuration
    configure = LambdaBackend.put_function_event_invoke_config

    def create_function(self: Any, spec: dict[str, Any]) -> Any:
        made = create(self, spec)
        made.dead_letter_config = spec.get("DeadLetterConfig")
        return made

    def update_function_configuration(
        self: Any, function_name: str, qualifier: Any, body: dict[str, Any]
    ) -> Any:
        if "DeadLetterConfig" in body:
            self.get_function(function_name).dead_letter_config = body["DeadLetterConfig"]
        return update(self, function_name, qualifier, body)

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
        found = dict(show(self, on_create))
        queue = getattr(self, "dead_letter_config", None)
        return found | ({"DeadLetterConfig": queue} if queue else {})

    def put_function_event_invoke_config(self: Any, function_name: str, config: Any) -> Any:
        self.get_function(function_name).event_invoke_config.clear()
        return configure(self, function_name, config)

    LambdaBackend.create_function = create_function
    LambdaBackend.update_function_configuration = update_function_configuration
    LambdaBackend.put_function_event_invoke_config = put_function_event_invoke_config
    LambdaFunction.get_configuration = get_configuration
