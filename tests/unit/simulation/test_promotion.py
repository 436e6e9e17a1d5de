"""From one cluster to another: what the first has served is what the second launches."""

from datetime import UTC, datetime

import pytest

from bake.catalog import images
from bake.channels import set_channel
from bake.wanted import WantedImage
from common.errors import Refused
from deploy.release.promotion import plan_promotion, promote
from deploy.report.briefing import brief
from tests.unit.simulation.conftest import Cluster, Deployed, sized

SINCE = datetime(2026, 11, 22, tzinfo=UTC)


def put_into_channel(source: Cluster, **ids: str) -> None:
    """Set the source's channel to these images, by role."""
    clients = source.cloud.clients
    catalog = {image.ami_id: image for image in images(clients)}
    chosen = {WantedImage(role): catalog[ami_id] for role, ami_id in ids.items()}
    set_channel(clients, source.name, chosen, SINCE)


def launched(cluster: Cluster) -> dict[str, str]:
    """Return the images that a cluster's instances run, by role."""
    running = (i for i in cluster.state().instances if i.state == "running")
    return {instance.role: instance.ami_id for instance in running}


def test_a_cluster_launches_what_another_has_served_and_nothing_newer(deployed: Deployed) -> None:
    source, clients = deployed.single, deployed.cloud.clients
    promoting = {"promotion": {"source": source.name}, "rollout": {"watch_seconds": 0}}
    target = Cluster(deployed.cloud, sized(1, name="prod", **promoting))
    with pytest.raises(Refused, match="none was promoted from dev"):
        target.prepare()

    served = launched(source)
    put_into_channel(source, **served)
    promote(clients, plan_promotion(clients, source.environment, target.environment), SINCE)
    newer = {role: source.cloud.bake(role) for role in served}
    put_into_channel(source, **newer)
    with pytest.raises(Refused, match="its channel has"):  # which dev does not serve yet
        plan_promotion(clients, source.environment, target.environment)
    words = brief(target.prepare()).words
    target.deploy()

    origin = "promoted from dev, in the channel since 2026-11-22T00:00:00Z"
    assert f"  head: {served['head']}, {origin}" in words
    assert launched(target) == served != newer
    assert target.prepare().rollout.plan.is_empty
