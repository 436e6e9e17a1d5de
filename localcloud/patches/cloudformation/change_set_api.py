"""Change sets: created, described, executed.

Follows the CloudFormation API reference
(docs.aws.amazon.com/AWSCloudFormation/latest/APIReference): CreateChangeSet refuses at once what
cannot be a change set, and one without changes ends FAILED; executing only starts the work, which
the world's steps then do.
"""

import uuid

from moto.cloudformation.exceptions import AlreadyExistsException, CloudFormationError
from moto.core.responses import ActionResult, EmptyResult

from localcloud.patches.cloudformation import changes, operations, views
from localcloud.patches.cloudformation.functions import refuse
from localcloud.patches.cloudformation.requests import (
    Response,
    check_updatable,
    desired_state,
    find_stack,
    keep,
    live,
    new_stack,
    stacks_of,
)
from localcloud.patches.cloudformation.stack import ChangeSet, Stack, timestamp

NO_CHANGES = (
    "The submitted information didn't contain changes. "
    "Submit different information to create a change set."
)


def create_change_set(self: Response) -> ActionResult:
    """Work out the changes to a stack, new or existing."""
    name, kind = self._get_param("StackName"), self._get_param("ChangeSetType", "UPDATE")
    set_name = self._get_param("ChangeSetName")
    stack = live(self, name)
    if stack is not None and stack.status == "DELETE_COMPLETE":
        stack = None
    _check_kind(stack, name, kind, set_name)
    desired = desired_state(self, stack)
    stack = stack or new_stack(self, name)
    if set_name in stack.change_sets:
        raise AlreadyExistsException(f"ChangeSet {set_name} already exists")
    place = f"{self.region}:{self.current_account}"
    arn = f"arn:aws:cloudformation:{place}:changeSet/{set_name}/{uuid.uuid4()}"
    made = ChangeSet(
        arn,
        set_name,
        kind,
        self._get_param("Description"),
        desired,
        self._get_param("Capabilities", []),
        timestamp(),
        changes.in_some_order(changes.changes_of(stack, desired), arn),
    )
    if _is_empty(stack, made):
        made.status, made.status_reason = "FAILED", NO_CHANGES
        made.execution_status = "UNAVAILABLE"
    if not stack.events:
        stack.say("REVIEW_IN_PROGRESS", "User Initiated")
    keep(self, stack)
    stack.change_sets[set_name] = made
    return ActionResult({"Id": made.change_set_id, "StackId": stack.stack_id})


def _check_kind(stack: Stack | None, name: str, kind: str, set_name: str) -> None:
    if kind not in ("CREATE", "UPDATE"):
        raise refuse(f"The local cloud has no change sets of type {kind}")
    if kind == "CREATE" and stack is not None and stack.status != "REVIEW_IN_PROGRESS":
        raise AlreadyExistsException(
            f"Stack [{name}] already exists and cannot be created again "
            f"with the changeSet [{set_name}]."
        )
    if kind == "UPDATE" and (stack is None or stack.status == "REVIEW_IN_PROGRESS"):
        raise refuse(f"Stack [{name}] does not exist")
    if kind == "UPDATE" and stack is not None:
        check_updatable(stack)


def _is_empty(stack: Stack, made: ChangeSet) -> bool:
    if made.kind == "CREATE" or made.changes:
        return False
    same = changes.outputs_of(stack, made.desired) == changes.outputs_of(stack, stack.desired)
    return same and made.desired.tags == stack.desired.tags


def find_change_set(response: Response) -> tuple[Stack, ChangeSet]:
    """Return the change set that a request names, by its ARN or by stack and name."""
    name = response._get_param("ChangeSetName")
    for stack in stacks_of(response).values():
        given = response._get_param("StackName") or stack.stack_id
        for found in stack.change_sets.values():
            if name == found.change_set_id or (
                name == found.name and given in (stack.name, stack.stack_id)
            ):
                return stack, found
    raise CloudFormationError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")


def describe_change_set(self: Response) -> ActionResult:
    """Return a change set with its changes."""
    stack, found = find_change_set(self)
    return ActionResult(views.change_set(stack, found, whole=True))


def list_change_sets(self: Response) -> ActionResult:
    """Return a stack's change sets without their changes."""
    stack = find_stack(self)
    found = [views.change_set(stack, one, whole=False) for one in stack.change_sets.values()]
    return ActionResult({"Summaries": found})


def delete_change_set(self: Response) -> ActionResult:
    """Delete a change set."""
    stack, found = find_change_set(self)
    del stack.change_sets[found.name]
    return EmptyResult()


def execute_change_set(self: Response) -> ActionResult:
    """Begin to execute a change set; the stack's other change sets are deleted."""
    stack, found = find_change_set(self)
    if found.execution_status != "AVAILABLE":
        raise CloudFormationError(
            "InvalidChangeSetStatus",
            f"ChangeSet [{found.change_set_id}] cannot be executed "
            f"in its current status of [{found.status}]",
        )
    stack.change_sets = {found.name: found}
    found.execution_status = "EXECUTE_COMPLETE"
    stack.disable_rollback = bool(self._get_bool_param("DisableRollback", False))
    stack.capabilities = found.capabilities
    if found.kind == "CREATE":
        operations.begin(stack, operations.create(stack, found.desired))
    else:
        check_updatable(stack)
        operations.begin(stack, operations.update(stack, found.desired))
    return EmptyResult()


ACTIONS = (
    create_change_set,
    describe_change_set,
    list_change_sets,
    delete_change_set,
    execute_change_set,
)
