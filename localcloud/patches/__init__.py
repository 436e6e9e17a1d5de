"""Where the stand-in AWS differs from moto: one module per gap, each citing its AWS page.

``install`` puts every patch into moto's classes (once a process) and registers what the control
plane does by itself with the world.
"""

from typing import Protocol

from localcloud.patches import (
    addresses,
    applicationautoscaling,
    autoscaling,
    awslambda,
    capacity_reservations,
    client_tokens,
    clocks,
    cloudformation,
    cloudwatch,
    console,
    dynamodb_expiry,
    dynamodb_transactions,
    ec2,
    ecr,
    ecs,
    elasticache,
    elbv2,
    endpoints,
    iam,
    image_copies,
    image_states,
    instance_types,
    interruptions,
    kms_grants,
    kms_signatures,
    launch_checks,
    launch_interfaces,
    launch_placement,
    launch_templates,
    linked_roles,
    log_pages,
    machine_images,
    many_instances,
    placement_groups,
    private_zones,
    response_shapes,
    rule_descriptions,
    s3_events,
    s3vectors,
    servicediscovery,
    shortages,
    sns,
    spot,
    sqs_polling,
    sqs_visibility,
    ssm,
    template_launches,
    volume_keys,
    vpcs,
    web_identity,
)
from localcloud.world import World


class Patch(Protocol):
    """What each module of this package offers."""

    def install(self) -> None:
        """Apply the patch to moto's classes; a second call does nothing."""

    def attach(self, world: World) -> None:
        """Register what this part does by itself with ``world.reconcilers``."""


PATCHES: tuple[Patch, ...] = (
    addresses,
    response_shapes,
    ec2,
    rule_descriptions,
    console,
    instance_types,
    machine_images,
    image_states,
    image_copies,
    many_instances,
    placement_groups,
    shortages,
    spot,
    volume_keys,
    launch_checks,
    launch_interfaces,
    launch_placement,
    capacity_reservations,
    interruptions,
    kms_grants,
    kms_signatures,
    clocks,
    launch_templates,
    template_launches,
    autoscaling,
    endpoints,
    private_zones,
    elbv2,
    elasticache,
    ecr,
    ecs,
    servicediscovery,
    cloudwatch,
    applicationautoscaling,
    awslambda,
    s3_events,
    dynamodb_expiry,
    dynamodb_transactions,
    sns,
    s3vectors,
    sqs_polling,
    sqs_visibility,
    ssm,
    cloudformation,
    iam,
    web_identity,
    linked_roles,
    log_pages,
    vpcs,
    client_tokens,
)


def install(world: World) -> None:
    """Apply every patch and attach it to the world, in the order of ``PATCHES``."""
    for patch in PATCHES:
        patch.install()
        patch.attach(world)
