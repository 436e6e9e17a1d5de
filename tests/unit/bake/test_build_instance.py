"""What Packer 1.6.6 cannot set up is made before it runs, or as soon as its output says where."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bake.build_instance import BuildInstance, access_variables
from bake.owner import TAG, this_process
from bake.subnet import resolve_subnet
from common.clients import Clients
from common.errors import PipelineError
from tests.unit.answers import Answers, refused
from tests.unit.bake.test_build import a_build_spec
from tests.unit.localcloud.fakes import FakeClock

NAME = "raykiln-bake-worker-20261122120000"


@pytest.fixture
def build_instance(clients: Clients, clock: FakeClock) -> BuildInstance:
    return BuildInstance(clients, clock)


def test_key_pair_and_security_group_have_their_owner_from_the_start_and_go_in_the_end(
    clients: Clients, clock: FakeClock, tmp_path: Path
) -> None:
    ec2, spec = clients("ec2"), a_build_spec(tmp_path)
    spec = replace(spec, subnet=resolve_subnet(clients, spec.settings))
    ours = [{"Name": f"tag:{TAG}", "Values": [str(this_process())]}]

    with access_variables(clients, spec, clock) as variables:
        (key,) = ec2.describe_key_pairs(Filters=ours)["KeyPairs"]
        (group,) = ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
        assert "PRIVATE KEY" in (tmp_path / "key").read_text()
    (rule,) = group["IpPermissions"]
    assert (key["KeyName"], group["GroupName"]) == (NAME, NAME)
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert [one["CidrIp"] for one in rule["IpRanges"]] == [
        str(cidr) for cidr in spec.environment.network.operator_cidrs
    ]
    assert variables == {
        "key_pair_name": NAME,
        "private_key_file": str(tmp_path / "key"),
        "security_group_id": group["GroupId"],
    }
    assert ec2.describe_key_pairs(Filters=ours)["KeyPairs"] == []
    assert ec2.describe_security_groups(Filters=ours)["SecurityGroups"] == []
    assert not (tmp_path / "key").exists()


def test_imdsv2_is_required_as_soon_as_the_instance_is_named(
    build_instance: BuildInstance, clients: Clients
) -> None:
    (instance,) = clients("ec2").run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"]

    build_instance.handle_output(f"Instance ID: {instance['InstanceId']}")

    (seen,) = clients("ec2").describe_instances()["Reservations"][0]["Instances"]
    assert seen["MetadataOptions"]["HttpTokens"] == "required"


def test_an_instance_that_ec2_does_not_know_yet_is_set_up_and_terminated() -> None:
    unknown = refused("InvalidInstanceID.NotFound")
    gone = {"Reservations": [{"Instances": [{"State": {"Name": "terminated"}}]}]}
    aws: Any = Answers(
        modify_instance_metadata_options=[unknown, {}],
        terminate_instances=[unknown, {}],
        describe_instances=gone,
    )
    instance = BuildInstance(aws, FakeClock())

    instance.handle_output("Instance ID: i-1")
    instance.terminate()

    assert [name for name, _ in aws.requests] == [
        *["ec2:modify_instance_metadata_options"] * 2,
        *["ec2:terminate_instances"] * 2,
        "ec2:describe_instances",
    ]


def test_an_instance_that_cannot_require_imdsv2_is_an_error(build_instance: BuildInstance) -> None:
    with pytest.raises(PipelineError, match="requiring IMDSv2"):
        build_instance.handle_output("Instance ID: i-0123456789abcdef0")
