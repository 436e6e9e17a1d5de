"""What the local cloud answers has the shape of recorded answers of AWS; how that is found."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.recordings import held
from tests.recordings.__main__ import report
from tests.recordings.compare import FOLDER, Difference, differences, recorded, unmodelled_values
from tests.recordings.held import exceptions, holding, operations, wrong_error

Clients = Callable[[str], Any]
# What no other test reads, but a person would: on a world with one instance, bucket and profile.
READS = (
    *(("ec2", name) for name in ("volumes", "route_tables", "images", "subnets", "addresses")),
    *(("ec2", name) for name in ("network_interfaces", "security_groups", "snapshots", "vpcs")),
    *(("autoscaling", name) for name in ("auto_scaling_groups", "policies", "tags")),
)
AN_IMAGE: dict[str, Any] = {
    **{"ImageId": "ami-1", "Name": "one", "OwnerId": "123456789012", "State": "available"},
    **{"Public": False, "Architecture": "x86_64", "ImageType": "machine", "Hypervisor": "xen"},
    **{"ImageLocation": "123456789012/one", "RootDeviceType": "ebs", "VirtualizationType": "hvm"},
    **{"BlockDeviceMappings": [], "CreationDate": "2026-01-01T00:00:00.000Z"},
    "RootDeviceName": "/dev/xvda",
}


def found(operation: str, response: dict[str, Any]) -> set[str]:
    return {str(one) for one in differences(operation, response)}


def test_an_answer_like_the_recorded_ones_has_no_difference() -> None:
    assert found("ec2.DescribeImages", {"Images": [AN_IMAGE]}) == set()


def test_a_path_that_every_recording_has_is_missed() -> None:
    image = {key: value for key, value in AN_IMAGE.items() if key != "Hypervisor"}

    assert found("ec2.DescribeImages", {"Images": [AN_IMAGE, image]}) == {
        "ec2.DescribeImages: missing Images[].Hypervisor"
    }


def test_a_type_and_a_value_that_aws_does_not_have_are_found() -> None:
    image = AN_IMAGE | {"Name": 1, "RootDeviceType": "standard"}

    assert found("ec2.DescribeImages", {"Images": [image]}) == {
        "ec2.DescribeImages: type Images[].Name integer",
        "ec2.DescribeImages: value Images[].RootDeviceType standard",
    }


def test_the_last_items_of_a_long_list_are_looked_at() -> None:
    images = [AN_IMAGE] * 100 + [AN_IMAGE | {"Name": 1}]

    assert found("ec2.DescribeImages", {"Images": images}) == {
        "ec2.DescribeImages: type Images[].Name integer"
    }


def test_an_operation_without_recordings_is_held_to_the_words_of_aws_s_model() -> None:
    health = {"TargetHealthDescriptions": [{"TargetHealth": {"State": "fine"}}]}

    assert "elbv2.DescribeTargetHealth" not in recorded()["operations"]
    assert [str(one) for one in unmodelled_values("elbv2.DescribeTargetHealth", health)] == [
        "elbv2.DescribeTargetHealth: value TargetHealthDescriptions[].TargetHealth.State fine"
    ]


@pytest.mark.parametrize(
    ("operation", "code", "known"),
    [
        ("ec2.RunInstances", "InsufficientInstanceCapacity", True),
        ("ec2.RunInstances", "NoSuchInstance", False),
        ("dynamodb.PutItem", "ConditionalCheckFailedException", True),
        ("dynamodb.PutItem", "ConditionalCheckFailed", False),
        ("autoscaling.CompleteLifecycleAction", "ValidationError", True),
        ("autoscaling.CompleteLifecycleAction", "ValidationException", False),
        ("lambda.ListFunctions", "SignatureDoesNotMatch", False),
    ],
)
def test_an_error_is_one_that_aws_has(operation: str, code: str, known: bool) -> None:
    assert (list(wrong_error(operation, code)) == []) is known


def test_a_test_fails_with_a_difference_that_has_no_reason(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_hypervisor(self: Any, name: str, arguments: Any) -> Any:
        return {"Images": [{k: v for k, v in AN_IMAGE.items() if k != "Hypervisor"}]}

    monkeypatch.setattr(held, "seen", set())
    monkeypatch.setattr(BaseClient, "_make_api_call", without_hypervisor)
    with pytest.raises(AssertionError, match=r"missing Images\[\]\.Hypervisor"), holding():
        aws("ec2").describe_images()


def test_the_report_counts_operations_and_lists_differences_with_their_reasons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Difference("iam.GetPolicy", "Policy.Description", "missing")
    wrong = Difference("ec2.DescribeImages", "Images[].Hypervisor", "missing")
    monkeypatch.setattr(held, "seen", {right, wrong})
    monkeypatch.setattr(held, "operations", {"iam.GetPolicy", "ec2.DescribeImages", "ssm.Nothing"})

    assert list(report()) == [
        "3 operations were called; of 2 there are recordings.",
        "Differences with a reason: 1",
        "  iam.GetPolicy: missing Policy.Description",
        "    optional in CreatePolicy; those that are recorded have one",
        "Differences without a reason: 1",
        "  ec2.DescribeImages: missing Images[].Hypervisor",
    ]


def test_what_a_test_finds_is_in_the_report(aws: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "seen", set())
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *_: {"Policy": {"Arn": 1}})
    with pytest.raises(AssertionError), holding():
        aws("iam").get_policy(PolicyArn="arn:aws:iam::aws:policy/one")

    lines = list(report())
    assert "  iam.GetPolicy: type Policy.Arn integer" in lines
    assert lines.index("  iam.GetPolicy: missing Policy.Description") < lines.index(
        "  iam.GetPolicy: type Policy.Arn integer"
    )


@pytest.mark.parametrize(("service", "what"), READS)
def test_what_a_person_reads_is_held_too(aws: Clients, service: str, what: str) -> None:
    aws("ec2").run_instances(ImageId="ami-1", InstanceType="t3.micro", MinCount=1, MaxCount=1)

    getattr(aws(service), f"describe_{what}")()

    name = "".join(word.capitalize() for word in f"describe_{what}".split("_"))
    assert f"{service}.{name}" in operations


def test_listings_of_names_are_held_too(aws: Clients) -> None:
    s3, iam = aws("s3"), aws("iam")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="a/b", Body=b"words")
    iam.create_user(UserName="user")
    iam.create_instance_profile(InstanceProfileName="profile")

    assert s3.list_objects(Bucket="bucket", Prefix="a/")["Prefix"] == "a/"
    assert s3.list_objects(Bucket="bucket")["Marker"] == ""
    assert s3.head_object(Bucket="bucket", Key="a/b")["ServerSideEncryption"] == "AES256"
    assert s3.list_multipart_uploads(Bucket="bucket")["NextKeyMarker"] == ""
    assert iam.list_instance_profiles()["IsTruncated"] is False
    assert iam.list_access_keys(UserName="user")["IsTruncated"] is False
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="bucket", Key="c")


def test_a_bucket_is_encrypted_with_s3_s_own_keys_unless_others_were_chosen(aws: Clients) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="bucket")

    def default() -> Any:
        found = s3.get_bucket_encryption(Bucket="bucket")["ServerSideEncryptionConfiguration"]
        return [rule["ApplyServerSideEncryptionByDefault"] for rule in found["Rules"]]

    assert default() == [{"SSEAlgorithm": "AES256"}]
    chosen = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    rules = {"Rules": [chosen]}
    s3.put_bucket_encryption(Bucket="bucket", ServerSideEncryptionConfiguration=rules)
    assert default() == [{"SSEAlgorithm": "aws:kms"}]
    s3.delete_bucket_encryption(Bucket="bucket")
    assert default() == [{"SSEAlgorithm": "AES256"}]


def test_a_root_volume_is_made_of_the_image_s_snapshot(aws: Clients) -> None:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    where = {"VpcId": vpc, "AvailabilityZone": "us-east-1a"}  # not every zone has every type
    subnet = ec2.create_subnet(CidrBlock="10.9.0.0/24", **where)["Subnet"]["SubnetId"]
    size: dict[str, Any] = {"InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    launched = ec2.run_instances(ImageId="ami-1", SubnetId=subnet, **size)
    (image,) = ec2.describe_images(ImageIds=["ami-1"])["Images"]

    (volume,) = ec2.describe_volumes()["Volumes"]

    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert volume["SnapshotId"] == snapshot
    assert volume["Attachments"][0]["DeleteOnTermination"] is True
    assert "Association" not in launched["Instances"][0]["NetworkInterfaces"][0]


def test_every_exception_is_of_an_operation_that_aws_has_and_says_why() -> None:
    listed = tomllib.loads((FOLDER / "exceptions.toml").read_text())["exception"]
    assert len(listed) == len(exceptions())  # none is there twice
    for (operation, path, what), why in exceptions().items():
        assert list(unmodelled_values(operation, {})) == []
        assert what in ("missing", "type", "value", "error")
        assert path or what == "error"
        assert len(why) > 20
