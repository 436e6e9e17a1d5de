"""What of a cluster is charged by the hour, besides its instances."""

from typing import Any

import pytest

from common.errors import PipelineError
from deploy.cluster.billed import Billed, DiskVolume, find_billed
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import an_environment, an_instance


def resource(kind: str, name: str = "x", status: str = "CREATE_COMPLETE") -> dict[str, Any]:
    return {"ResourceType": f"AWS::{kind}", "PhysicalResourceId": name, "ResourceStatus": status}


def endpoint(kind: str, *subnets: str) -> dict[str, Any]:
    return {"VpcEndpointType": kind, "SubnetIds": list(subnets)}


def test_what_is_charged_is_counted() -> None:
    plain = {"Size": 20, "VolumeType": "gp3"}
    aws: Any = Answers(
        list_stack_resources=(
            {
                "StackResourceSummaries": [
                    resource("ElasticLoadBalancingV2::LoadBalancer"),
                    resource("EC2::NatGateway"),
                    resource("EC2::NatGateway"),
                    resource("EC2::NatGateway", status="DELETE_COMPLETE"),
                    resource("ElastiCache::ReplicationGroup", name=""),
                ]
            },
            {
                "StackResourceSummaries": [
                    resource("EC2::VPCEndpoint", "vpce-1"),
                    resource("EC2::VPCEndpoint", "vpce-2"),
                    resource("ElastiCache::ReplicationGroup"),
                ]
            },
        ),
        describe_vpc_endpoints={
            "VpcEndpoints": [endpoint("Interface", "a", "b"), endpoint("Gateway", "a")]
        },
        describe_volumes={"Volumes": [plain, plain | {"Iops": 3000, "Throughput": 125}]},
    )

    found = find_billed(aws, an_environment(), (an_instance("i-1", "head"),))

    assert found == Billed(
        volumes=(DiskVolume(20, 0, 0, "gp3"), DiskVolume(20, 3000, 125, "gp3")),
        load_balancers=1,
        nat_gateways=2,
        endpoints=2,
        redis=1,
    )
    assert aws.requests == [
        ("cloudformation:list_stack_resources", {"StackName": "raykiln-dev"}),
        (
            "ec2:describe_volumes",
            {"Filters": [{"Name": "attachment.instance-id", "Values": ["i-1"]}]},
        ),
        ("ec2:describe_vpc_endpoints", {"VpcEndpointIds": ["vpce-1", "vpce-2"]}),
    ]


def test_volumes_are_asked_for_by_at_most_200_instances() -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html."""
    volume = {"Size": 20, "VolumeType": "gp3"}
    aws: Any = Answers(
        list_stack_resources={"StackResourceSummaries": []},
        describe_volumes=[{"Volumes": [volume]}, {"Volumes": [volume]}],
    )

    found = find_billed(
        aws, an_environment(), tuple(an_instance(f"i-{n}", "worker") for n in range(201))
    )

    assert len(found.volumes) == 2
    asked = [request["Filters"][0]["Values"] for name, request in aws.requests if "vol" in name]
    assert asked == [[f"i-{n}" for n in range(200)], ["i-200"]]


def test_without_a_stack_nothing_is_charged() -> None:
    gone = refused("ValidationError", "Stack with id raykiln-dev does not exist")

    assert find_billed(Answers(list_stack_resources=gone), an_environment(), ()) == Billed()  # type: ignore[arg-type]
    for error in (refused("ValidationError"), refused("Throttling", "does not exist")):
        aws: Any = Answers(list_stack_resources=error)
        with pytest.raises(PipelineError, match="reading the stack raykiln-dev"):
            find_billed(aws, an_environment(), ())
