"""[metrics]: a Grafana, and a workspace that metrics are sent to."""

import pytest
from pydantic import ValidationError

from common.environment_tables import Metrics
from common.errors import Refused
from tests.unit.deploy.builders import an_environment

HOST = "https://aps-workspaces.eu-west-1.amazonaws.com"
WORKSPACE = f"{HOST}/workspaces/ws-0a1b-2c/api/v1/remote_write"


def test_without_a_table_nothing_is_sent_anywhere() -> None:
    assert (Metrics().grafana, Metrics().remote_write) == ("", "")
    assert Metrics().workspace_arn("123456789012") == ""


def test_a_workspace_is_of_its_own_region_and_this_account() -> None:
    found = Metrics(remote_write=WORKSPACE)

    assert found.workspace_arn("123456789012") == (
        "arn:aws:aps:eu-west-1:123456789012:workspace/ws-0a1b-2c"
    )


def test_a_head_without_prometheus_would_send_nothing() -> None:
    image = {"base_id": "ami-1", "packages": ["prometheus"]}

    with pytest.raises((Refused, ValidationError), match=r'add "prometheus" to image\.packages'):
        an_environment(metrics={"remote_write": WORKSPACE})
    assert an_environment(metrics={"remote_write": WORKSPACE}, image=image)


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
