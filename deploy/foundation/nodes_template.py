"""The template of what nodes have besides the foundation, a stack of its own. Pure: no AWS.

CloudFormation has no loops over groups, and the foundation's template nearly fills a request: so
this one is generated, with only what a release needs. A group's resources begin with its name, in
which X stands for each hyphen, as logical ids are alphanumeric:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resources-section-structure.html
"""

import json
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from common.errors import Refused
from common.nodes import EgressRule
from common.worker_groups import HEAD
from deploy.foundation.data_policies import (
    Statement,
    data_statements,
    key_statements,
    launch_statements,
)
from deploy.foundation.desired_stack import TAG_KEYS
from deploy.foundation.node_needs import Needs, NodeNeeds

Resources = dict[str, dict[str, Any]]

PARAMETERS = ("WorkerPolicyArn", "HeadRoleName", "VpcId", TAG_KEYS)
NFS = 2049
# A group that lists no egress would allow all of it.
NO_EGRESS = {
    "IpProtocol": "tcp",
    "FromPort": 443,
    "ToPort": 443,
    "CidrIp": "127.0.0.1/32",
    "Description": "None",
}
LARGEST_BODY = 51_200  # bytes, CloudFormation quotas
# Characters without white space of a managed policy, and of a role's inline policies together:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LARGEST_MANAGED, LARGEST_INLINE = 6_144, 10_240


def logical_id(name: str, what: str) -> str:
    """Return the logical id, and the output, of something that a group, or the head, has."""
    return name.replace("-", "X") + what


def resources_for(
    environment: str, needs: Needs, vpc_cidrs: tuple[str, ...], boundary: str = ""
) -> Resources:
    """Return the resources; none when the foundation has all that is needed.

    ``vpc_cidrs`` are the ranges in which file systems have their mount targets; ``boundary`` is the
    permissions boundary of the roles. Raises Refused for policies that IAM would not take.
    """
    resources: Resources = {}
    for name, one in ((HEAD, needs.head), *sorted(needs.groups.items())):
        if one.has_security_group:
            resources |= _security_group(environment, name, one, vpc_cidrs)
        if one.is_placed:
            group = {"Type": "AWS::EC2::PlacementGroup", "Properties": {"Strategy": "cluster"}}
            resources[logical_id(name, "PlacementGroup")] = group
        if one.has_role and name != HEAD:
            resources |= _role(environment, name, one, boundary)
    return resources | _head_policy(needs)


def nodes_template(resources: Resources) -> dict[str, Any]:
    """Return the template of these resources, with the parameters and outputs that they have."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What Raykiln's nodes of one environment have besides its foundation.",
        "Parameters": {
            name: {"Type": "String"}
            for name in PARAMETERS
            if name == TAG_KEYS or _uses(resources, name)
        },
        "Resources": dict(sorted(resources.items())),
        "Outputs": _outputs(resources),
    }


def body_of(template: dict[str, Any]) -> str:
    """Return the template as it is sent; raises Refused if CloudFormation would not take it."""
    body = json.dumps(template, separators=(",", ":"))
    if len(body) > LARGEST_BODY:
        raise Refused(
            f"what the groups may access makes a template of {len(body)} bytes, "
            f"and CloudFormation takes {LARGEST_BODY}",
            hint="put more of it into policies of your own: policy_arns",
        )
    return body


def _role(environment: str, name: str, needs: NodeNeeds, boundary: str) -> Resources:
    properties: dict[str, Any] = {
        # A head may pass the roles below this path to what it launches.
        "Path": f"/raykiln/{environment}/workers/",
        "AssumeRolePolicyDocument": _policy(
            [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "ec2.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ]
        ),
        "ManagedPolicyArns": [{"Ref": "WorkerPolicyArn"}, *needs.policy_arns],
    }
    if boundary:
        properties["PermissionsBoundary"] = boundary
    if statements := data_statements(needs):
        document = _checked(f"workers.{name}", statements, LARGEST_INLINE)
        properties["Policies"] = [{"PolicyName": "data", "PolicyDocument": document}]
    role = logical_id(name, "Role")
    return {
        role: {"Type": "AWS::IAM::Role", "Properties": properties},
        logical_id(name, "Profile"): {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"Roles": [{"Ref": role}]},
        },
    }


def _security_group(
    environment: str, name: str, needs: NodeNeeds, vpc_cidrs: tuple[str, ...]
) -> Resources:
    """Return the group, and with EFA its rules to and from itself, for all traffic.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html#efa-start-security
    """
    group = logical_id(name, "SecurityGroup")
    rules = _egress_rules(needs, vpc_cidrs)
    found: Resources = {
        group: {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": f"What {name} of {environment} may reach besides its cluster",
                "VpcId": {"Ref": "VpcId"},
                "SecurityGroupEgress": rules or [NO_EGRESS],
            },
        }
    }
    if needs.efa:
        itself = {"GroupId": {"Ref": group}, "IpProtocol": "-1", "Description": "EFA"}
        found[logical_id(name, "FromItself")] = {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**itself, "SourceSecurityGroupId": {"Ref": group}},
        }
        found[logical_id(name, "ToItself")] = {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {**itself, "DestinationSecurityGroupId": {"Ref": group}},
        }
    return found


def _egress_rules(needs: NodeNeeds, vpc_cidrs: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rules for connections; EC2 refuses the same one twice, whatever it is for.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupEgress.html
    """
    rules = dict.fromkeys((EgressRule.parse(rule) for rule in needs.egress), "egress")
    for cidr in vpc_cidrs if needs.mounts_efs else ():
        rules.setdefault(EgressRule("tcp", NFS, NFS, IPv4Network(cidr)), "EFS")
    return [
        {
            "IpProtocol": rule.protocol,
            "FromPort": rule.first_port,
            "ToPort": rule.last_port,
            "CidrIp": str(rule.cidr),
            "Description": why,
        }
        for rule, why in rules.items()
    ]


def _head_policy(needs: Needs) -> Resources:
    """Return what heads may besides: their own data, and launching what the groups have."""
    statements = [
        *data_statements(needs.head),
        *launch_statements(dict.fromkeys(_launched_with(needs))),
        *key_statements(needs.kms_keys),
    ]
    if not statements:
        return {}
    properties = {
        "PolicyDocument": _checked("head", statements, LARGEST_MANAGED),
        "Roles": [{"Ref": "HeadRoleName"}],
    }
    policy = {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}
    return {logical_id(HEAD, "Policy"): policy}


def _launched_with(needs: Needs) -> Iterator[str]:
    """Yield the resources of launches that only some groups have."""
    for name, one in sorted(needs.groups.items()):
        if one.has_security_group:
            yield f"security-group/${{{logical_id(name, 'SecurityGroup')}}}"
        if one.is_placed:
            yield f"placement-group/${{{logical_id(name, 'PlacementGroup')}}}"
        yield from (f"security-group/{group}" for group in one.security_group_ids)
        yield from (f"capacity-reservation/{one}" for one in one.capacity_reservation_ids)


def _policy(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _checked(place: str, statements: list[Statement], largest: int) -> dict[str, Any]:
    """Return the policy; raises Refused when IAM would find it too long."""
    document = _policy(statements)
    size = len(json.dumps(document, separators=(",", ":")))
    if size > largest:
        raise Refused(
            f"{place}: s3_read and s3_write make a policy of {size} characters, "
            f"and IAM takes {largest}",
            hint="use fewer and wider prefixes, or a policy of your own: policy_arns",
        )
    return document


def _uses(resources: Resources, parameter: str) -> bool:
    return json.dumps({"Ref": parameter}) in json.dumps(resources)


def _outputs(resources: Resources) -> dict[str, Any]:
    """Return what launch templates need to know."""
    attributes = {"AWS::IAM::InstanceProfile": "Arn", "AWS::EC2::SecurityGroup": "GroupId"}
    found: dict[str, Any] = {
        name: {"Value": {"Fn::GetAtt": [name, attributes[resource["Type"]]]}}
        for name, resource in sorted(resources.items())
        if resource["Type"] in attributes
    }
    # The document pipeline's stack adds to the role of the group that it runs on.
    by_name = ("AWS::EC2::PlacementGroup", "AWS::IAM::Role")
    names = [name for name, resource in sorted(resources.items()) if resource["Type"] in by_name]
    return found | {name: {"Value": {"Ref": name}} for name in (*names, TAG_KEYS)}
