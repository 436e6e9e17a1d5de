"""Decide what a destroy deletes, and in which order. Pure: no AWS, no clock.

The heads go first, so that no autoscaler launches workers again; the stacks go last, since
everything else depends on them. What was given (a VPC, a zone, a bucket) stays; of a given bucket
only our prefix is emptied. Images do not belong to an environment, and stay.
"""

from dataclasses import dataclass
from typing import ClassVar

from common.environment import Environment
from deploy.cluster.state import ClusterState
from deploy.foundation.stack import nodes_stack_name
from deploy.plan.steps import DeleteTemplate, Plan, Step


@dataclass(frozen=True)
class DeleteGroup(Step):
    """Terminate the heads and delete their group."""

    kind: ClassVar[str] = "group"


@dataclass(frozen=True)
class TerminateInstances(Step):
    """Terminate every instance that has the environment's tags."""

    kind: ClassVar[str] = "instances"


@dataclass(frozen=True)
class EmptyBucket(Step):
    """Delete every version of every object in the bucket, or under our prefix."""

    bucket: str
    prefix: str
    kind: ClassVar[str] = "bucket"


@dataclass(frozen=True)
class DeleteSecret(Step):
    """Delete the secret of that name."""

    name: str
    kind: ClassVar[str] = "secret"


@dataclass(frozen=True)
class DeleteNodes(Step):
    """Delete the stack of what nodes have besides the foundation."""

    kind: ClassVar[str] = "nodes"


@dataclass(frozen=True)
class DeleteFoundation(Step):
    """Delete the stack."""

    kind: ClassVar[str] = "foundation"


def plan_destroy(environment: Environment, state: ClusterState) -> Plan:
    """Return what would be deleted; empty when nothing exists."""
    steps = (
        *_group(environment, state),
        *_instances(state),
        *_templates(state),
        *_secrets(environment, state),
        *_bucket(environment, state),
        *_nodes(environment, state),
        *_foundation(environment, state),
    )
    return Plan(environment.name, state.release.id if state.release else "", steps)


def _group(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    if state.group is None:
        return ()
    heads = ", ".join(member.instance_id for member in state.group.members) or "no heads"
    return (DeleteGroup(f"group {environment.head_group}", heads, "-"),)


def _instances(state: ClusterState) -> tuple[Step, ...]:
    """A head may launch a worker until it is terminated, so this step follows every group."""
    if not (state.instances or state.group):
        return ()
    names = ", ".join(f"{i.role} {i.id}" for i in state.instances) or "any that are left by then"
    return (TerminateInstances("instances", names, "-"),)


def _templates(state: ClusterState) -> tuple[Step, ...]:
    head = (state.head_template,) if state.head_template else ()
    return tuple(
        DeleteTemplate(
            f"launch template {found.name}", f"versions: {len(found.versions)}", "-", found.name
        )
        for found in (*head, *state.worker_templates)
    )


def _secrets(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    """The password of a Redis that was given stays with it."""
    found = (state.secret, None if environment.head.redis else state.state_secret)
    return tuple(
        DeleteSecret(f"secret {secret.name}", "", "-", secret.name) for secret in found if secret
    )


def _bucket(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    """Deleted versions are in no list of keys but keep the bucket from being deleted."""
    bucket = environment.bucket
    if environment.existing_bucket:
        prefix = f"{environment.name}/"
        ours = EmptyBucket(f"s3://{bucket}/{prefix}", "the bucket stays", "-", bucket, prefix)
        return (ours,) if state.keys else ()
    if not state.stack_status:
        return ()
    return (EmptyBucket(f"content of s3://{bucket}", "all versions", "-", bucket, ""),)


def _nodes(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    if not state.nodes_status:
        return ()
    return (DeleteNodes(f"stack {nodes_stack_name(environment)}", state.nodes_status, "-"),)


def _foundation(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    if not state.stack_status:
        return ()
    given = [
        words
        for words, value in (
            (f"VPC {environment.network.vpc_id}", environment.network.vpc_id),
            (f"zone {environment.dns.zone_id}", environment.dns.zone_id),
            (f"bucket {environment.bucket}", environment.existing_bucket),
        )
        if value
    ]
    why = f"{', '.join(given)} stay" if given else state.stack_status
    return (DeleteFoundation(f"stack {environment.stack}", why, "-"),)
