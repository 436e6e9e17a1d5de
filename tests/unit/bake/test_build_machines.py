"""What Packer leaves undone is done when it names the part."""

import pytest

from bake.build_machines import BuildMachine
from bake.owner import TAG, this_process
from common.clients import Clients
from common.errors import PipelineError


@pytest.fixture
def machine(clients: Clients) -> BuildMachine:
    return BuildMachine(clients, this_process())


def test_key_and_group_are_tagged_as_this_bakes_once_both_exist(
    machine: BuildMachine, clients: Clients
) -> None:
    ec2 = clients("ec2")
    machine.hear("Creating temporary keypair: raykiln-bake-head-1")
    ec2.create_key_pair(KeyName="raykiln-bake-head-1")
    machine.hear("Creating temporary security group for this instance: packer_1")
    ec2.create_security_group(GroupName="packer_1", Description="x")
    machine.hear("Authorizing access to port 22 from [10.77.0.1/32] in the temporary security...")

    ours = [{"Name": f"tag:{TAG}", "Values": [str(this_process())]}]
    keys = ec2.describe_key_pairs(Filters=ours)["KeyPairs"]
    groups = ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
    assert [key["KeyName"] for key in keys] == ["raykiln-bake-head-1"]
    assert [group["GroupName"] for group in groups] == ["packer_1"]


def test_a_machine_must_use_imdsv2_as_soon_as_it_is_named(
    machine: BuildMachine, clients: Clients
) -> None:
    (instance,) = clients("ec2").run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"]

    machine.hear(f"Instance ID: {instance['InstanceId']}")

    (seen,) = clients("ec2").describe_instances()["Reservations"][0]["Instances"]
    assert seen["MetadataOptions"]["HttpTokens"] == "required"


def test_a_machine_that_cannot_be_made_to_is_an_error(machine: BuildMachine) -> None:
    with pytest.raises(PipelineError, match="requiring IMDSv2"):
        machine.hear("Instance ID: i-0123456789abcdef0")
