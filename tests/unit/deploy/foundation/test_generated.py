"""What is generated into the template: VPC endpoints, and a budget."""

from typing import Any

import pytest

from deploy.foundation.budget import budget_sections
from deploy.foundation.endpoints import LOGICAL_IDS, endpoint_sections
from deploy.foundation.pause import paused_error
from tests.unit.deploy.builders import an_environment

OWN = {"operator_cidrs": ["10.0.0.0/8"]}
GIVEN = {
    **OWN,
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "private_subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"],
}
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


def sections(network: dict[str, Any], *vpc_cidrs: str) -> Any:
    return endpoint_sections(an_environment(network=network).network, vpc_cidrs)


def in_a_new_vpc(kind: str, **properties: Any) -> dict[str, Any]:
    return {
        "Type": f"AWS::EC2::{kind}",
        "Condition": "MakeVpc",
        "Properties": {"VpcId": {"Ref": "Vpc"}, **properties},
    }


def service(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{name}"}


def test_a_new_vpc_has_endpoints_in_its_own_subnets_and_routes() -> None:
    third = {"Fn::If": ["MakeThirdZone", {"Ref": "PrivateSubnetC"}, {"Ref": "AWS::NoValue"}]}

    assert sections(OWN | {"endpoints": ["ssm", "s3"]}) == {
        "Resources": {
            "S3Endpoint": in_a_new_vpc(
                "VPCEndpoint",
                VpcEndpointType="Gateway",
                ServiceName=service("s3"),
                RouteTableIds=[{"Ref": "PrivateRoutes"}],
            ),
            "SsmEndpoint": in_a_new_vpc(
                "VPCEndpoint",
                VpcEndpointType="Interface",
                ServiceName=service("ssm"),
                PrivateDnsEnabled=True,
                SecurityGroupIds=[{"Ref": "EndpointSecurityGroup"}],
                SubnetIds=[{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}, third],
            ),
            "EndpointSecurityGroup": in_a_new_vpc(
                "SecurityGroup",
                GroupDescription="VPC endpoints of AWS services",
                SecurityGroupIngress=[
                    HTTPS | {"CidrIp": "10.77.0.0/16", "Description": "HTTPS from the VPC"}
                ],
                SecurityGroupEgress=[HTTPS | {"CidrIp": "127.0.0.1/32", "Description": "None"}],
            ),
        },
        "Outputs": {
            "EndpointSecurityGroupId": {
                "Value": {"Ref": "EndpointSecurityGroup"},
                "Condition": "MakeVpc",
            }
        },
    }


def test_an_existing_vpc_has_endpoints_in_what_is_named_open_to_all_its_ranges() -> None:
    network = GIVEN | {"endpoints": ["ssm", "s3"], "route_table_ids": ["rtb-01234567"]}

    found = sections(network, "10.1.0.0/16", "10.2.0.0/16")

    resources = found["Resources"]
    assert not any("Condition" in one for one in resources.values())
    assert {one["Properties"]["VpcId"] for one in resources.values()} == {GIVEN["vpc_id"]}
    assert resources["S3Endpoint"]["Properties"]["RouteTableIds"] == ["rtb-01234567"]
    assert resources["SsmEndpoint"]["Properties"]["SubnetIds"] == GIVEN["private_subnet_ids"]
    group = resources["EndpointSecurityGroup"]["Properties"]
    assert [rule["CidrIp"] for rule in group["SecurityGroupIngress"]] == [
        "10.1.0.0/16",
        "10.2.0.0/16",
    ]
    assert found["Outputs"] == {
        "EndpointSecurityGroupId": {"Value": {"Ref": "EndpointSecurityGroup"}}
    }


@pytest.mark.parametrize("name", sorted(LOGICAL_IDS))
def test_a_gateway_alone_needs_no_security_group(name: str) -> None:
    found = sections(OWN | {"endpoints": [name]})

    assert service(name) == found["Resources"][LOGICAL_IDS[name]]["Properties"]["ServiceName"]
    assert ("Outputs" in found) is (name not in ("s3", "dynamodb"))
    assert ("EndpointSecurityGroup" in found["Resources"]) is ("Outputs" in found)


def test_without_endpoints_nothing_is_added() -> None:
    assert sections(OWN | {"endpoints": []}) == {"Resources": {}}


def test_a_budget_tells_each_person_at_80_percent_at_all_of_it_and_when_that_is_foreseen() -> None:
    emails = ["one@example.com", "two@example.com"]
    environment = an_environment(budget={"dollars_per_month": 500, "emails": emails})

    (budget,) = budget_sections(environment)["Resources"].values()
    properties = budget["Properties"]

    assert budget["Type"] == "AWS::Budgets::Budget"
    assert properties["Budget"].pop("BudgetName").startswith("raykiln-dev-")
    assert properties == {
        "Budget": {
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": 500, "Unit": "USD"},
            "CostFilters": {"TagKeyValue": ["user:raykiln:environment$dev"]},
        },
        "NotificationsWithSubscribers": [
            {
                "Notification": {
                    "NotificationType": kind,
                    "ComparisonOperator": "GREATER_THAN",
                    "Threshold": percent,
                },
                "Subscribers": [
                    {"SubscriptionType": "EMAIL", "Address": address} for address in emails
                ],
            }
            for kind, percent in (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
        ],
    }


def test_without_a_limit_there_is_no_budget() -> None:
    assert budget_sections(an_environment()) == {}


def test_who_needs_a_paused_cluster_is_told_how_to_resume() -> None:
    error = paused_error("dev")

    assert error.message == "dev is paused: it has no head and no workers"
    assert error.hint == "invoke resume --env dev"
