"""A deployer stops, and something else is deployed: the cause is fixed, or another wish has come.

As in github.com/keikoproj/upgrade-manager/issues/347, and with heads of a release that no one wants
any more.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from common.errors import Unanswered
from common.progress import Progress, Silent
from deploy.release.release import Release
from deploy.release.rollout_journal import Journal
from tests.marks import THOROUGH_ONLY
from tests.simulation.node_aws import client
from tests.unit.simulation.conftest import STANDBY, Cluster
from tests.unit.simulation.faulty_calls import SERVICES, Killed

LATER = 45.0  # seconds until the lock of a deployer that died has lapsed


def with_heads(cluster: Cluster, instance_type: str) -> Cluster:
    """Return the same cluster, to be deployed with heads of this type."""
    head = cluster.environment.head.model_copy(update={"instance_type": instance_type})
    return Cluster(cluster.cloud, cluster.environment.model_copy(update={"head": head}))


def heads(cluster: Cluster) -> list[tuple[str, str]]:
    """Return the instance type and the lifecycle state of every head."""
    found = client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[cluster.environment.head_group]
    )["AutoScalingGroups"]
    members = found[0]["Instances"] if found else []
    return sorted((str(m["InstanceType"]), str(m["LifecycleState"])) for m in members)


@contextmanager
def killed_once(cluster: Cluster, is_so: Callable[[], bool]) -> Iterator[None]:
    """Kill the deployer at its next request once this is so."""

    def die(**_: Any) -> None:
        if is_so():
            raise Killed

    events = [cluster.cloud.clients(service).meta.events for service in SERVICES]
    for event in events:
        event.register_first("before-send", die)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        for event in events:
            event.unregister("before-send", die)
    cluster.cloud.clock.sleep(LATER)


@THOROUGH_ONLY
@pytest.mark.parametrize("state", ["Pending:Wait", "InService"])
def test_a_third_release_replaces_the_heads_of_the_second(doubled: Cluster, state: str) -> None:
    second, third = (with_heads(doubled, f"m6i.{size}") for size in ("xlarge", "2xlarge"))
    with killed_once(doubled, lambda: heads(doubled).count(("m6i.xlarge", state)) == 2):
        second.deploy()

    began = third.cloud.clock.now()
    third.deploy()

    assert heads(third) == [("m6i.2xlarge", "InService")] * 2
    assert third.cloud.clock.now() - began < third.environment.limits.head_ready_seconds
    assert third.prepare().rollout.plan.is_empty
    assert third.failed_checks(130.0) == []


@pytest.mark.parametrize("state", [pytest.param("Pending:Wait", marks=THOROUGH_ONLY), "InService"])
def test_a_single_head_of_a_third_release_takes_the_place_of_the_second(
    single: Cluster, state: str
) -> None:
    second, third = (with_heads(single, f"m6i.{size}") for size in ("xlarge", "2xlarge"))
    with killed_once(single, lambda: heads(single).count(("m6i.xlarge", state)) == 1):
        second.deploy()

    third.deploy()

    assert heads(third) == [("m6i.2xlarge", "InService")]
    assert third.prepare().rollout.plan.is_empty


@THOROUGH_ONLY
def test_the_first_release_can_be_deployed_again_after_a_stop(doubled: Cluster) -> None:
    second = with_heads(doubled, "m6i.xlarge")
    with killed_once(doubled, lambda: heads(doubled).count(("m6i.xlarge", "InService")) == 2):
        second.deploy()

    doubled.deploy()

    assert heads(doubled) == [("m6i.large", "InService")] * 2
    assert doubled.environment.head.standby == STANDBY["standby"]
    assert doubled.prepare().rollout.plan.is_empty


def test_a_stopped_deploy_can_be_destroyed(doubled: Cluster) -> None:
    second = with_heads(doubled, "m6i.xlarge")
    with killed_once(doubled, lambda: ("m6i.xlarge", "InService") in heads(doubled)):
        second.deploy()

    doubled.destroy()

    assert heads(doubled) == []
    assert doubled.worker_ids == set()


@pytest.mark.parametrize("back", [True, False], ids=["back", "a third release"])
def test_another_ray_that_was_deployed_halfway_is_left_again(single: Cluster, back: bool) -> None:
    first = single.prepare().rollout.desired.release
    for role in ("head", "worker"):
        single.cloud.bake(role, ray_version="2.61.0")

    def workers_have_it() -> bool:
        life = single.cloud.rays.running(single.name)
        return life is not None and life.machine.ray_version == "2.61.0" and len(life.nodes) == 3

    with killed_once(single, workers_have_it):
        single.deploy()
    for role in ("head", "worker"):
        single.cloud.bake(role, ray_version="2.60.0")

    release = first if back else None
    assert single.prepare(release=release).rollout.plan.strategy == "replace-all"
    carried_out(single, Silent(), release)

    assert single.prepare(release=release).rollout.plan.is_empty
    assert single.failed_checks(130.0) == []


@dataclass
class AtStep(Silent):
    """Does something when a step begins."""

    title: str
    act: Callable[[], None]

    def begin(self, title: str) -> None:
        """See common.progress.Progress."""
        if title.startswith(self.title):
            self.act()


@pytest.mark.parametrize("step", ["group ray-head-asg-dev", "head i-"])
def test_a_stale_head_that_comes_into_service_meanwhile_takes_no_standbys_place(
    single: Cluster, step: str
) -> None:
    with pytest.raises(Unanswered):
        carried_out(with_heads(single, "m6i.xlarge"), AtStep("wait for the new head", stop))
    head = single.environment.head.model_copy(update={"standby": 1})
    wanted = Cluster(single.cloud, single.environment.model_copy(update={"head": head}))

    def await_service() -> None:
        """Have the head that the plan wants to end come into service first."""
        single.cloud.clock.until(
            lambda: ("m6i.xlarge", "InService") in heads(single), 600.0, "the stale head serves"
        )

    assert ("m6i.xlarge", "InService") not in heads(single)
    carried_out(wanted, AtStep(step, await_service))

    assert heads(wanted) == [("m6i.large", "InService")] * 2
    assert wanted.prepare().rollout.plan.is_empty


def test_a_worker_of_another_release_that_is_launched_after_the_plan_is_replaced(
    single: Cluster,
) -> None:
    first = single.prepare().rollout.desired.release
    single.cloud.bake("worker")
    with pytest.raises(Killed):
        carried_out(single, AtStep("replace 2 workers", die))
    single.cloud.clock.sleep(LATER)

    def lose_a_worker() -> None:
        """Have the autoscaler launch another one before it is told of the first release."""
        client("ec2").terminate_instances(InstanceIds=[min(single.worker_ids)])
        single.cloud.clock.sleep(12.0)

    carried_out(single, AtStep("group ray-head-asg-dev", lose_a_worker), first)

    assert single.prepare(release=first).rollout.plan.is_empty
    assert single.failed_checks(130.0) == []
    assert len(single.worker_ids) == 2


def carried_out(
    cluster: Cluster, progress: Progress, release: Release | None = None
) -> Journal | None:
    """Deploy, or go back to a release, as with --yes."""
    operation = cluster.operation("rollback" if release else "deploy")
    operation.progress = progress
    return operation.run(cluster.prepare(release=release))


def die() -> None:
    """End as by kill -9."""
    raise Killed


def stop() -> None:
    """End as at a call that AWS does not answer."""
    raise Unanswered("as the test wants it")
