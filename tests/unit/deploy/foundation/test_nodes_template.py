"""The template of what nodes have besides the foundation, in full."""

import json
from typing import Any

import pytest

from common.errors import Refused
from deploy.foundation.node_needs import Needs, NodeNeeds, access_needs, group_needs, needs_of
from deploy.foundation.nodes_stack import _changes
from deploy.foundation.nodes_template import body_of, logical_id, nodes_template, resources_for
from deploy.foundation.stack_plan import ResourceChange
from deploy.release.settings import Access
from tests.unit.deploy.builders import a_group, a_release

EC2_MAY_ASSUME = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def allow(sid: str, actions: list[str], resources: list[Any], **condition: Any) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def s3(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{name}"}


def ec2(resource: str) -> dict[str, str]:
    prefix = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:"
    return {"Fn::Sub": prefix + resource}


def resources(*cidrs: str, boundary: str = "", **groups: NodeNeeds) -> Any:
    named = {name.replace("_", "-"): one for name, one in groups.items() if name != "head"}
    needs = Needs(head=groups.get("head", NodeNeeds()), groups=named)
    return resources_for("dev", needs, cidrs, boundary)


def test_a_group_with_data_of_its_own_has_a_role_and_a_profile() -> None:
    gpu = NodeNeeds(
        policy_arns=("arn:policy",),
        s3_read=("models/*", "data/a/*", "data/b/*"),
        s3_write=("out/*",),
    )

    assert resources(boundary="arn:boundary", big_gpu=gpu) == {
        "bigXgpuRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Path": "/raykiln/dev/workers/",
                "AssumeRolePolicyDocument": EC2_MAY_ASSUME,
                "ManagedPolicyArns": [{"Ref": "WorkerPolicyArn"}, "arn:policy"],
                "PermissionsBoundary": "arn:boundary",
                "Policies": [
                    {
                        "PolicyName": "data",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                allow(
                                    "ReadObjects",
                                    ["s3:GetObject"],
                                    [s3("models/*"), s3("data/a/*"), s3("data/b/*")],
                                ),
                                allow("ListBucket0", ["s3:ListBucket"], [s3("models")]),
                                allow(
                                    "ListBucket1",
                                    ["s3:ListBucket"],
                                    [s3("data")],
                                    StringLike={"s3:prefix": ["a/*", "b/*"]},
                                ),
                                allow(
                                    "WriteObjects",
                                    [
                                        "s3:PutObject",
                                        "s3:DeleteObject",
                                        "s3:AbortMultipartUpload",
                                        "s3:ListMultipartUploadParts",
                                    ],
                                    [s3("out/*")],
                                ),
                            ],
                        },
                    }
                ],
            },
        },
        "bigXgpuProfile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"Roles": [{"Ref": "bigXgpuRole"}]},
        },
    }


def test_a_role_that_only_the_documents_need_has_no_policy_of_its_own() -> None:
    role = resources(docs=NodeNeeds(runs_documents=True))["docsRole"]["Properties"]

    assert role == {
        "Path": "/raykiln/dev/workers/",
        "AssumeRolePolicyDocument": EC2_MAY_ASSUME,
        "ManagedPolicyArns": [{"Ref": "WorkerPolicyArn"}],
    }


def test_connections_make_a_security_group_that_heads_may_launch_with() -> None:
    gpu = NodeNeeds(
        egress=("tcp/443 to 10.0.0.0/8",), mounts_efs=True, efa=True, is_placed=True,
        security_group_ids=("sg-1",), capacity_reservation_ids=("cr-1",),
    )  # fmt: skip

    found = resources("10.1.0.0/16", gpu=gpu)

    itself = {"GroupId": {"Ref": "gpuSecurityGroup"}, "IpProtocol": "-1", "Description": "EFA"}

    def rule(port: int, cidr: str, why: str) -> dict[str, Any]:
        return {
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            "CidrIp": cidr,
            "Description": why,
        }

    assert found == {
        "gpuSecurityGroup": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "What gpu of dev may reach besides its cluster",
                "VpcId": {"Ref": "VpcId"},
                "SecurityGroupEgress": [
                    rule(443, "10.0.0.0/8", "egress"),
                    rule(2049, "10.1.0.0/16", "EFS"),
                ],
            },
        },
        "gpuFromItself": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**itself, "SourceSecurityGroupId": {"Ref": "gpuSecurityGroup"}},
        },
        "gpuToItself": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {**itself, "DestinationSecurityGroupId": {"Ref": "gpuSecurityGroup"}},
        },
        "gpuPlacementGroup": {
            "Type": "AWS::EC2::PlacementGroup",
            "Properties": {"Strategy": "cluster"},
        },
        "headPolicy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        allow(
                            "LaunchWithWhatTheGroupsHave",
                            ["ec2:RunInstances"],
                            [
                                ec2("security-group/${gpuSecurityGroup}"),
                                ec2("placement-group/${gpuPlacementGroup}"),
                                ec2("security-group/sg-1"),
                                ec2("capacity-reservation/cr-1"),
                            ],
                        )
                    ],
                },
                "Roles": [{"Ref": "HeadRoleName"}],
            },
        },
    }


def test_a_group_for_efa_alone_reaches_nothing_else() -> None:
    group = resources(gpu=NodeNeeds(efa=True))["gpuSecurityGroup"]["Properties"]

    assert group["SecurityGroupEgress"] == [
        {
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "CidrIp": "127.0.0.1/32",
            "Description": "None",
        }
    ]


def test_heads_may_have_ec2_use_the_keys_of_volumes() -> None:
    found = resources_for("dev", Needs(kms_keys=("arn:key",)), ())

    by_ec2 = {"kms:ViaService": {"Fn::Sub": "ec2.${AWS::Region}.amazonaws.com"}}
    assert found["headPolicy"]["Properties"]["PolicyDocument"]["Statement"] == [
        allow(
            "UseTheKeysOfVolumes",
            [
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncrypt*",
            ],
            ["arn:key"],
            StringEquals=by_ec2,
        ),
        allow(
            "LetVolumesUseTheKeys",
            ["kms:CreateGrant"],
            ["arn:key"],
            StringEquals=by_ec2,
            Bool={"kms:GrantIsForAWSResource": "true"},
        ),
    ]


def test_a_head_s_own_data_is_in_its_policy_and_not_in_a_role() -> None:
    found = resources(head=NodeNeeds(s3_read=("data/*",)))

    assert list(found) == ["headPolicy"]


def test_a_template_has_the_parameters_that_it_uses_and_what_launches_need() -> None:
    everything = resources(gpu=NodeNeeds(policy_arns=("a",), efa=True, is_placed=True))
    template = nodes_template(everything)

    def of(name: str, attribute: str) -> dict[str, Any]:
        return {"Value": {"Fn::GetAtt": [name, attribute]}}

    assert template == {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What Raykiln's nodes of one environment have besides its foundation.",
        "Parameters": {
            name: {"Type": "String"}
            for name in ("WorkerPolicyArn", "HeadRoleName", "VpcId", "TagKeys")
        },
        "Resources": everything,
        "Outputs": {
            "gpuProfile": of("gpuProfile", "Arn"),
            "gpuSecurityGroup": of("gpuSecurityGroup", "GroupId"),
            "gpuPlacementGroup": {"Value": {"Ref": "gpuPlacementGroup"}},
            "gpuRole": {"Value": {"Ref": "gpuRole"}},
            "TagKeys": {"Value": {"Ref": "TagKeys"}},
        },
    }
    assert list(template["Resources"]) == sorted(everything)
    assert list(nodes_template(resources(gpu=NodeNeeds(is_placed=True)))["Parameters"]) == [
        "HeadRoleName",
        "TagKeys",
    ]


def test_a_template_is_sent_without_spaces_and_may_fill_a_request() -> None:
    assert body_of({"a": [1, 2]}) == '{"a":[1,2]}'
    assert len(body_of({"a": "x" * 51_192})) == 51_200

    with pytest.raises(Refused) as refused:
        body_of({"a": "x" * 51_193})

    assert refused.value.message == (
        "what the groups may access makes a template of 51201 bytes, and CloudFormation takes 51200"
    )
    assert refused.value.hint == "put more of it into policies of your own: policy_arns"


@pytest.mark.parametrize(("name", "most"), [("head", 6_144), ("gpu", 10_240)])
def test_a_policy_may_be_as_long_as_iam_takes_it(name: str, most: int) -> None:
    def size(length: int) -> int:
        groups: Any = {name: NodeNeeds(s3_write=("b" * length,))}
        found = resources(**groups)
        head = found.get("headPolicy", {}).get("Properties", {})
        own = found.get("gpuRole", {}).get("Properties", {}).get("Policies", [head])[0]
        return len(json.dumps(own["PolicyDocument"], separators=(",", ":")))

    longest = most - size(1) + 1
    assert size(longest) == most

    with pytest.raises(Refused) as refused:
        size(longest + 1)

    place = "head" if name == "head" else "workers.gpu"
    assert refused.value.message == (
        f"{place}: s3_read and s3_write make a policy of {most + 1} characters, "
        f"and IAM takes {most}"
    )
    assert refused.value.hint == (
        "use fewer and wider prefixes, or a policy of your own: policy_arns"
    )


def test_logical_ids_have_no_hyphens() -> None:
    assert logical_id("big-gpu-2", "Role") == "bigXgpuX2Role"


def test_what_a_group_needs_is_what_its_settings_say() -> None:
    access = Access(
        policy_arns=("a",),
        s3_read=("b/*",),
        s3_write=("c/*",),
        security_group_ids=("sg-1",),
        egress=("tcp/443 to 10.0.0.0/8",),
        efs=(("fs-1", "/mnt"),),
    )
    group = a_group(
        access=access,
        efa_interfaces=1,
        placement="cluster",
        capacity_reservation_id="cr-1",
        runs_documents=True,
    )

    everything = NodeNeeds(
        policy_arns=("a",),
        s3_read=("b/*",),
        s3_write=("c/*",),
        security_group_ids=("sg-1",),
        egress=("tcp/443 to 10.0.0.0/8",),
        mounts_efs=True,
        efa=True,
        is_placed=True,
        capacity_reservation_ids=("cr-1",),
        runs_documents=True,
    )
    assert group_needs(group) == everything
    assert group_needs(a_group()) == access_needs(Access()) == NodeNeeds()
    settings = a_release(
        kms_key="arn:key", head_access=access, groups=(group, a_group(name="cpu"))
    ).settings
    assert needs_of(settings) == Needs(
        head=access_needs(access), groups={group.name: everything}, kms_keys=("arn:key",)
    )


@pytest.mark.parametrize(
    ("needs", "has_role", "has_security_group"),
    [
        (NodeNeeds(), False, False),
        (NodeNeeds(policy_arns=("a",)), True, False),
        (NodeNeeds(s3_read=("a",)), True, False),
        (NodeNeeds(s3_write=("a",)), True, False),
        (NodeNeeds(runs_documents=True), True, False),
        (NodeNeeds(egress=("a",)), False, True),
        (NodeNeeds(mounts_efs=True), False, True),
        (NodeNeeds(efa=True), False, True),
        (NodeNeeds(is_placed=True, security_group_ids=("a",)), False, False),
    ],
)
def test_a_role_or_a_security_group_comes_with_a_need(
    needs: NodeNeeds, has_role: bool, has_security_group: bool
) -> None:
    assert (needs.has_role, needs.has_security_group) == (has_role, has_security_group)


def test_what_serves_two_releases_has_each_thing_once() -> None:
    one = Needs(
        head=NodeNeeds(s3_read=("a", "b")),
        groups={"cpu": NodeNeeds(egress=("x",)), "old": NodeNeeds(efa=True)},
        kms_keys=("k1", "k2"),
    )
    other = Needs(
        head=NodeNeeds(s3_read=("b", "c"), mounts_efs=True),
        groups={"cpu": NodeNeeds(egress=("y",), is_placed=True)},
        kms_keys=("k2", "k3"),
    )

    assert one.united(other) == Needs(
        head=NodeNeeds(s3_read=("a", "b", "c"), mounts_efs=True),
        groups={
            "cpu": NodeNeeds(egress=("x", "y"), is_placed=True),
            "old": NodeNeeds(efa=True),
        },
        kms_keys=("k1", "k2", "k3"),
    )


def test_changes_between_two_templates_are_named_with_what_differs() -> None:
    def resource(**properties: Any) -> dict[str, Any]:
        return {"Type": "AWS::X", "Properties": properties}

    old = {
        "Same": resource(a=1),
        "Other": resource(a=1, b=2, c=3),
        "Z": resource(),
        "Y": resource(),
    }
    new = {"Other": resource(a=1, b=3, d=4), "Same": resource(a=1), "New": resource()}

    assert list(_changes(old, new)) == [
        ResourceChange("change", "Other", "AWS::X", properties=("b", "c", "d")),
        ResourceChange("add", "New", "AWS::X"),
        ResourceChange("remove", "Y", "AWS::X"),
        ResourceChange("remove", "Z", "AWS::X"),
    ]
