"""A probe's CloudFormation stack, and roles in it."""

import json
from typing import Any

from common.errors import Unanswered
from common.waiting import Seen
from tests.probes.kit.place import Place


def request(place: Place, resources: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with which a stack, or a change set of it, is created."""
    return {
        **{"StackName": place.name, "Tags": place.tags, "Capabilities": ["CAPABILITY_IAM"]},
        "TemplateBody": json.dumps({"Resources": resources}),
    }


def role(principal: dict[str, Any], *statements: dict[str, Any]) -> dict[str, Any]:
    """Return a role as a resource: who may be it, and what it may."""
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    own = {"PolicyName": "own", "PolicyDocument": document(*statements)}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": document(trust),
            "Policies": [own],
        },
    }


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return statements as a policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def create_stack(place: Place, resources: dict[str, Any]) -> dict[str, str]:
    """Create a stack; return the ids of what is in it, by name, once it is complete."""
    cloudformation = place.clients("cloudformation")
    made = str(cloudformation.create_stack(**request(place, resources))["StackId"])

    def is_now(wanted: str) -> Seen[bool]:
        found = cloudformation.describe_stacks(StackName=made)["Stacks"][0]["StackStatus"]
        if found == "ROLLBACK_COMPLETE" and wanted == "CREATE_COMPLETE":
            raise Unanswered(
                f"stack {place.name} was rolled back", hint="its events in CloudFormation say why"
            )
        return Seen(found == wanted or None, found)

    place.afterwards(
        f"stack {place.name}",
        lambda: cloudformation.delete_stack(StackName=made),
        gone=lambda: is_now("DELETE_COMPLETE"),
    )
    place.until("the stack's creation", lambda: is_now("CREATE_COMPLETE"))
    found = cloudformation.describe_stack_resources(StackName=made)["StackResources"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}
