"""[metrics]: a Grafana, and a workspace that metrics are sent to."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.environment_tables import Metrics
from common.errors import Refused
from common.network import Network
from deploy.foundation.endpoints import endpoint_sections
from tests.unit.deploy.builders import an_environment, an_environment_that_sends_metrics

HOST = "https://aps-workspaces.eu-west-1.amazonaws.com"
WORKSPACE = f"{HOST}/workspaces/ws-0a1b-2c/api/v1/remote_write"


def test_without_a_table_nothing_is_sent_anywhere() -> None:
    assert (Metrics().grafana, Metrics().remote_write) == ("", "")
    assert Metrics().workspace_arn("123456789012") == ""


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov")]
)
def test_a_workspace_is_of_its_own_region_and_this_account(region: str, partition: str) -> None:
    found = Metrics(remote_write=WORKSPACE.replace("eu-west-1", region))

    assert found.workspace_arn("123456789012") == (
        f"arn:{partition}:aps:{region}:123456789012:workspace/ws-0a1b-2c"
    )


def test_a_head_without_prometheus_would_send_nothing() -> None:
    with pytest.raises((Refused, ValidationError), match=r'add "prometheus" to image\.packages'):
        an_environment(metrics={"remote_write": WORKSPACE})
    assert an_environment_that_sends_metrics(WORKSPACE)


def network(**changes: Any) -> dict[str, Any]:
    return {"operator_cidrs": ["10.77.0.1/32"], **changes}


ALL = ("autoscaling", "ec2", "logs", "monitoring", "ssm", "ssmmessages", "dynamodb", "s3")
HERE = WORKSPACE.replace("eu-west-1", "us-east-1")
EXISTING = {"vpc_id": "vpc-01234567", "private_subnet_ids": ["subnet-01234567"]}


def test_a_head_without_a_way_to_the_workspace_is_told_which_there_are() -> None:
    listed = ", ".join(f'"{name}"' for name in (*ALL, "aps-workspaces"))
    words = f"give network.endpoints = [{listed}], or network.nat = true"

    with pytest.raises(Refused) as here:
        an_environment_that_sends_metrics(HERE, network=network())
    assert words in f"{here.value.message} {here.value.hint}"
    with pytest.raises(Refused) as elsewhere:
        an_environment_that_sends_metrics(
            WORKSPACE, network=network(endpoints=[*ALL, "aps-workspaces"])
        )
    told = f"{elsewhere.value.message} {elsewhere.value.hint}"
    assert "the workspace is in eu-west-1: give network.nat = true" in told


@pytest.mark.parametrize(
    ("workspace", "ways"),
    [
        (HERE, {"endpoints": [*ALL, "aps-workspaces"]}),
        (HERE, {"nat": True}),
        (WORKSPACE, {"nat": True}),
        (WORKSPACE, EXISTING),
    ],
)
def test_an_endpoint_a_nat_gateway_or_ones_own_vpc_are_ways(
    workspace: str, ways: dict[str, Any]
) -> None:
    found = an_environment_that_sends_metrics(workspace, network=network(**ways))

    assert ("aps-workspaces" in found.network.interfaces) == ("endpoints" in ways)


def test_an_endpoint_is_created_where_it_is_named_alone() -> None:
    own = Network.model_validate(network(endpoints=[*ALL, "aps-workspaces"]))

    made = endpoint_sections(own, ())["Resources"]["MetricsWorkspaceEndpoint"]["Properties"]
    assert made["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.aps-workspaces"}
    assert made["PrivateDnsEnabled"] is True
    default = endpoint_sections(Network.model_validate(network()), ())["Resources"]
    assert "MetricsWorkspaceEndpoint" not in default


@pytest.mark.parametrize(
    "content",
    [
        {"remote_write": "https://prometheus.example.com/api/v1/write"},
        {"remote_write": f"{HOST}/workspaces/ws-1/api/v1/query"},
        {"remote_write": f"{HOST}.example.com/workspaces/ws-1/api/v1/remote_write"},
        {"remote_write": WORKSPACE.replace("https", "http")},
        {"remote_write": f"{WORKSPACE}\n"},
        {"grafana": "grafana.example.com"},
        {"grafana": "https://grafana.example.com", "grafana_in_browser": "127.0.0.1:3000"},
        {"grafana_in_browser": "http://127.0.0.1:3000"},
        {"grafana": "https://user:password@grafana.example.com"},
        {"grafana": "https://grafana.example.com\nevil: yes"},
    ],
)
def test_what_is_no_such_address_is_refused(content: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Metrics.model_validate(content)


@pytest.mark.parametrize(
    "grafana", ["http://10.0.0.9:3000", "https://grafana.example.com", "https://x.example.com/ray"]
)
def test_a_grafana_may_have_a_port_and_a_path(grafana: str) -> None:
    assert Metrics(grafana=grafana).grafana == grafana
