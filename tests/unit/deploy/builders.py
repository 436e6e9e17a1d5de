"""Inputs of pure decisions; a test names only what matters to it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.environment import Environment, environment_from
from common.instance_types import TypeFacts
from deploy.cluster.head_group import HeadGroup, Member
from deploy.cluster.instances import Instance
from deploy.cluster.launch_template import Template, TemplateVersion
from deploy.cluster.secret import Secret
from deploy.cluster.state import ClusterState, Lease, Targets
from deploy.foundation.stack import Foundation
from deploy.foundation.stack_plan import ResourceChange, StackPlan
from deploy.plan.desired_state import DesiredState
from deploy.release.groups import groups_of, settings_of, type_names
from deploy.release.release import Release
from deploy.release.settings import Group, NodeImage, Settings

ACCOUNT = "123456789012"
REGION = "us-east-1"
UNCHANGED = StackPlan("raykiln-dev", is_new=False, changes=())
NEW = StackPlan("raykiln-dev", is_new=True, changes=())


def an_environment(**changes: Any) -> Environment:
    """Return a small environment; ``changes`` replace tables or keys, and the name ``dev``."""
    name = changes.pop("name", "dev")
    tables: dict[str, Any] = {
        "region": REGION,
        "account_id": ACCOUNT,
        "network": {"operator_cidrs": ["10.77.0.1/32"]},
        "image": {
            "base_name": "debian-12-*",
            "base_owner": "136693071363",
            "packages": ["nfs-common"],
        },
        "head": {"instance_type": "m6i.large"},
        "workers": {"instance_type": "m6i.large", "min": 1, "max": 3},
        "dns": {"zone": "ray.internal"},
        "limits": {"health_check_interval_seconds": 5},
        "tags": {"project": "raykiln"},
    }
    return environment_from(tables | changes, Path(f"{name}.toml"))


def an_environment_that_sends_metrics(remote_write: str, **changes: Any) -> Environment:
    """Return one whose heads have Prometheus and a way to a workspace."""
    tables: dict[str, Any] = {
        "network": {"operator_cidrs": ["10.77.0.1/32"], "nat": True},
        "image": {"base_id": "ami-1", "packages": ["prometheus"]},
        "metrics": {"remote_write": remote_write},
    }
    return an_environment(**tables | changes)


def facts_of(environment: Environment) -> dict[str, TypeFacts]:
    """Return facts of an environment's types, all of one size, with all that a type may have."""
    return facts_named(type_names(environment))


def facts_named(names: Iterable[str]) -> dict[str, TypeFacts]:
    """Return facts of these types, all of one size, with all that a type may have."""
    hardware: dict[str, Any] = {
        "memory_mib": 8192,
        "disks": 1,
        "disk_gb": 118,
        "efa_interfaces": 1,
        "placements": ("cluster",),
    }
    return {name: TypeFacts(name, 2, 0, ("x86_64",), **hardware) for name in names}


def the_settings(environment: Environment, override: str = "{}") -> Settings:
    """Return the settings of an environment whose types are all of one size."""
    names = {group.image for group in environment.workers.values()}
    images = {name: an_image(f"ami-worker{name and f'-{name}'}") for name in names}
    groups = groups_of(environment, facts_of(environment), images)
    return settings_of(environment, groups, override)


def a_group(**changes: Any) -> Group:
    """Return the group of a small environment; ``changes`` replace what it has."""
    (group,) = the_settings(an_environment()).groups
    return replace(group, **changes)


def an_image(ami_id: str) -> NodeImage:
    """Return an image of a role."""
    return NodeImage(
        ami_id, digest=f"digest of {ami_id}", ray_version="2.60.0", root_device="/dev/xvda"
    )


def a_release(head: str = "ami-head", worker: str = "ami-worker", **changes: Any) -> Release:
    """Return a release of these images; ``changes`` replace settings."""
    settings = replace(the_settings(an_environment()), **changes)
    groups = tuple(replace(group, image=an_image(worker)) for group in settings.groups)
    return Release(an_image(head), replace(settings, groups=groups))


def a_desired_state(release: Release | None = None, **environment: Any) -> DesiredState:
    """Return a release in an environment."""
    return DesiredState(an_environment(**environment), release or a_release())


def a_foundation() -> Foundation:
    """Return the outputs of a stack."""
    return Foundation(
        vpc_id="vpc-1",
        private_subnet_ids=("subnet-a", "subnet-b"),
        head_security_group_id="sg-head",
        worker_security_group_id="sg-worker",
        head_instance_profile_arn="arn:aws:iam::123456789012:instance-profile/head",
        worker_instance_profile_arn="arn:aws:iam::123456789012:instance-profile/worker",
        bucket_name="raykiln-dev-123456789012-us-east-1",
        lease_table_name="raykiln-lease-dev",
        load_balancer_arn="arn:lb",
        load_balancer_dns_name="ray-head-dev.elb.us-east-1.amazonaws.com",
        target_group_arns=("arn:targetgroup/gcs/1", "arn:targetgroup/client/2"),
        topic_arn="arn:topic",
        head_name="ray-head.dev.ray.internal",
    )


def a_change(action: Any) -> StackPlan:
    """Return a plan that changes one resource of an existing stack."""
    change = ResourceChange(action, "Thing", "AWS::EC2::SecurityGroup")
    return StackPlan("raykiln-dev", is_new=False, changes=(change,))


def an_instance(
    name: str, role: str, content: str = "", autoscaler: str = "", group: str = "worker"
) -> Instance:
    """Return a running instance with this content and this autoscaler configuration."""
    return Instance(
        id=name,
        role=role,
        state="running",
        type="m6i.large",
        ami_id=f"ami-{role}",
        address="10.77.0.9",
        zone="us-east-1a",
        content=content,
        autoscaler=autoscaler,
        launched="2026-11-22T00:00:00+00:00",
        node_type="head" if role == "head" else group,
        group="" if role == "head" else group,
    )


def serving(desired: DesiredState, **outputs: Any) -> ClusterState:
    """Return a cluster that is in the desired state; ``outputs`` replace some of the stack's."""
    foundation = replace(a_foundation(), **outputs)
    workers = {
        group.name: TemplateVersion(
            f"lt-{group.name}", 4, desired.worker_content(foundation, group)
        )
        for group in desired.groups
    }
    document = desired.autoscaler(foundation, workers)
    head = TemplateVersion("lt-head", 7, desired.head_content(foundation))
    uri = document.uri(foundation.bucket_name)
    names = [f"i-head{number}" for number in range(desired.head_count)]
    members = tuple(Member(name, "InService", head.number, healthy=True) for name in names)
    health = ((names[0], "healthy"),)
    keeps = desired.environment.head.has_redis
    return ClusterState(
        stack_status="CREATE_COMPLETE",
        foundation=foundation,
        secret=Secret(desired.environment.secret, 1),
        state_secret=Secret(desired.environment.state_secret, 1) if keeps else None,
        worker_templates=tuple(
            Template(
                version.template_id,
                desired.environment.worker_template_of(name),
                (version,),
                version.number,
                group=name,
            )
            for name, version in workers.items()
        ),
        head_template=Template("lt-head", "ray-head-dev", (head,), head.number),
        group=HeadGroup(
            "ray-head-asg-dev", desired.group(foundation, head, document), members, False
        ),
        instances=(
            *(an_instance(name, "head", head.content.digest, uri) for name in names),
            *(
                an_instance(
                    f"i-{group.name}{number}",
                    "worker",
                    workers[group.name].content.digest,
                    group=group.name,
                )
                for group in desired.groups
                for number in range(group.min)
            ),
        ),
        lease=Lease(names[0], "10.77.0.9", epoch=1, beat=10, released=False, autoscaler=uri),
        targets=tuple(Targets(arn, health) for arn in foundation.target_group_arns),
        keys=frozenset({document.key, desired.release_document().key}),
        release=desired.release,
    )
