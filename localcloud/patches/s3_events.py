"""S3's event notifications: each change once, in the documented form, to who may be told.

Follows "Event message structure" (docs.aws.amazon.com/AmazonS3/latest/userguide/
notification-content-structure.html: versionId where the bucket has versions; a sequencer that grows
with each change of a key), "Event notification types" (.../notification-how-to-event-types-and-
destinations.html) and "Granting permissions to publish event notification messages to a
destination" (.../grant-destinations-permissions-to-s3.html). moto reports a multipart upload twice,
has no versions and no sequencer, forgets delete markers, and asks no destination.

Another process declares, per line of a file (``follow``), a pattern of keys and what becomes of
their events: ``lost``, ``twice``, or ``late`` by 30 s. S3 promises delivery at least once and in no
order; a lost one is what a sweep is for.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from typing import Any
from urllib.parse import quote_plus

from botocore.exceptions import ClientError
from moto.s3 import notifications
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend

from localcloud import world as worlds
from localcloud.account import ACCOUNT, REGION
from localcloud.declarations import Declarations
from localcloud.patches import awslambda
from localcloud.patches.iam.policies import Answer, Check, decide
from localcloud.patches.internal import call
from localcloud.times import moment
from localcloud.world import World

SERVICE = "s3.amazonaws.com"
LATE_SECONDS = 30.0
UNTOLD = "Unable to validate the following destination configurations"

_effects = Declarations()
follow = _effects.follow  # per line a pattern and an effect


@dataclass(frozen=True)
class Message:
    """An event on its way to one destination."""

    due: float
    arn: str
    bucket: str
    body: str


_late: list[Message] = []
_state = {"quiet": 0, "sequence": 0}


@contextmanager
def _quiet() -> Iterator[None]:
    """Send none of moto's own events inside."""
    _state["quiet"] += 1
    try:
        yield
    finally:
        _state["quiet"] -= 1


def _send_event(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
    """Take the place of moto's send_event."""
    if _state["quiet"] or key is None:
        return
    facts = {"key": key.name, "size": key.size, "eTag": key.etag.strip('"')}
    if bucket.is_versioned:
        facts["versionId"] = str(key.version_id)
    send(str(getattr(event_name, "value", event_name)), bucket, facts)


def send(name: str, bucket: Any, facts: dict[str, Any]) -> None:
    """Send an event to all destinations that a bucket has for it."""
    configured = bucket.notification_configuration
    if configured is None:
        return
    effects = [effect for pattern, effect in _effects.pairs() if fnmatch(facts["key"], pattern)]
    for one in [*configured.cloud_function, *configured.queue, *configured.topic]:
        if one.matches(name, facts["key"]) and "lost" not in effects:
            delay = LATE_SECONDS if "late" in effects else 0.0
            body = json.dumps({"Records": [_record(name, bucket, one.id, facts)]})
            message = Message(worlds.now() + delay, one.arn, bucket.arn, body)
            _late.extend([message] * (2 if "twice" in effects else 1))


def _record(name: str, bucket: Any, configuration: str, facts: dict[str, Any]) -> dict[str, Any]:
    _state["sequence"] += 1
    thing = {**facts, "key": quote_plus(facts["key"], safe="/")}
    thing["sequencer"] = f"{_state['sequence']:018X}"
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": f"{moment(worlds.now()):%Y-%m-%dT%H:%M:%S.000Z}",
        "eventName": name.removeprefix("s3:"),
        "userIdentity": {"principalId": f"AWS:{ACCOUNT}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": f"{_state['sequence']:016X}"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": ACCOUNT},
                "arn": bucket.arn,
            },
            "object": thing,
        },
    }


def _deliver(now: float) -> None:
    for message in [one for one in _late if one.due <= now]:
        _late.remove(message)
        _deliver_one(message)


def _deliver_one(message: Message) -> None:
    """Deliver a message; one whose destination no longer takes it is lost, as on AWS."""
    try:
        if ":lambda:" in message.arn:
            awslambda.invoke_for(SERVICE, message.arn, message.body, message.bucket)
        elif ":sqs:" in message.arn:
            call("sqs", "send_message", QueueUrl=_url(message.arn), MessageBody=message.body)
        else:
            call("sns", "publish", TopicArn=message.arn, Message=message.body)
    except (awslambda.NotAllowed, LookupError, ClientError):
        return


def _url(arn: str) -> str:
    return str(call("sqs", "get_queue_url", QueueName=arn.rpartition(":")[2])["QueueUrl"])


def _may_tell(arn: str, bucket: str) -> bool:
    """Say whether a destination exists and lets S3 tell it of a bucket."""
    try:
        if ":lambda:" in arn:
            awslambda.check_may_invoke(SERVICE, arn, bucket)
        elif ":sqs:" in arn:
            asked = {"QueueUrl": _url(arn), "AttributeNames": ["Policy"]}
            found = call("sqs", "get_queue_attributes", **asked).get("Attributes", {})
            context = {"aws:sourcearn": (bucket,), "aws:sourceaccount": (ACCOUNT,)}
            check = Check("sqs:SendMessage", arn, context)
            policies = [found["Policy"]] if found.get("Policy") else []
            return decide(policies, check, SERVICE) is Answer.ALLOWED
    except (awslambda.NotAllowed, LookupError, ClientError):
        return False
    return True


@cache
def install() -> None:
    """Send these events in place of moto's."""
    notifications.send_event = _send_event
    configure = FakeBucket.set_notification_configuration
    complete, delete = S3Backend.complete_multipart_upload, S3Backend.delete_object

    def set_notification_configuration(self: Any, notification_config: Any) -> None:
        before = self.notification_configuration
        with _untold():
            configure(self, notification_config)
        found = self.notification_configuration
        arns = [one.arn for one in [*found.cloud_function, *found.queue]] if found else []
        if not all(_may_tell(arn, self.arn) for arn in arns):
            self.notification_configuration = before
            raise S3ClientError("InvalidArgument", UNTOLD)
        if found:
            notifications.send_test_event(self.account_id, self)

    def complete_multipart_upload(self: Any, bucket_name: str, *given: Any, **more: Any) -> Any:
        with _quiet():
            key = complete(self, bucket_name, *given, **more)
        kind = notifications.S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT
        if key is not None:
            _send_event(self.account_id, kind, self.get_bucket(bucket_name), key)
        return key

    def delete_object(
        self: Any, bucket_name: str, key_name: str, version_id: Any = None, bypass: bool = False
    ) -> Any:
        bucket = self.get_bucket(bucket_name)
        existed = key_name in bucket.keys
        with _quiet():
            done, details = delete(self, bucket_name, key_name, version_id, bypass)
        version = details.get("version-id")
        facts = {"key": key_name} | ({"versionId": str(version)} if version else {})
        if bucket.is_versioned and version_id is None:
            send("s3:ObjectRemoved:DeleteMarkerCreated", bucket, facts)
        elif existed:
            send("s3:ObjectRemoved:Delete", bucket, facts)
        return done, details

    FakeBucket.set_notification_configuration = set_notification_configuration
    S3Backend.complete_multipart_upload = complete_multipart_upload
    S3Backend.delete_object = delete_object


@contextmanager
def _untold() -> Iterator[None]:
    """Let moto set a configuration without its test event, which comes once it is valid."""
    tell = notifications.send_test_event
    notifications.send_test_event = lambda account_id, bucket: None
    try:
        yield
    finally:
        notifications.send_test_event = tell


def attach(world: World) -> None:
    """Deliver events on the world's clock."""
    follow(None)
    _late.clear()
    world.reconcilers.append(_deliver)
