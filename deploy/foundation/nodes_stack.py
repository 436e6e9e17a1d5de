"""Plan, apply and remove the stack of what nodes have besides the foundation. Touches AWS.

It exists only where something is needed, follows from releases (node_needs.py), and holds no data:
so whatever CloudFormation finds to change is changed, and a step that was killed is run again.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from common.clients import Clients, translated
from common.environment import Environment
from common.progress import Say, say_nothing
from common.waiting import Clock
from deploy.foundation.desired_stack import DesiredStack, stack_tags
from deploy.foundation.node_needs import Needs
from deploy.foundation.nodes_template import Resources, body_of, nodes_template
from deploy.foundation.stack import Foundation, Stack, find_stack, nodes_stack_name
from deploy.foundation.stack_changes import apply_stack, plan_stack, remove_stack
from deploy.foundation.stack_plan import ResourceChange, StackPlan


def plan_nodes(
    clients: Clients,
    environment: Environment,
    foundation: Foundation | None,
    needs: Needs,
    *,
    clock: Clock,
) -> StackPlan:
    """Return what has to change for nodes to have what they need.

    ``foundation`` is None when there is none yet. Takes one call when nothing is needed.
    """
    name = nodes_stack_name(environment)
    cidrs = _vpc_cidrs(clients, environment, foundation, needs)
    resources = _resources(environment, needs, cidrs)
    stack = find_stack(clients, name)
    if stack is None:
        return StackPlan(name, bool(resources), tuple(_changes({}, resources)))
    if foundation is None or not resources:
        left = _removals(clients, stack) if not resources else ()
        return StackPlan(name, False, left, has_other_changes=True)
    return plan_stack(clients, _desired(environment, foundation, needs, cidrs), clock=clock)


def plan_reduction(environment: Environment, before: Needs, after: Needs) -> StackPlan:
    """Return what is changed and removed once nodes with the needs ``before`` are gone. Pure."""
    old, new = (_resources(environment, needs, ()) for needs in (before, after))
    return StackPlan(nodes_stack_name(environment), False, tuple(_changes(old, new)))


def apply_nodes(
    clients: Clients,
    environment: Environment,
    foundation: Foundation,
    needs: Needs,
    *,
    clock: Clock,
    progress: Say = say_nothing,
) -> Foundation:
    """Bring the stack to what nodes need, and return the foundation with its outputs.

    Raises PipelineError, naming resource and reason, when it failed.
    """
    cidrs = _vpc_cidrs(clients, environment, foundation, needs)
    if not _resources(environment, needs, cidrs):
        remove_nodes(clients, environment, clock=clock, progress=progress)
        return replace(foundation, nodes={})
    desired = _desired(environment, foundation, needs, cidrs)
    stack = apply_stack(clients, desired, clock=clock, progress=progress)
    return replace(foundation, nodes=stack.outputs)


def remove_nodes(
    clients: Clients, environment: Environment, *, clock: Clock, progress: Say = say_nothing
) -> bool:
    """Delete the stack; say whether there was one. No instance may be left that uses it."""
    name = nodes_stack_name(environment)
    return remove_stack(clients, name, clock=clock, progress=progress)


def _desired(
    environment: Environment, foundation: Foundation, needs: Needs, cidrs: tuple[str, ...]
) -> DesiredStack:
    template = _template(environment, needs, cidrs)
    values = {
        "WorkerPolicyArn": foundation.worker_policy_arn,
        "HeadRoleName": foundation.head_role_name,
        "VpcId": foundation.vpc_id,
    }
    return DesiredStack(
        name=nodes_stack_name(environment),
        template=body_of(template),
        parameters={name: values[name] for name in template["Parameters"]},
        tags=stack_tags(environment),
    )


def _template(environment: Environment, needs: Needs, cidrs: tuple[str, ...]) -> dict[str, Any]:
    boundary = environment.nodes.permissions_boundary
    return nodes_template(environment.name, needs, cidrs, boundary)


def _resources(environment: Environment, needs: Needs, cidrs: tuple[str, ...]) -> Resources:
    found: Resources = _template(environment, needs, cidrs)["Resources"]
    return found


def _vpc_cidrs(
    clients: Clients, environment: Environment, foundation: Foundation | None, needs: Needs
) -> tuple[str, ...]:
    """Return the ranges of the VPC, in which file systems have their mount targets."""
    if not any(one.mounts_efs for one in (needs.head, *needs.groups.values())):
        return ()
    vpc_id = foundation.vpc_id if foundation else environment.network.vpc_id
    if not vpc_id:
        return (str(environment.network.cidr),)
    with translated(f"reading the ranges of {vpc_id}"):
        (vpc,) = clients("ec2").describe_vpcs(VpcIds=[vpc_id])["Vpcs"]
    found = vpc["CidrBlockAssociationSet"]
    return tuple(sorted(one["CidrBlock"] for one in found if _is_associated(one)))


def _is_associated(block: dict[str, Any]) -> bool:
    return bool(block["CidrBlockState"]["State"] == "associated")


def _removals(clients: Clients, stack: Stack) -> tuple[ResourceChange, ...]:
    """Return that every resource of a stack is removed."""
    with translated(f"listing the resources of {stack.name}"):
        pages = clients("cloudformation").get_paginator("list_stack_resources")
        found = [
            one
            for page in pages.paginate(StackName=stack.id)
            for one in page["StackResourceSummaries"]
        ]
    return tuple(
        ResourceChange(
            "remove",
            one["LogicalResourceId"],
            one["ResourceType"],
            one.get("PhysicalResourceId", ""),
        )
        for one in found
    )


def _changes(old: Resources, new: Resources) -> Iterator[ResourceChange]:
    """Yield what differs between the resources of two templates."""
    for name, resource in new.items():
        if name not in old:
            yield ResourceChange("add", name, resource["Type"])
        elif resource != old[name]:
            before, after = old[name]["Properties"], resource["Properties"]
            keys = sorted(before.keys() | after.keys())
            properties = tuple(key for key in keys if before.get(key) != after.get(key))
            yield ResourceChange("change", name, resource["Type"], properties=properties)
    for name in sorted(old.keys() - new.keys()):
        yield ResourceChange("remove", name, old[name]["Type"])
