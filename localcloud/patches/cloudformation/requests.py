"""Read requests to CloudFormation, and refuse what cannot be a stack.

Follows CreateChangeSet and CreateStack of the CloudFormation API reference (docs.aws.amazon.com/
AWSCloudFormation/latest/APIReference).
"""

import uuid
from typing import Any

from moto.cloudformation.exceptions import CloudFormationError
from moto.cloudformation.models import cloudformation_backends

from localcloud.patches.cloudformation import parameters
from localcloud.patches.cloudformation.functions import Tree, refuse
from localcloud.patches.cloudformation.resources import check_properties, check_types
from localcloud.patches.cloudformation.stack import DesiredState, Stack, timestamp
from localcloud.patches.cloudformation.template import LARGEST_BODY, parse

UPDATABLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
)

Response = Any  # moto's CloudFormationResponse, which has no types of its own


def stacks(account: str, region: str) -> dict[str, Stack]:
    """Return every stack ever created here, by id; moto's reset forgets them."""
    held: dict[str, Stack] = vars(cloudformation_backends[account][region]).setdefault(
        "engine_stacks", {}
    )
    return held


def stacks_of(response: Response) -> dict[str, Stack]:
    """Return the stacks of the account and region that a request goes to."""
    return stacks(response.current_account, response.region)


def live(response: Response, name: str) -> Stack | None:
    """Return the stack of a name, or of an id, deleted or not."""
    for stack in stacks_of(response).values():
        if stack.status != "DELETE_COMPLETE" and name in (stack.name, stack.stack_id):
            return stack
    return stacks_of(response).get(name)


def find_stack(response: Response) -> Stack:
    """Return the stack that a request names; raises CloudFormation's error if there is none."""
    name = response._get_param("StackName")
    stack = live(response, name)
    if stack is None:
        raise refuse(f"Stack with id {name} does not exist")
    return stack


def body_of(response: Response, stack: Stack | None) -> str:
    """Return the template in a request, or the stack's own."""
    if response._get_bool_param("UsePreviousTemplate", False) and stack is not None:
        return stack.desired.body
    if url := response._get_param("TemplateURL"):
        return str(response._get_stack_from_s3_url(url))
    body = response._get_param("TemplateBody")
    if not body:
        raise refuse("Either Template URL or Template Body must be specified.")
    if len(body.encode()) > LARGEST_BODY:
        raise refuse(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {LARGEST_BODY}"
        )
    return str(body)


def desired_state(response: Response, stack: Stack | None) -> DesiredState:
    """Return the desired state that a request describes, refusing what could not be created."""
    body = body_of(response, stack)
    tree = parse(body)
    check_types(tree)
    for name, resource in tree["Resources"].items():
        check_properties(name, resource)
    previous = stack.desired.parameters if stack else {}
    values = parameters.settle(tree, response._get_param("Parameters", []), previous)
    tags = {item["Key"]: item["Value"] for item in response._get_param("Tags", [])}
    _check_capabilities(tree, response._get_param("Capabilities", []))
    return DesiredState(body, tree, values, tags)


def _check_capabilities(tree: Tree, given: list[str]) -> None:
    """Refuse IAM resources that the caller did not acknowledge ("Acknowledging IAM resources")."""
    iam = [r for r in tree["Resources"].values() if r["Type"].startswith("AWS::IAM::")]
    named = any({"RoleName", "InstanceProfileName"} & set(r.get("Properties") or {}) for r in iam)
    needed = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
    if iam and needed not in given and "CAPABILITY_NAMED_IAM" not in given:
        raise CloudFormationError(
            "InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]"
        )


def new_stack(response: Response, name: str) -> Stack:
    """Return a new, empty stack."""
    place = f"{response.region}:{response.current_account}"
    stack_id = f"arn:aws:cloudformation:{place}:stack/{name}/{uuid.uuid4()}"
    return Stack(name, stack_id, response.region, response.current_account, timestamp())


def keep(response: Response, stack: Stack) -> None:
    """Remember a stack."""
    stacks_of(response)[stack.stack_id] = stack


def check_updatable(stack: Stack) -> None:
    """Refuse to update a stack that is incomplete or in progress."""
    if stack.status not in UPDATABLE:
        raise refuse(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")
