"""AWS::SQS types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SQS.html.
"""

import json
from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Place, ResourceType, register
from localcloud.patches.internal import call


@register
class Queue(ResourceType):
    type_name = "AWS::SQS::Queue"
    replacing = frozenset({"FifoQueue", "QueueName"})
    settable = frozenset(
        {
            "ContentBasedDeduplication",
            "DelaySeconds",
            "KmsMasterKeyId",
            "MaximumMessageSize",
            "MessageRetentionPeriod",
            "ReceiveMessageWaitTimeSeconds",
            "RedriveAllowPolicy",
            "RedrivePolicy",
            "SqsManagedSseEnabled",
            "VisibilityTimeout",
        }
    )
    properties = replacing | settable | {"Tags"}
    attributes = frozenset({"Arn", "QueueName", "QueueUrl"})

    def create(self, place: Place, properties: Tree) -> str:
        fifo = {"FifoQueue": "true"} if properties.get("FifoQueue") else {}
        name = properties.get("QueueName") or place.name(80)
        return str(call("sqs", "create_queue", QueueName=name, Attributes=fifo)["QueueUrl"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        given = {name: new[name] for name in sorted(self.settable) if name in new}
        gone = {name: "" for name in self.settable if name in old and name not in new}
        values = {name: _text(value) for name, value in {**gone, **given}.items()}
        if values:
            call("sqs", "set_queue_attributes", QueueUrl=physical_id, Attributes=values)
        if tags := place.tags(new):
            pairs = {tag["Key"]: tag["Value"] for tag in tags}
            call("sqs", "tag_queue", QueueUrl=physical_id, Tags=pairs)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("sqs", "delete_queue", QueueUrl=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Arn":
            asked = {"QueueUrl": physical_id, "AttributeNames": ["QueueArn"]}
            return call("sqs", "get_queue_attributes", **asked)["Attributes"]["QueueArn"]
        known = {"QueueName": physical_id.rpartition("/")[2], "QueueUrl": physical_id}
        return known.get(name) or super().attribute(physical_id, name)


@register
class QueuePolicy(ResourceType):
    type_name = "AWS::SQS::QueuePolicy"
    required = frozenset({"PolicyDocument", "Queues"})
    properties = required
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        return place.name()

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        _set_policy(new["Queues"], json.dumps(new["PolicyDocument"]))
        _set_policy([url for url in old.get("Queues", []) if url not in new["Queues"]], "")

    def delete(self, physical_id: str, properties: Tree) -> None:
        _set_policy(properties["Queues"], "")


def _set_policy(queues: list[str], policy: str) -> None:
    for url in queues:
        call("sqs", "set_queue_attributes", QueueUrl=url, Attributes={"Policy": policy})


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
