"""Stacks, events and change sets in the shapes of CloudFormation's API. Pure: no AWS."""

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.stack import ChangeSet, Event, Stack


def _present(pairs: Tree) -> Tree:
    return {key: value for key, value in pairs.items() if value is not None}


def _parameters(stack_parameters: dict[str, str], tree: Tree) -> list[Tree]:
    declared = tree.get("Parameters") or {}
    hidden = {name for name, spec in declared.items() if str(spec.get("NoEcho")).lower() == "true"}
    return [
        {"ParameterKey": key, "ParameterValue": "****" if key in hidden else value}
        for key, value in sorted(stack_parameters.items())
    ]


def _tags(tags: dict[str, str]) -> list[Tree]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def summary(stack: Stack) -> Tree:
    """Return a stack as ListStacks gives it."""
    return _present(
        {
            "StackId": stack.stack_id,
            "StackName": stack.name,
            "TemplateDescription": stack.desired.tree.get("Description"),
            "CreationTime": stack.created,
            "LastUpdatedTime": stack.updated,
            "DeletionTime": stack.deleted,
            "StackStatus": stack.status,
            "StackStatusReason": stack.status_reason,
        }
    )


def stack(stack: Stack) -> Tree:
    """Return a stack as DescribeStacks gives it."""
    shown = summary(stack)
    shown.pop("TemplateDescription", None)
    return _present(
        {
            **shown,
            "Description": stack.desired.tree.get("Description"),
            "Parameters": _parameters(stack.desired.parameters, stack.desired.tree),
            "Outputs": stack.outputs,
            "Tags": _tags(stack.desired.tags),
            "Capabilities": stack.capabilities,
            "DisableRollback": stack.disable_rollback,
            "EnableTerminationProtection": stack.protected,
            "RollbackConfiguration": {},
            "NotificationARNs": [],
        }
    )


def event(stack: Stack, one: Event) -> Tree:
    """Return one event as DescribeStackEvents gives it."""
    return _present(
        {
            "StackId": stack.stack_id,
            "StackName": stack.name,
            "EventId": one.event_id,
            "LogicalResourceId": one.logical_id,
            "PhysicalResourceId": one.physical_id,
            "ResourceType": one.type_name,
            "Timestamp": one.when,
            "ResourceStatus": one.status,
            "ResourceStatusReason": one.reason,
        }
    )


def resources(stack: Stack, logical_id: str | None) -> list[Tree]:
    """Return each resource's last status, as DescribeStackResources gives it."""
    found = []
    for name, last in sorted(stack.states.items()):
        if logical_id in (None, name):
            shown = event(stack, last)
            del shown["EventId"]
            if name in stack.resources:
                shown["PhysicalResourceId"] = stack.resources[name].physical_id
            found.append(shown)
    return found


def change_set(stack: Stack, found: ChangeSet, whole: bool) -> Tree:
    """Return a change set, with its changes and parameters when ``whole``."""
    shown: Tree = {
        "ChangeSetName": found.name,
        "ChangeSetId": found.change_set_id,
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "Description": found.description,
        "CreationTime": found.created,
        "ExecutionStatus": found.execution_status,
        "Status": found.status,
        "StatusReason": found.status_reason,
    }
    if whole:
        shown["Parameters"] = _parameters(found.desired.parameters, found.desired.tree)
        shown["Tags"] = _tags(found.desired.tags)
        shown["Capabilities"] = found.capabilities
        shown["Changes"] = found.changes
    return _present(shown)


def template(tree: Tree) -> Tree:
    """Return a template as ValidateTemplate describes it."""
    declared = tree.get("Parameters") or {}
    iam = any(r["Type"].startswith("AWS::IAM::") for r in tree["Resources"].values())
    return _present(
        {
            "Description": tree.get("Description"),
            "Parameters": [
                _present(
                    {
                        "ParameterKey": name,
                        "DefaultValue": None if "Default" not in s else str(s["Default"]),
                        "NoEcho": str(s.get("NoEcho")).lower() == "true",
                        "Description": s.get("Description"),
                        "ParameterType": s["Type"],
                    }
                )
                for name, s in declared.items()
            ],
            "Capabilities": ["CAPABILITY_NAMED_IAM"] if iam else [],
        }
    )
