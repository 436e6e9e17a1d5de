"""A cluster that serves goes over to another release, and back: on the real node code."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from common.errors import PipelineError, Refused, RolledBack, Unanswered
from deploy.cluster.state import find_lease
from deploy.plan.steps import TerminateHeads
from deploy.rollout.head_failures import HeadFailed
from deploy.rollout.head_steps import HeadSteps
from deploy.rollout.lock import deploy_lock, find_lock
from deploy.rollout.prepare import Prepared
from localcloud.patches import elasticache
from tests.marks import THOROUGH_ONLY
from tests.simulation.machine import Machine
from tests.unit.simulation.calls import Call
from tests.unit.simulation.conftest import STANDBY, THOROUGH, Cluster, Start, sized
from tests.unit.simulation.faulty_calls import Fault, Wire
from tests.unit.simulation.watch import Watch

pytestmark = pytest.mark.thorough
WORKERS = 6 if THOROUGH else 3
LIMITS = {
    "health_check_interval_seconds": 5,
    "head_ready_seconds": 90,
    "workers_ready_seconds": 120,
    "hand_over_seconds": 60,
}
WATCH = {"rollout": {"watch_seconds": 20, "drain_seconds": 60}, "limits": LIMITS}


@dataclass
class Witness:
    """Watches a cluster four times a second while something is done to it."""

    cluster: Cluster
    fewest: int = 10**9
    gap: float = 0.0
    most_heads: int = 0
    _lost: float | None = None

    def __post_init__(self) -> None:
        self.cluster.cloud.clock.every(0.25, self._look)

    def _look(self) -> None:
        cloud, name = self.cluster.cloud, self.cluster.name
        now = cloud.clock.now()
        self.most_heads = max(self.most_heads, len(self.cluster.head_ids))
        if cloud.leader(name) is None:
            self._lost = now if self._lost is None else self._lost
            return
        if self._lost is not None:
            self.gap, self._lost = max(self.gap, now - self._lost), None
        self.fewest = min(self.fewest, cloud.rays.worker_count(name))


def settled(cluster: Cluster) -> None:
    """Fail unless the cluster is whole and nothing is left to do or left over."""
    assert cluster.prepare().rollout.plan.is_empty
    assert cluster.failed_checks() == []
    group = cluster.state().group
    assert group is not None
    assert len(group.members) == group.settings.desired == group.settings.min_size
    assert find_lock(cluster.cloud.clients, cluster.environment) is None


@pytest.fixture
def rolled(start: Start) -> Cluster:
    """A cluster with its own workers and a short bake time."""
    return start(workers=WORKERS, **WATCH)


def test_a_previous_head_that_serves_after_all_ends_a_deploy_at_once(
    rolled: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, clock = rolled.leader(), rolled.cloud.clock
    terminate = HeadSteps.terminate

    def late(self: HeadSteps, step: TerminateHeads) -> str:
        """Look only once the head that was booting serves."""
        rolled.leads_again(lost, within=120)
        clock.sleep(5)
        return terminate(self, step)

    rolled.cloud.clients("ec2").terminate_instances(InstanceIds=[lost.host.instance_id])
    clock.until(lambda: rolled.head_ids not in ([], [lost.host.instance_id]), 60, "a replacement")
    rolled.cloud.bake("head")
    monkeypatch.setattr(HeadSteps, "terminate", late)
    began = clock.now()

    with pytest.raises(HeadFailed, match="of another version, leads"):
        rolled.deploy()

    assert clock.now() - began < 120
    monkeypatch.undo()
    journal = rolled.deploy()
    assert journal is not None
    assert journal.verdict == "done"
    settled(rolled)


def test_another_head_image_takes_a_hand_over_and_replaces_no_worker(rolled: Cluster) -> None:
    before, workers, witness = rolled.leader(), rolled.worker_ids, Witness(rolled)
    rolled.cloud.bake("head")

    journal = rolled.deploy()

    assert journal is not None
    assert journal.verdict == "done"
    assert rolled.leader() is not before
    assert rolled.worker_ids == workers
    assert 0 < witness.gap < 10
    assert witness.most_heads == 2
    settled(rolled)


def test_another_worker_image_is_rolled_and_the_head_stays(rolled: Cluster) -> None:
    leader, life, workers = rolled.leader(), rolled.life, rolled.worker_ids
    witness = Witness(rolled)
    rolled.cloud.bake("worker")

    rolled.deploy()

    assert (rolled.leader(), rolled.life) == (leader, life)
    assert witness.gap == 0
    assert rolled.worker_ids.isdisjoint(workers)
    assert witness.fewest >= WORKERS - 1
    settled(rolled)


@THOROUGH_ONLY
def test_both_images_are_rolled(rolled: Cluster) -> None:
    workers = rolled.worker_ids
    rolled.cloud.bake("head")
    rolled.cloud.bake("worker")

    rolled.deploy()

    assert rolled.worker_ids.isdisjoint(workers)
    settled(rolled)


def test_another_ray_replaces_every_worker(rolled: Cluster) -> None:
    workers = rolled.worker_ids
    for role in ("head", "worker"):
        rolled.cloud.bake(role, ray_version="2.61.0")
    assert rolled.prepare().rollout.plan.strategy == "replace-all"

    rolled.deploy()

    assert rolled.worker_ids.isdisjoint(workers)
    settled(rolled)


@THOROUGH_ONLY
def test_a_standby_is_rolled_with_the_leader(start: Start) -> None:
    cluster = start(workers=2, name="standing", head=STANDBY, **WATCH)
    before, witness = set(cluster.head_ids), Witness(cluster)
    cluster.cloud.bake("head")

    cluster.deploy()

    assert before.isdisjoint(cluster.head_ids)
    assert len(cluster.head_ids) == 2
    assert witness.most_heads == 4
    settled(cluster)


def test_a_redis_is_created_used_and_deleted_once_unused(rolled: Cluster) -> None:
    def with_head(**more: str) -> Cluster:
        head = {"instance_type": "m6i.large"} | more
        return replace(rolled, environment=sized(WORKERS, name="fresh", head=head, **WATCH))

    idle, without = with_head(redis_node_type="cache.t4g.small"), with_head()
    using = with_head(redis_node_type="cache.t4g.small", state="redis")
    using.deploy()
    settled(using)
    (plan,) = elasticache.plans()
    head = rolled.cloud.nodes.head_process(rolled.leader().host.instance_id)
    assert head is not None
    assert head.identity.redis == f"rediss://{plan.endpoint}:6379"
    with pytest.raises(Refused, match='deploy with state = "none" first'):
        without.deploy()
    for cluster in (idle, without):
        cluster.deploy()
        settled(cluster)
    assert elasticache.plans() == ()


@pytest.mark.parametrize(
    "head", [{"instance_type": "m6i.large"}, pytest.param(STANDBY, marks=THOROUGH_ONLY)]
)
def test_with_scarce_capacity_there_is_never_a_surplus_head(
    start: Start, head: dict[str, object]
) -> None:
    rollout = WATCH["rollout"] | {"launch": "after"}
    cluster = start(workers=1, name="scarce", head=head, rollout=rollout, limits=LIMITS)
    count = len(cluster.head_ids)
    before, witness = set(cluster.head_ids), Witness(cluster)
    cluster.cloud.bake("head")

    cluster.deploy()

    assert before.isdisjoint(cluster.head_ids)
    assert witness.most_heads == count
    settled(cluster)


@THOROUGH_ONLY
def test_an_earlier_release_can_be_served_again_days_later(rolled: Cluster) -> None:
    first = rolled.prepare().rollout.desired.release
    rolled.cloud.bake("head")
    rolled.cloud.bake("worker")
    rolled.deploy()
    rolled.cloud.clock.sleep(120)

    journal = rolled.rollback()

    assert journal is not None
    assert (journal.kind, journal.to_release) == ("rollback", first.id)
    assert rolled.failed_checks() == []
    assert rolled.prepare(release=first).rollout.plan.is_empty
    state = rolled.state()
    assert state.head_template is not None
    assert [version.number for version in state.head_template.versions] == [2, 1]


def new_head(cluster: Cluster) -> str:
    return cluster.cloud.bake("head")


Break = Callable[[Cluster], None]


def never_ready(cluster: Cluster) -> None:
    cluster.cloud.faults.unready_images.add(new_head(cluster))


def never_healthy(cluster: Cluster) -> None:
    cluster.cloud.faults.broken_images.add(new_head(cluster))


def dies_soon(cluster: Cluster) -> None:
    cluster.cloud.faults.dying_images[new_head(cluster)] = 5.0


def lonely(cluster: Cluster) -> None:
    cluster.cloud.faults.lonely_images.add(new_head(cluster))


def no_head_capacity(cluster: Cluster) -> None:
    new_head(cluster)
    cluster.cloud.no_capacity()


def no_worker_capacity(cluster: Cluster) -> None:
    cluster.cloud.bake("worker")
    cluster.cloud.faults.short_of_workers.add(cluster.name)


def workers_that_cannot_join(cluster: Cluster) -> None:
    cluster.cloud.faults.stranded.add(cluster.cloud.bake("worker"))


@pytest.mark.parametrize(
    "breaks",
    [
        never_ready,
        *(pytest.param(one, marks=THOROUGH_ONLY) for one in (never_healthy, dies_soon, lonely)),
        no_head_capacity,
    ],
)
def test_a_release_whose_head_fails_is_rolled_back_and_the_old_head_serves(
    rolled: Cluster, breaks: Break
) -> None:
    before, workers = rolled.leader(), rolled.worker_ids
    old = rolled.prepare().rollout.desired.release
    breaks(rolled)

    with pytest.raises(RolledBack, match="serves release"):
        rolled.deploy()

    rolled.cloud.capacity_again()
    assert rolled.leader() is before
    assert rolled.head_ids == [before.host.instance_id]
    rolled.joined(WORKERS, within=120)
    assert rolled.worker_ids == workers
    assert rolled.prepare(release=old).rollout.plan.is_empty
    assert rolled.failed_checks() == []


def test_workers_that_do_not_join_are_rolled_back_before_many_are_replaced(rolled: Cluster) -> None:
    old, witness = rolled.prepare().rollout.desired.release, Witness(rolled)
    workers_that_cannot_join(rolled)

    with pytest.raises(RolledBack, match="nothing changed"):
        rolled.deploy()

    assert witness.fewest == WORKERS - 1
    assert rolled.prepare(release=old).rollout.plan.is_empty
    assert rolled.cloud.rays.worker_count(rolled.name) == WORKERS


@THOROUGH_ONLY
def test_a_failed_rollback_names_both_failures(rolled: Cluster) -> None:
    no_worker_capacity(rolled)

    with pytest.raises(PipelineError, match=r"The rollback to \w+ failed as well"):
        rolled.deploy()

    rolled.cloud.faults.short_of_workers.clear()
    rolled.deploy()
    settled(rolled)


def test_a_lock_that_could_not_be_renewed_during_a_verification_rolls_nothing_back(
    rolled: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, watch = rolled.cloud.clock, Watch(rolled, floor=0, serves=False)
    operation, wire = rolled.operation(), Wire(clock, watch)
    operation.progress = watch
    monkeypatch.setattr(rolled, "operation", lambda kind: operation)
    before = rolled.leader()
    rolled.cloud.bake("head")

    def in_verification(call: Call) -> Fault | None:
        verifies = watch.title.startswith("verify the cluster")
        return Fault("timed out", call, clock) if call.keeps_lock and verifies else None

    wire.fault_for = in_verification
    with wire.installed(rolled.cloud.clients), pytest.raises(Unanswered) as stopped:
        rolled.deploy()

    assert "could not be checked" in stopped.value.message
    assert "the deploy lock could not be renewed for 18" in stopped.value.message
    assert stopped.value.exit_code == 2
    assert rolled.leader() is not before
    rolled.deploy()
    settled(rolled)


def test_an_alarm_rolls_a_release_back(rolled: Cluster) -> None:
    before, clock = rolled.leader(), rolled.cloud.clock
    rolled.cloud.bake("head")
    cloudwatch = rolled.cloud.clients("cloudwatch")

    def ring() -> None:
        if rolled.cloud.leader(rolled.name) not in (None, before):
            cloudwatch.set_alarm_state(
                AlarmName=f"raykiln-{rolled.name}-no-leader",
                StateValue="ALARM",
                StateReason="a test",
            )

    clock.every(1.0, ring)

    with pytest.raises(RolledBack):
        rolled.deploy()


@THOROUGH_ONLY
def test_a_worker_reclaimed_during_a_roll_does_not_stop_it(rolled: Cluster) -> None:
    clock, workers = rolled.cloud.clock, sorted(rolled.worker_ids)
    rolled.cloud.bake("worker")
    clock.after(30.0, lambda: rolled.cloud.crash(workers[-1]))

    rolled.deploy()

    settled(rolled)


def test_a_head_that_dies_during_its_hand_over_costs_no_more_than_a_lapse(rolled: Cluster) -> None:
    before = rolled.leader()
    rolled.cloud.bake("head")
    witness = Witness(rolled)

    def kill() -> None:
        lease = find_lease(rolled.cloud.clients, rolled.environment)
        if before.is_up and lease and lease.successor:
            rolled.cloud.crash(before.host.instance_id)

    rolled.cloud.clock.every(0.25, kill)

    rolled.deploy()

    assert witness.gap < 30
    settled(rolled)


def test_a_second_deployer_is_refused_by_name(rolled: Cluster) -> None:
    rolled.cloud.bake("head")
    clients, clock = rolled.cloud.clients, rolled.cloud.clock

    with deploy_lock(clients, rolled.environment, "a deploy", clock=clock) as first:
        clock.every(1.0, first.now)
        with pytest.raises(Refused, match="a deploy"):
            rolled.deploy()


@THOROUGH_ONLY
def test_clocks_minutes_apart_change_nothing(
    rolled: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Machine, "clock", skewed(Machine.clock))
    rolled.cloud.bake("head")

    rolled.deploy()

    settled(rolled)


def skewed(clock: Callable[[Machine], float]) -> Callable[[Machine], float]:
    """Return a machine's clock that is up to ten minutes ahead or behind."""
    return lambda machine: clock(machine) + hash(machine.host.instance_id) % 1200 - 600


def shown_then_changed(cluster: Cluster) -> Prepared:
    """Return a plan after which somebody changed the group by hand once more."""
    scaling, group = cluster.cloud.clients("autoscaling"), cluster.environment.head_group
    scaling.resume_processes(AutoScalingGroupName=group, ScalingProcesses=["AZRebalance"])
    shown = cluster.prepare()
    scaling.update_auto_scaling_group(AutoScalingGroupName=group, HealthCheckGracePeriod=7)
    return shown


def test_a_plan_that_has_changed_is_refused(rolled: Cluster) -> None:
    shown = shown_then_changed(rolled)

    with pytest.raises(Refused, match="changed since the plan"):
        rolled.operation().run(shown)


def test_a_plan_that_has_changed_is_carried_out_when_confirmed(rolled: Cluster) -> None:
    shown = shown_then_changed(rolled)
    operation = rolled.operation()
    operation.agree = lambda prepared: True

    operation.run(shown)

    settled(rolled)
