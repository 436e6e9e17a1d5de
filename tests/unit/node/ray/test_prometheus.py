"""The configuration of Prometheus on a head."""

import json
from pathlib import Path

import pytest

from node.identity import Identity, write_identity
from node.ray import prometheus
from node.ray.prometheus import configuration
from tests.unit.node.fakes import an_identity

WORKSPACE = "https://aps-workspaces.eu-central-1.amazonaws.com/workspaces/ws-1a/api/v1/remote_write"


def test_it_finds_the_nodes_in_rays_list_and_bounds_what_a_node_may_say() -> None:
    found = configuration(an_identity())

    [ray] = found["scrape_configs"]
    assert ray["file_sd_configs"] == [
        {"files": ["/tmp/ray/prom_metrics_service_discovery.json"], "refresh_interval": "15s"}
    ]
    assert (ray["sample_limit"], ray["body_size_limit"]) == (50_000, "16MB")
    assert found["global"]["external_labels"] == {"environment": "test"}
    assert "remote_write" not in found


def test_it_sends_through_the_signer_and_again_what_aws_throttles() -> None:
    [remote] = configuration(an_identity(remote_write=WORKSPACE))["remote_write"]

    assert remote["url"] == "http://127.0.0.1:9089/workspaces/ws-1a/api/v1/remote_write"
    assert remote["queue_config"] == {
        "max_samples_per_send": 1000,
        "max_shards": 1,
        "capacity": 2500,
        "retry_on_http_429": True,
    }


def test_it_is_written_into_the_units_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = an_identity()
    write_identity(identity, tmp_path)
    read = Identity.read
    monkeypatch.setattr(Identity, "read", lambda: read(tmp_path / "identity.json"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))

    assert prometheus.main() == 0
    assert json.loads((tmp_path / "prometheus.yml").read_text()) == configuration(identity)
