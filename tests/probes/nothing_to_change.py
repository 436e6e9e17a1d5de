"""A change set without a change fails, in words by which it is told from a failure.

A deploy makes a change set each time, and takes these words for "up to date".
"""

from common.waiting import Seen
from tests.probes.kit.place import Place
from tests.probes.kit.stacks import create_stack, request

SOURCE = (
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html"
)
ASSUMED = "FAILED: The submitted information didn't contain changes."
TOPIC = {"Topic": {"Type": "AWS::SNS::Topic"}}


def probe(place: Place) -> str:
    cloudformation = place.clients("cloudformation")
    create_stack(place, TOPIC)
    name = {"StackName": place.name, "ChangeSetName": "same"}
    cloudformation.create_change_set(**request(place, TOPIC) | name)

    def settled() -> Seen[str]:
        found = cloudformation.describe_change_set(**name)
        words = f"{found['Status']}: {found.get('StatusReason', '')}"
        is_over = not found["Status"].endswith(("PENDING", "IN_PROGRESS"))
        return Seen(words if is_over else None, words)

    words = place.until("the change set", settled)
    return ". ".join(words.split(". ")[:1]).rstrip(".") + "."
