"""CloudFormation's API on this engine, in place of moto's.

Follows the CloudFormation API reference
(docs.aws.amazon.com/AWSCloudFormation/latest/APIReference): CreateChangeSet refuses at once what
cannot be a change set, and one without changes ends FAILED; executing only starts the work, which
the world's steps then do.
"""

import uuid
from collections.abc import Callable
from typing import Any

from moto.cloudformation.exceptions import AlreadyExistsException, CloudFormationError
from moto.cloudformation.models import cloudformation_backends
from moto.core.responses import ActionResult, EmptyResult

from localcloud.patches.cloudformation import changes, operations, parameters, views
from localcloud.patches.cloudformation.resources import check_properties, check_types
from localcloud.patches.cloudformation.stack import ChangeSet, Stack, Wanted, timestamp
from localcloud.patches.cloudformation.template import LARGEST_BODY, Tree, parse, refuse

UPDATABLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
)
NO_CHANGES = (
    "The submitted information didn't contain changes. "
    "Submit different information to create a change set."
)

Response = Any  # moto's CloudFormationResponse, which has no types of its own


def stacks(account: str, region: str) -> dict[str, Stack]:
    """Return every stack ever made here by its id; moto's reset forgets them."""
    held: dict[str, Stack] = vars(cloudformation_backends[account][region]).setdefault(
        "engine_stacks", {}
    )
    return held


def _stacks(response: Response) -> dict[str, Stack]:
    return stacks(response.current_account, response.region)


def _live(response: Response, name: str) -> Stack | None:
    for stack in _stacks(response).values():
        if stack.status != "DELETE_COMPLETE" and name in (stack.name, stack.stack_id):
            return stack
    return _stacks(response).get(name)


def _stack(response: Response) -> Stack:
    name = response._get_param("StackName")
    stack = _live(response, name)
    if stack is None:
        raise refuse(f"Stack with id {name} does not exist")
    return stack


def _body(response: Response, stack: Stack | None) -> str:
    if response._get_bool_param("UsePreviousTemplate", False) and stack is not None:
        return stack.wanted.body
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


def _wanted(response: Response, stack: Stack | None) -> Wanted:
    body = _body(response, stack)
    tree = parse(body)
    check_types(tree)
    for name, resource in tree["Resources"].items():
        check_properties(name, resource)
    previous = stack.wanted.parameters if stack else {}
    values = parameters.settle(tree, response._get_param("Parameters", []), previous)
    tags = {item["Key"]: item["Value"] for item in response._get_param("Tags", [])}
    _check_capabilities(tree, response._get_param("Capabilities", []))
    return Wanted(body, tree, values, tags)


def _check_capabilities(tree: Tree, given: list[str]) -> None:
    """Refuse IAM resources that the caller did not acknowledge ("Acknowledging IAM resources")."""
    iam = [r for r in tree["Resources"].values() if r["Type"].startswith("AWS::IAM::")]
    named = any({"RoleName", "InstanceProfileName"} & set(r.get("Properties") or {}) for r in iam)
    needed = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
    if iam and needed not in given and "CAPABILITY_NAMED_IAM" not in given:
        raise CloudFormationError(
            "InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]"
        )


def _new_stack(response: Response, name: str) -> Stack:
    place = f"{response.region}:{response.current_account}"
    stack_id = f"arn:aws:cloudformation:{place}:stack/{name}/{uuid.uuid4()}"
    return Stack(name, stack_id, response.region, response.current_account, timestamp())


def _keep(response: Response, stack: Stack) -> None:
    _stacks(response)[stack.stack_id] = stack


def create_change_set(self: Response) -> ActionResult:
    """Work out the changes to a stack, new or existing."""
    name, kind = self._get_param("StackName"), self._get_param("ChangeSetType", "UPDATE")
    set_name = self._get_param("ChangeSetName")
    stack = _live(self, name)
    if stack is not None and stack.status == "DELETE_COMPLETE":
        stack = None
    _check_kind(stack, name, kind, set_name)
    wanted = _wanted(self, stack)
    stack = stack or _new_stack(self, name)
    if set_name in stack.change_sets:
        raise AlreadyExistsException(f"ChangeSet {set_name} already exists")
    place = f"{self.region}:{self.current_account}"
    made = ChangeSet(
        f"arn:aws:cloudformation:{place}:changeSet/{set_name}/{uuid.uuid4()}",
        set_name,
        kind,
        self._get_param("Description"),
        wanted,
        self._get_param("Capabilities", []),
        timestamp(),
        changes.changes_of(stack, wanted),
    )
    if _is_empty(stack, made):
        made.status, made.status_reason = "FAILED", NO_CHANGES
        made.execution_status = "UNAVAILABLE"
    if not stack.events:
        stack.say("REVIEW_IN_PROGRESS", "User Initiated")
    _keep(self, stack)
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
        _check_updatable(stack)


def _check_updatable(stack: Stack) -> None:
    if stack.status not in UPDATABLE:
        raise refuse(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


def _is_empty(stack: Stack, made: ChangeSet) -> bool:
    if made.kind == "CREATE" or made.changes:
        return False
    same = changes.outputs_of(stack, made.wanted) == changes.outputs_of(stack, stack.wanted)
    return same and made.wanted.tags == stack.wanted.tags


def _change_set(response: Response) -> tuple[Stack, ChangeSet]:
    name = response._get_param("ChangeSetName")
    for stack in _stacks(response).values():
        given = response._get_param("StackName") or stack.stack_id
        for found in stack.change_sets.values():
            if name == found.change_set_id or (
                name == found.name and given in (stack.name, stack.stack_id)
            ):
                return stack, found
    raise CloudFormationError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")


def describe_change_set(self: Response) -> ActionResult:
    """Return a change set with its changes."""
    stack, found = _change_set(self)
    return ActionResult(views.change_set(stack, found, whole=True))


def list_change_sets(self: Response) -> ActionResult:
    """Return a stack's change sets without their changes."""
    stack = _stack(self)
    found = [views.change_set(stack, one, whole=False) for one in stack.change_sets.values()]
    return ActionResult({"Summaries": found})


def delete_change_set(self: Response) -> ActionResult:
    """Forget a change set."""
    stack, found = _change_set(self)
    del stack.change_sets[found.name]
    return EmptyResult()


def execute_change_set(self: Response) -> ActionResult:
    """Begin to make the changes of a change set; the stack's other change sets are void then."""
    stack, found = _change_set(self)
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
        _begin_create(stack, found.wanted)
    else:
        _check_updatable(stack)
        stack.operation = operations.update(stack, found.wanted)
        next(stack.operation)
    return EmptyResult()


def _begin_create(stack: Stack, wanted: Wanted) -> None:
    stack.wanted = wanted
    stack.operation = operations.create(stack, wanted)
    next(stack.operation)


def create_stack(self: Response) -> ActionResult:
    """Begin to create a stack without a change set."""
    name = self._get_param("StackName")
    stack = _live(self, name)
    if stack is not None and stack.status != "DELETE_COMPLETE":
        raise AlreadyExistsException(f"Stack [{name}] already exists")
    wanted = _wanted(self, None)
    stack = _new_stack(self, name)
    stack.capabilities = self._get_param("Capabilities", [])
    stack.protected = bool(self._get_bool_param("EnableTerminationProtection", False))
    keeps = self._get_param("OnFailure") == "DO_NOTHING"
    stack.disable_rollback = keeps or bool(self._get_bool_param("DisableRollback", False))
    changes.changes_of(stack, wanted)  # raises what a template's expressions have wrong
    _keep(self, stack)
    _begin_create(stack, wanted)
    return ActionResult({"StackId": stack.stack_id})


def update_stack(self: Response) -> ActionResult:
    """Begin to update a stack without a change set."""
    stack = _stack(self)
    _check_updatable(stack)
    wanted = _wanted(self, stack)
    pending = changes.changes_of(stack, wanted)
    same = changes.outputs_of(stack, wanted) == changes.outputs_of(stack, stack.wanted)
    if not pending and same and wanted.tags == stack.wanted.tags:
        raise refuse("No updates are to be performed.")
    stack.operation = operations.update(stack, wanted)
    next(stack.operation)
    return ActionResult({"StackId": stack.stack_id})


def delete_stack(self: Response) -> ActionResult:
    """Begin to delete a stack; one that is not there is no error."""
    stack = _live(self, self._get_param("StackName"))
    if stack is None or stack.status == "DELETE_COMPLETE":
        return EmptyResult()
    if stack.protected:
        raise refuse(
            f"Stack [{stack.stack_id}] cannot be deleted while TerminationProtection is enabled"
        )
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise refuse(f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
    retain = set(self._get_param("RetainResources", []))
    stack.operation = operations.delete(stack, retain)
    next(stack.operation)
    return EmptyResult()


def update_termination_protection(self: Response) -> ActionResult:
    """Set whether the stack may be deleted."""
    stack = _stack(self)
    stack.protected = bool(self._get_bool_param("EnableTerminationProtection", False))
    return ActionResult({"StackId": stack.stack_id})


def describe_stacks(self: Response) -> ActionResult:
    """Return one stack, or all that are not deleted."""
    if self._get_param("StackName"):
        return ActionResult({"Stacks": [views.stack(_stack(self))]})
    held = [s for s in _stacks(self).values() if s.status != "DELETE_COMPLETE"]
    return ActionResult({"Stacks": [views.stack(one) for one in held]})


def list_stacks(self: Response) -> ActionResult:
    """Return summaries, of deleted stacks too, filtered by status."""
    wanted = self._get_param("StackStatusFilter", [])
    held = [s for s in _stacks(self).values() if not wanted or s.status in wanted]
    return ActionResult({"StackSummaries": [views.summary(one) for one in held]})


def describe_stack_events(self: Response) -> ActionResult:
    """Return a stack's events, newest first."""
    stack = _stack(self)
    return ActionResult(
        {"StackEvents": [views.event(stack, one) for one in reversed(stack.events)]}
    )


def describe_stack_resources(self: Response) -> ActionResult:
    """Return the resources of a stack, or the one named."""
    stack, name = _stack(self), self._get_param("LogicalResourceId")
    return ActionResult({"StackResources": views.resources(stack, name)})


def describe_stack_resource(self: Response) -> ActionResult:
    """Return one resource of a stack."""
    stack, name = _stack(self), self._get_param("LogicalResourceId")
    found = views.resources(stack, name)
    if not found:
        raise refuse(f"Resource {name} does not exist for stack {stack.name}")
    detail = {**found[0], "LastUpdatedTimestamp": found[0]["Timestamp"]}
    return ActionResult({"StackResourceDetail": detail})


def list_stack_resources(self: Response) -> ActionResult:
    """Return summaries of a stack's resources."""
    found = views.resources(_stack(self), None)
    held = [{**one, "LastUpdatedTimestamp": one["Timestamp"]} for one in found]
    return ActionResult({"StackResourceSummaries": held})


def get_template(self: Response) -> ActionResult:
    """Return the template as it was given."""
    if self._get_param("ChangeSetName"):
        return ActionResult({"TemplateBody": _change_set(self)[1].wanted.body})
    return ActionResult({"TemplateBody": _stack(self).wanted.body})


def validate_template(self: Response) -> ActionResult:
    """Refuse a template that could not be a stack; say what parameters it takes."""
    tree = parse(_body(self, None))
    check_types(tree)
    return ActionResult(views.template(tree))


def get_template_summary(self: Response) -> ActionResult:
    """Say what a template holds."""
    named = self._get_param("StackName")
    tree = _stack(self).wanted.tree if named else parse(_body(self, None))
    types = sorted({resource["Type"] for resource in tree["Resources"].values()})
    return ActionResult({**views.template(tree), "ResourceTypes": types})


ACTIONS: tuple[Callable[[Response], Any], ...] = (
    create_change_set,
    describe_change_set,
    list_change_sets,
    delete_change_set,
    execute_change_set,
    create_stack,
    update_stack,
    delete_stack,
    update_termination_protection,
    describe_stacks,
    list_stacks,
    describe_stack_events,
    describe_stack_resources,
    describe_stack_resource,
    list_stack_resources,
    get_template,
    validate_template,
    get_template_summary,
)
