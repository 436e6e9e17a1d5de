"""Launch templates: versions, inheritance, deletion, and what RunInstances takes from them."""

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches.template_launches import merged_request, merged_tags
from tests.unit.localcloud.conftest import Clients


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


@pytest.fixture
def ec2(aws: Clients) -> Any:
    return aws("ec2")


def a_template(ec2: Any, name: str = "head", **data: Any) -> str:
    answer = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    return str(answer["LaunchTemplate"]["LaunchTemplateId"])


def a_version(ec2: Any, template: str, source: str | None = None, **data: Any) -> dict[str, Any]:
    base = {"SourceVersion": source} if source else {}
    answer = ec2.create_launch_template_version(
        LaunchTemplateId=template, LaunchTemplateData=data, **base
    )
    version: dict[str, Any] = answer["LaunchTemplateVersion"]
    return version


def numbers(ec2: Any, template: str, **wanted: Any) -> list[int]:
    answer = ec2.describe_launch_template_versions(LaunchTemplateId=template, **wanted)
    return [version["VersionNumber"] for version in answer["LaunchTemplateVersions"]]


def launched(ec2: Any, template: str, version: str | None = None, **request: Any) -> dict[str, Any]:
    which = {"LaunchTemplateId": template} | ({"Version": version} if version else {})
    answer = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate=which, **request)
    ids = [answer["Instances"][0]["InstanceId"]]
    found = ec2.describe_instances(InstanceIds=ids)["Reservations"][0]["Instances"][0]
    instance: dict[str, Any] = found
    return instance


def test_user_data_of_every_version_reaches_the_instance(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1", UserData=encoded("one"))
    a_version(ec2, template, ImageId="ami-2", UserData=encoded("two"))

    instance = launched(ec2, template, "2")

    answer = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="userData"
    )
    assert answer["UserData"]["Value"] == encoded("two")


def test_a_version_inherits_from_its_source_what_it_does_not_overwrite(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1", InstanceType="t3.small", UserData=encoded("one"))

    version = a_version(ec2, template, source="1", ImageId="ami-2")

    assert version["LaunchTemplateData"]["ImageId"] == "ami-2"
    assert version["LaunchTemplateData"]["InstanceType"] == "t3.small"
    assert version["LaunchTemplateData"]["UserData"] == encoded("one")


def test_a_version_without_a_source_holds_only_what_it_was_given(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1", InstanceType="t3.small")

    version = a_version(ec2, template, ImageId="ami-2")

    assert version["LaunchTemplateData"] == {"ImageId": "ami-2"}


def test_snapshots_are_not_inherited(ec2: Any) -> None:
    volume = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-1", "VolumeSize": 20}}
    template = a_template(ec2, ImageId="ami-1", BlockDeviceMappings=[volume])

    version = a_version(ec2, template, source="1", ImageId="ami-2")

    assert version["LaunchTemplateData"]["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}
    ]


def test_the_templates_own_tags_are_not_in_its_data(ec2: Any) -> None:
    specs = [{"ResourceType": "launch-template", "Tags": tags(team="ml")}]
    ec2.create_launch_template(
        LaunchTemplateName="tagged",
        LaunchTemplateData={"ImageId": "ami-1"},
        TagSpecifications=specs,
    )

    version = ec2.describe_launch_template_versions(LaunchTemplateName="tagged")
    template = ec2.describe_launch_templates(LaunchTemplateNames=["tagged"])["LaunchTemplates"][0]

    assert version["LaunchTemplateVersions"][0]["LaunchTemplateData"] == {"ImageId": "ami-1"}
    assert template["Tags"] == tags(team="ml")


def test_the_default_version_changes_only_on_request(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1")
    a_version(ec2, template, ImageId="ami-2")
    assert launched(ec2, template)["ImageId"] == "ami-1"
    assert launched(ec2, template, "$Latest")["ImageId"] == "ami-2"

    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")

    assert launched(ec2, template, "$Default")["ImageId"] == "ami-2"
    assert numbers(ec2, template, Versions=["$Default"]) == [2]


def test_a_deleted_versions_number_is_never_reused(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1")
    a_version(ec2, template, ImageId="ami-2")

    answer = ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=["2", "9"])
    a_version(ec2, template, ImageId="ami-3")

    deleted = answer["SuccessfullyDeletedLaunchTemplateVersions"]
    failed = answer["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert [item["VersionNumber"] for item in deleted] == [2]
    assert failed[0]["ResponseError"]["Code"] == "launchTemplateVersionDoesNotExist"
    assert numbers(ec2, template) == [3, 1]
    assert launched(ec2, template, "3")["ImageId"] == "ami-3"


def test_the_default_version_cannot_be_deleted(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1")
    a_version(ec2, template, ImageId="ami-2")

    with pytest.raises(ClientError, match="default version"):
        ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=["1", "2"])

    assert numbers(ec2, template) == [2, 1]


def test_a_missing_version_is_reported(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1")

    with pytest.raises(ClientError, match=r"InvalidLaunchTemplateId\.VersionNotFound"):
        launched(ec2, template, "2")


def test_listings_continue_after_one_page(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1")
    for _ in range(19):
        a_version(ec2, template, ImageId="ami-2")

    pages = ec2.get_paginator("describe_launch_template_versions").paginate(
        LaunchTemplateId=template, PaginationConfig={"PageSize": 8}
    )

    found = [v["VersionNumber"] for page in pages for v in page["LaunchTemplateVersions"]]
    assert found == list(range(20, 0, -1))
    assert len(numbers(ec2, template)) == 20


def test_run_instances_takes_everything_from_the_template(ec2: Any, aws: Clients) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24", AvailabilityZone="us-east-1a")[
        "Subnet"
    ]["SubnetId"]
    group = ec2.create_security_group(GroupName="w", Description="w", VpcId=vpc)["GroupId"]
    iam = aws("iam")
    profile = iam.create_instance_profile(InstanceProfileName="worker")["InstanceProfile"]
    template = a_template(
        ec2,
        ImageId="ami-1",
        InstanceType="t3.large",
        SecurityGroupIds=[group],
        IamInstanceProfile={"Arn": profile["Arn"]},
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags(role="worker", zone="a")}],
    )

    specs = [{"ResourceType": "instance", "Tags": tags(zone="b", cluster="dev")}]
    instance = launched(ec2, template, SubnetId=subnet, TagSpecifications=specs)

    assert instance["InstanceType"] == "t3.large"
    assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
    assert instance["IamInstanceProfile"]["Arn"] == profile["Arn"]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["InstanceMetadataTags"] == "enabled"
    assert {t["Key"]: t["Value"] for t in instance["Tags"]} == {
        "role": "worker",
        "zone": "b",
        "cluster": "dev",
        "aws:ec2launchtemplate:id": template,
        "aws:ec2launchtemplate:version": "1",
    }


def test_the_request_overrides_the_template(ec2: Any) -> None:
    template = a_template(ec2, ImageId="ami-1", InstanceType="t3.large")

    instance = launched(ec2, template, InstanceType="t3.nano", ImageId="ami-9")

    assert (instance["InstanceType"], instance["ImageId"]) == ("t3.nano", "ami-9")


def test_merging_changes_neither_side() -> None:
    request, template = {"MinCount": 1}, {"ImageId": "ami-1"}

    assert merged_request(request, template) == {"MinCount": 1, "ImageId": "ami-1"}
    assert (request, template) == ({"MinCount": 1}, {"ImageId": "ami-1"})


def test_tags_of_other_resources_are_kept_apart() -> None:
    merged = merged_tags(
        [{"ResourceType": "instance", "Tags": tags(a="1")}],
        [{"ResourceType": "volume", "Tags": tags(a="2")}],
    )

    assert merged == [
        {"ResourceType": "instance", "Tags": tags(a="1")},
        {"ResourceType": "volume", "Tags": tags(a="2")},
    ]


def test_a_template_like_deploys_own_is_applied_in_full(ec2: Any) -> None:
    volume = {
        "DeviceName": "/dev/xvda",
        "Ebs": {
            "VolumeSize": 40,
            "VolumeType": "gp3",
            "Encrypted": True,
            "DeleteOnTermination": True,
        },
    }
    template = a_template(
        ec2,
        ImageId="ami-1",
        InstanceType="t3.large",
        BlockDeviceMappings=[volume],
        Monitoring={"Enabled": True},
        InstanceInitiatedShutdownBehavior="terminate",
        DisableApiTermination=False,
        EbsOptimized=True,
        KeyName="operator",
    )

    instance = launched(ec2, template)

    devices = {d["DeviceName"]: d["Ebs"]["VolumeId"] for d in instance["BlockDeviceMappings"]}
    (found,) = ec2.describe_volumes(VolumeIds=[devices["/dev/xvda"]])["Volumes"]
    assert (found["Size"], found["VolumeType"], found["Encrypted"]) == (40, "gp3", True)
    assert instance["Monitoring"]["State"] == "enabled"
    assert instance["KeyName"] == "operator"
    assert instance["EbsOptimized"]
    behaviour = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    assert behaviour["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
