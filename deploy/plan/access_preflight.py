"""Find what nodes are to access and cannot: policies, buckets, security groups. Reads AWS."""

from collections.abc import Iterator
from functools import partial

from common.clients import Clients, translated
from common.environment import Environment
from deploy.foundation.node_needs import NodeNeeds, access_needs, group_needs
from deploy.foundation.stack import Foundation
from deploy.plan.access_places import written
from deploy.plan.finding import Finding
from deploy.plan.look_up import look_up
from deploy.release.release import Release

# Of a network interface, unless the quota L-2AFB9258 is raised:
# https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
MOST_SECURITY_GROUPS = 5
# For connections that a security group's members open, unless the quota L-0EA8095F is raised; from
# the same page.
MOST_RULES = 60
# Of a role, unless the quota L-0DA4ABF3 is raised:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MOST_POLICIES = 10


def access_findings(
    clients: Clients, environment: Environment, foundation: Foundation | None, release: Release
) -> tuple[Finding, ...]:
    """Return what would fail when roles and launch templates are made, or later on a node."""
    return (
        *_policies(clients, environment, release),
        *_buckets(clients, environment, release),
        *_security_groups(clients, environment, foundation, release),
        *_quotas(release),
    )


def _policies(clients: Clients, environment: Environment, release: Release) -> Iterator[Finding]:
    policies = written(environment, release, "policy_arns")
    if boundary := environment.nodes.permissions_boundary:
        policies.setdefault(boundary, "nodes.permissions_boundary")
    for arn, place in policies.items():
        if arn.split(":")[4] not in ("aws", environment.account_id):
            words = f"{place}: {arn} belongs to another account"
            yield Finding(words, "roles take policies of their own account, and AWS's", fatal=True)
            continue
        if arn.split(":")[1] != (partition := clients("ec2").meta.partition):
            words = f"{place}: {arn} is not of the partition {partition}"
            yield Finding(words, f"begin it with arn:{partition}:", fatal=True)
            continue
        yield from _policy(clients, arn, place)


def _policy(clients: Clients, arn: str, place: str) -> Iterator[Finding]:
    found = look_up(
        f"the policy {arn}",
        lambda: clients("iam").get_policy(PolicyArn=arn),
        ("NoSuchEntity",),
        missing=Finding(
            f"{place}: there is no policy {arn}", "create it, or correct its ARN", fatal=True
        ),
        denied=Finding(
            f"{place}: these credentials may not look for {arn}",
            "allow iam:GetPolicy, or see that it exists",
        ),
    )
    if isinstance(found, Finding):
        yield found
    elif not found["Policy"].get("IsAttachable", True):
        yield Finding(f"{place}: {arn} cannot be attached", "name another policy", fatal=True)


def _buckets(clients: Clients, environment: Environment, release: Release) -> Iterator[Finding]:
    buckets: dict[str, str] = {}
    for objects, place in written(environment, release, "s3_read", "s3_write").items():
        buckets.setdefault(objects.partition("/")[0], place)
    for bucket, place in buckets.items():
        found = look_up(
            f"the bucket {bucket}",
            partial(clients("s3").head_bucket, Bucket=bucket),
            ("404", "NoSuchBucket"),
            missing=Finding(
                f"{place}: there is no bucket {bucket}",
                "create it, or correct its name",
                fatal=True,
            ),
            denied=Finding(
                f"{place}: these credentials may not look for the bucket {bucket}",
                "if it is another account's, its policy must allow yours",
            ),
        )
        if isinstance(found, Finding):
            yield found


def _security_groups(
    clients: Clients, environment: Environment, foundation: Foundation | None, release: Release
) -> Iterator[Finding]:
    groups = written(environment, release, "security_group_ids")
    if not groups:
        return
    vpc_id = foundation.vpc_id if foundation else environment.network.vpc_id
    filters = [{"Name": "group-id", "Values": sorted(groups)}]
    with translated("looking for the security groups"):
        pages = clients("ec2").get_paginator("describe_security_groups")
        found = {
            group["GroupId"]: group["VpcId"]
            for page in pages.paginate(Filters=filters)
            for group in page["SecurityGroups"]
        }
    for group, place in groups.items():
        if group not in found:
            words = f"{place}: there is no security group {group}"
            yield Finding(words, "create it, or correct its id", fatal=True)
        elif found[group] != vpc_id:
            words = f"{place}: {group} is in {found[group]}, the cluster in {vpc_id or 'a new VPC'}"
            yield Finding(words, "name security groups of the cluster's VPC", fatal=True)


def _quotas(release: Release) -> Iterator[Finding]:
    """Find what exceeds the quotas of an account that has not raised them."""
    settings = release.settings
    kinds = {"head": access_needs(settings.head_access)}
    kinds |= {f"workers.{group.name}": group_needs(group) for group in settings.groups}
    for place, needs in kinds.items():
        groups, policies = _security_group_count(needs), 1 + len(needs.policy_arns)
        rules = len(needs.egress) + needs.mounts_efs
        if groups > MOST_SECURITY_GROUPS:
            words = f"{place}: {groups} security groups, and an interface takes"
            yield Finding(f"{words} {MOST_SECURITY_GROUPS}", "raise the quota vpc, L-2AFB9258")
        if rules > MOST_RULES:
            words = f"{place}: {rules} rules of egress, and a security group takes {MOST_RULES}"
            yield Finding(words, "name wider ranges, or raise the quota vpc, L-0EA8095F")
        if policies > MOST_POLICIES:
            words = f"{place}: {policies} managed policies, and a role takes"
            yield Finding(f"{words} {MOST_POLICIES}", "raise the quota iam, L-0DA4ABF3")


def _security_group_count(needs: NodeNeeds) -> int:
    return 1 + needs.has_security_group + len(needs.security_group_ids)
