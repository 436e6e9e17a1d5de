"""Plan, apply and remove the stack of what nodes have besides the foundation. Touches AWS.

It exists only where something is needed, and follows from releases (node_needs.py). A rollout
changes it twice, as instances of both releases run meanwhile. It holds no data: so whatever
CloudFormation finds to change is changed, and a step that was killed is run again.
"""

from collections.abc import Iterator
from dataclasses import replace

from common.clients import Clients, translated
from common.environment import Environment
from common.progress import Say, say_nothing
from common.waiting import Clock
from deploy.foundation.desired_stack import TAG_KEYS, DesiredStack, stack_tags, tag_keys
from deploy.foundation.node_needs import Needs
from deploy.foundation.nodes_template import Resources, body_of, nodes_template, resources_for
from deploy.foundation.stack import Foundation, Stack, find_stack, nodes_stack_name
from deploy.foundation.stack_changes import apply_stack, plan_stack, remove_stack
from deploy.foundation.stack_plan import NodesPlan, ResourceChange, StackPlan
from deploy.foundation.vpc import vpc_ranges


def plan_nodes(
    clients: Clients,
    environment: Environment,
    foundation: Foundation | None,
    before: Needs,
    after: Needs,
    *,
    clock: Clock,
) -> NodesPlan:
    """Return what has to change on the way from the needs of one release to those of another.

    ``foundation`` is None when there is none yet. Takes one call when there is no such stack, and
    nothing is needed.
    """
    name = nodes_stack_name(environment)
    cidrs = _vpc_cidrs(clients, environment, foundation, before.united(after))
    stack = find_stack(clients, name)
    existing = _existing(clients, stack)
    wide = existing | _resources(environment, before.united(after), cidrs)
    narrow = _resources(environment, after, cidrs)
    narrowing = StackPlan(name, False, tuple(_changes(wide, narrow)))
    if stack is None or foundation is None or not wide:
        added = tuple(_changes(existing, wide))
        return NodesPlan(StackPlan(name, bool(added) and stack is None, added), narrowing)
    desired = _desired(environment, foundation, wide)
    return NodesPlan(plan_stack(clients, desired, clock=clock), narrowing)


def widen_nodes(
    clients: Clients,
    environment: Environment,
    foundation: Foundation,
    before: Needs,
    after: Needs,
    *,
    clock: Clock,
    progress: Say = say_nothing,
) -> Foundation:
    """Add to the stack what nodes of two releases need; return the foundation with its outputs.

    What is in the stack stays: instances may use it. Raises PipelineError, naming resource and
    reason, when it failed.
    """
    needs = before.united(after)
    cidrs = _vpc_cidrs(clients, environment, foundation, needs)
    existing = _existing(clients, find_stack(clients, nodes_stack_name(environment)))
    wide = existing | _resources(environment, needs, cidrs)
    return _applied(clients, environment, foundation, wide, clock=clock, progress=progress)


def narrow_nodes(
    clients: Clients,
    environment: Environment,
    foundation: Foundation,
    needs: Needs,
    *,
    clock: Clock,
    progress: Say = say_nothing,
) -> Foundation:
    """Leave in the stack only what nodes of a release need, and no stack when that is nothing.

    No instance may be left that uses the rest. Raises PipelineError, as ``widen_nodes``.
    """
    cidrs = _vpc_cidrs(clients, environment, foundation, needs)
    narrow = _resources(environment, needs, cidrs)
    return _applied(clients, environment, foundation, narrow, clock=clock, progress=progress)


def remove_nodes(
    clients: Clients, environment: Environment, *, clock: Clock, progress: Say = say_nothing
) -> bool:
    """Delete the stack; say whether there was one. No instance may be left that uses it."""
    name = nodes_stack_name(environment)
    return remove_stack(clients, name, clock=clock, progress=progress)


def _applied(
    clients: Clients,
    environment: Environment,
    foundation: Foundation,
    resources: Resources,
    *,
    clock: Clock,
    progress: Say,
) -> Foundation:
    if not resources:
        remove_nodes(clients, environment, clock=clock, progress=progress)
        return replace(foundation, nodes={})
    desired = _desired(environment, foundation, resources)
    stack = apply_stack(clients, desired, clock=clock, progress=progress)
    return replace(foundation, nodes=stack.outputs)


def _desired(
    environment: Environment, foundation: Foundation, resources: Resources
) -> DesiredStack:
    template = nodes_template(resources)
    values = {
        "WorkerPolicyArn": foundation.worker_policy_arn,
        "HeadRoleName": foundation.head_role_name,
        "VpcId": foundation.vpc_id,
        TAG_KEYS: tag_keys(environment),
    }
    return DesiredStack(
        name=nodes_stack_name(environment),
        template=body_of(template),
        parameters={name: values[name] for name in template["Parameters"]},
        tags=stack_tags(environment),
    )


def _resources(environment: Environment, needs: Needs, cidrs: tuple[str, ...]) -> Resources:
    boundary = environment.nodes.permissions_boundary
    return resources_for(environment.name, needs, cidrs, boundary)


def _existing(clients: Clients, stack: Stack | None) -> Resources:
    """Return the resources of the stack's template; none of one that was never created."""
    if stack is None or not stack.is_usable:
        return {}
    with translated(f"reading the template of {stack.name}"):
        found = clients("cloudformation").get_template(StackName=stack.id, TemplateStage="Original")
    # boto3 parses a template in JSON.
    resources: Resources = found["TemplateBody"]["Resources"]
    return resources


def _vpc_cidrs(
    clients: Clients, environment: Environment, foundation: Foundation | None, needs: Needs
) -> tuple[str, ...]:
    """Return the ranges of the VPC, in which file systems have their mount targets."""
    if not any(one.mounts_efs for one in (needs.head, *needs.groups.values())):
        return ()
    vpc_id = foundation.vpc_id if foundation else environment.network.vpc_id
    if not vpc_id:
        return (str(environment.network.cidr),)
    return vpc_ranges(clients, vpc_id)


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
