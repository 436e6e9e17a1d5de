"""A change set without a change fails, in words by which it is told from a failure.

A deploy makes a change set each time, and takes these words for "up to date".
"""

import json

from common.waiting import Seen
from tests.probes.kit.place import Place

SOURCE = (
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html"
)
ASSUMED = "FAILED: The submitted information didn't contain changes."
TOPIC = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}


def probe(place: Place) -> str:
    cloudformation = place.clients("cloudformation")
    which = {"StackName": place.name, "TemplateBody": json.dumps(TOPIC)}
    made = cloudformation.create_stack(**which, Tags=place.tags)

    def is_now(wanted: str) -> Seen[bool]:
        found = cloudformation.describe_stacks(StackName=made["StackId"])["Stacks"][0]
        return Seen(found["StackStatus"] == wanted or None, found["StackStatus"])

    place.afterwards(
        f"stack {place.name}",
        lambda: cloudformation.delete_stack(StackName=made["StackId"]),
        gone=lambda: is_now("DELETE_COMPLETE"),
    )
    place.until("the stack's creation", lambda: is_now("CREATE_COMPLETE"))
    name = {"StackName": place.name, "ChangeSetName": "same"}
    cloudformation.create_change_set(**which, ChangeSetName="same", Tags=place.tags)

    def settled() -> Seen[str]:
        found = cloudformation.describe_change_set(**name)
        words = f"{found['Status']}: {found.get('StatusReason', '')}"
        is_over = not found["Status"].endswith(("PENDING", "IN_PROGRESS"))
        return Seen(words if is_over else None, words)

    words = place.until("the change set", settled)
    return ". ".join(words.split(". ")[:1]).rstrip(".") + "."
