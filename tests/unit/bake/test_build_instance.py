"""What Packer does not set up is set up as soon as its output names the resource."""

import pytest

from bake.build_instance import BuildInstance
from bake.owner import TAG, this_process
from common.clients import Clients
from common.errors import PipelineError


@pytest.fixture
def build_instance(clients: Clients) -> BuildInstance:
    return BuildInstance(clients, this_process())


def test_key_pair_and_security_group_are_tagged_with_the_owner_once_both_exist(
    build_instance: BuildInstance, clients: Clients
) -> None:
    ec2 = clients("ec2")
    build_instance.handle_output("Creating temporary keypair: raykiln-bake-head-1")
    ec2.create_key_pair(KeyName="raykiln-bake-head-1")
    build_instance.handle_output("Creating temporary security group for this instance: packer_1")
    ec2.create_security_group(GroupName="packer_1", Description="x")
    build_instance.handle_output(
        "Authorizing access to port 22 from [10.77.0.1/32] in the temporary security..."
    )

    ours = [{"Name": f"tag:{TAG}", "Values": [str(this_process())]}]
    keys = ec2.describe_key_pairs(Filters=ours)["KeyPairs"]
    groups = ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
    assert [key["KeyName"] for key in keys] == ["raykiln-bake-head-1"]
    assert [group["GroupName"] for group in groups] == ["packer_1"]


def test_imdsv2_is_required_as_soon_as_the_instance_is_named(
    build_instance: BuildInstance, clients: Clients
) -> None:
    (instance,) = clients("ec2").run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"]

    build_instance.handle_output(f"Instance ID: {instance['InstanceId']}")

    (seen,) = clients("ec2").describe_instances()["Reservations"][0]["Instances"]
    assert seen["MetadataOptions"]["HttpTokens"] == "required"


def test_an_instance_that_cannot_require_imdsv2_is_an_error(build_instance: BuildInstance) -> None:
    with pytest.raises(PipelineError, match="requiring IMDSv2"):
        build_instance.handle_output("Instance ID: i-0123456789abcdef0")
