"""``autoscaler_file`` on a cluster: overrides that come and go, and a YAML that a head refuses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import Refused, RolledBack
from deploy.release.release import Release
from node.lease.table import DynamoLeaseTable, LeaseItem
from tests.simulation import head
from tests.unit.simulation.conftest import Cluster
from tests.unit.simulation.test_hand_over import another_document, lease_of, tag_heads

IDLE = {"available_node_types": {"worker": {"idle_timeout_s": 3600}}}
WHY = "max_workers: 3 is above what this Ray allows"


def with_workers(cluster: Cluster, most: int) -> Cluster:
    """Return the cluster as its file asks for it with another maximum of workers."""
    groups = cluster.environment.workers
    workers = {name: group.model_copy(update={"max": most}) for name, group in groups.items()}
    changed = cluster.environment.model_copy(update={"workers": workers})
    return Cluster(cluster.cloud, changed)


def with_file(cluster: Cluster, folder: Path, content: dict[str, Any]) -> Cluster:
    """Return the cluster as its file asks for it with this ``autoscaler_file``."""
    path = folder / "dev.autoscaler.yaml"
    path.write_text(yaml.safe_dump(content))
    changed = cluster.environment.model_copy(update={"autoscaler_file": str(path)})
    return Cluster(cluster.cloud, changed)


def config_of(cluster: Cluster) -> dict[str, Any]:
    """Return what the autoscaler on the leader read in its last round."""
    cluster.cloud.clock.sleep(10)
    return cluster.life.config


def served(cluster: Cluster) -> Release:
    release = cluster.state().release
    assert release is not None
    return release


def with_type(cluster: Cluster, most: int) -> Release:
    """Return the cluster's release with a node type of a person's own, as older ones may have."""
    own = {"resources": {"CPU": 2}, "min_workers": 0, "max_workers": most, "node_config": {}}
    override = json.dumps({"available_node_types": {"gpu": own}})
    release = served(cluster)
    return replace(release, settings=replace(release.settings, autoscaler_override=override))


def test_a_yaml_that_the_heads_ray_refuses_fails_the_deploy_at_once_and_is_rolled_back(
    single: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistakes(config: dict[str, Any], ray_version: str) -> tuple[str, ...]:
        return (WHY,) if config["max_workers"] == 3 else ()

    monkeypatch.setattr(head, "mistakes", mistakes)
    before, uri, life = served(single), lease_of(single).autoscaler, single.life
    began = single.cloud.clock.now()

    with pytest.raises(RolledBack) as failed:
        with_workers(single, 3).deploy()

    leader = single.leader().host.instance_id
    assert failed.value.message.startswith(f"{leader} keeps its autoscaler configuration: Ray ")
    assert WHY in failed.value.message
    assert single.cloud.clock.now() - began < 60  # of the 120 s that it would have waited
    single.cloud.clock.sleep(10)
    lease = lease_of(single)
    assert (lease.autoscaler, lease.refused) == (uri, "")
    assert (served(single), single.life) == (before, life)
    assert config_of(single)["max_workers"] == 2
    assert single.failed_checks() == []


def test_while_a_yaml_is_refused_the_last_good_one_launches_workers(
    single: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "mistakes", lambda config, ray_version: (WHY,))
    good = lease_of(single).autoscaler
    bad = another_document(single, min_workers=3, max_workers=3)

    tag_heads(single, bad)
    single.cloud.clock.until(lambda: lease_of(single).refused.startswith(bad), 10, "a refusal")
    single.cloud.crash(min(single.worker_ids))
    single.joined(1, within=60)
    single.joined(2, within=120)

    assert lease_of(single).autoscaler == good


def test_a_head_that_says_nothing_of_refusals_is_updated_as_before(
    single: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renew(
        table: DynamoLeaseTable, epoch: int, holder: str, autoscaler: str, refused: str
    ) -> LeaseItem:
        """Do what a head did before there was the attribute."""
        change = "SET beat = beat + :one, autoscaler = :autoscaler REMOVE autoscaler_refused"
        values = {":one": {"N": "1"}, ":autoscaler": {"S": autoscaler}}
        table._update(change, epoch, holder, values)
        item = table.read()
        assert item is not None
        return item

    monkeypatch.setattr(DynamoLeaseTable, "renew", renew)

    with_workers(single, 3).deploy()

    assert config_of(single)["max_workers"] == 3


def test_an_override_of_the_workers_type_comes_and_goes(single: Cluster, tmp_path: Path) -> None:
    with_file(single, tmp_path, IDLE).deploy()
    assert config_of(single)["available_node_types"]["worker"]["idle_timeout_s"] == 3600

    single.deploy()
    assert config_of(single)["available_node_types"]["worker"]["idle_timeout_s"] == 300
    assert single.failed_checks() == []


def test_a_rollback_goes_to_before_an_override_of_the_workers_type(
    single: Cluster, tmp_path: Path
) -> None:
    before, overridden = served(single), with_file(single, tmp_path, IDLE)
    overridden.deploy()

    overridden.rollback()

    assert served(single) == before
    assert config_of(single)["available_node_types"]["worker"]["idle_timeout_s"] == 300
    assert single.failed_checks() == []


def test_a_node_type_of_a_persons_own_is_drained_and_then_removed(single: Cluster) -> None:
    single.deploy(with_type(single, 1))
    with pytest.raises(Refused, match="lose the node types gpu"):
        single.deploy()

    single.deploy(with_type(single, 0))
    single.deploy()

    assert config_of(single)["available_node_types"].keys() == {"head", "worker"}
    assert single.failed_checks() == []


def test_a_release_with_a_node_type_of_a_persons_own_is_served_again(single: Cluster) -> None:
    with_own = with_type(single, 1)
    single.deploy(with_own)
    single.deploy(with_type(single, 0))

    single.deploy(with_own, "rollback")

    assert config_of(single)["available_node_types"]["gpu"]["max_workers"] == 1
    assert single.failed_checks() == []


def test_nothing_is_changed_by_a_file_that_ray_refuses(single: Cluster, tmp_path: Path) -> None:
    before, uri = served(single), lease_of(single).autoscaler

    with pytest.raises(Refused, match="'max_worker' was unexpected"):
        with_file(single, tmp_path, {"max_worker": 5}).deploy()

    assert (served(single), lease_of(single).autoscaler) == (before, uri)
