"""The acceptance list against a cluster of fake machines on the local cloud's control plane."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from common.clients import Clients
from common.errors import PipelineError, Refused, TimedOut, Unanswered
from deploy.cluster.heartbeat import Heartbeat
from deploy.cluster.ray_instances import ray_instances
from deploy.cluster.run_command import run_command
from deploy.cluster.state import find_instances, find_lease
from deploy.verify.acceptance import run_checks
from deploy.verify.alarm_delivery import deliver_alarm
from deploy.verify.check import Check, Verdict, check
from deploy.verify.head_loss import JOB, LAUNCHED, LEASE, READY, WORKERS, check_head_loss, watch
from localcloud.driver import Answer
from localcloud.world import World
from tests.unit.deploy.conftest import Cluster
from tests.unit.deploy.ray_stub import RayStub, serving
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

STATUS = """======== Autoscaler status ========
Node status
---------------------------------------------------------------
Active:
 1 worker
Idle:
 1 head
Pending:
 2 worker, launching
Recent failures:
 (no failures)
"""


class Whole:
    """A deployed cluster whose Ray answers, and whose head sends its heartbeat."""

    def __init__(
        self, cluster: Cluster, ray: RayStub, driver: FakeDriver, names: dict[str, list[str]]
    ) -> None:
        self.cluster, self.ray, self.driver, self.names = cluster, ray, driver, names
        self.clients = Clients("us-east-1")
        self.due = self.next_beat = 0.0
        self.ready: set[str] = set()

    def checks(self, timeout: float = 0) -> dict[str, Check]:
        """Return the acceptance list by name."""
        found = run_checks(
            self.clients, self.cluster.environment, clock=self.cluster.clock, timeout=timeout
        )
        return {one.name: one for one in found}

    def live(self) -> None:
        """Do what the nodes do as time passes, every five seconds: renew, beat, join."""
        now = self.cluster.clock.now()
        if now < self.due:
            return
        self.due = now + 5
        lease = find_lease(self.clients, self.cluster.environment)
        if lease is None:
            return
        instances = find_instances(self.clients, "dev")
        running = {one.id: one for one in instances if one.state == "running"}
        if lease.holder not in running:
            return
        self.renew(lease.beat + 1)
        self.ray.nodes.clear()
        self.ray.add_node(running[lease.holder].address, head=True)
        for worker in running.values():
            if worker.role == "worker":
                self.ray.add_node(worker.address)
        if now >= self.next_beat or lease.holder not in self.ready:
            self.ready.add(lease.holder)
            self.next_beat = now + 60
            self.beat(now)

    def renew(self, beat: int) -> None:
        """Renew the lease."""
        self.clients("dynamodb").update_item(
            TableName=self.cluster.environment.lease_table,
            Key={"cluster": {"S": "dev"}},
            UpdateExpression="SET beat = :beat",
            ExpressionAttributeValues={":beat": {"N": str(beat)}},
        )

    def beat(self, now: float, value: float = 1.0) -> None:
        """Send a heartbeat, as if it were then."""
        dimensions = [{"Name": "Environment", "Value": "dev"}]
        when = datetime.fromtimestamp(now, UTC)
        metrics = [
            {"MetricName": name, "Dimensions": dimensions, "Timestamp": when, "Value": value}
            for name in ("HeadReady", "HeadLeader")
        ]
        self.clients("cloudwatch").put_metric_data(Namespace="Ray/Head", MetricData=metrics)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayStub]:
    with serving(RayStub()) as stub:
        monkeypatch.setattr(
            "deploy.verify.cluster_checks.ray_api", lambda clients, environment: stub.api()
        )
        yield stub


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the resolver says: the addresses of each name that it knows."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(name: str, *rest: Any, **more: Any) -> Any:
        if name == "127.0.0.1":
            return real(name, *rest, **more)
        if name not in known:
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, 1, 6, "", (address, 0)) for address in known[name]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
def whole(cluster: Cluster, ray: RayStub, driver: FakeDriver, names: dict[str, list[str]]) -> Whole:
    driver.on_run = lambda instance_id, script: Answer(0, STATUS, "")
    made = Whole(cluster, ray, driver, names)
    cluster.clock.listeners.append(made.live)
    cluster.deploy()
    cluster.clock.advance(180, every=5)
    foundation = cluster.state().foundation
    assert foundation is not None
    names[foundation.head_name] = names[foundation.load_balancer_dns_name] = ["10.77.1.9"]
    return made


@contextmanager
def without_life(whole: Whole) -> Iterator[None]:
    """Nobody renews, beats or joins."""
    whole.cluster.clock.listeners.remove(whole.live)
    yield
    whole.cluster.clock.listeners.append(whole.live)
    whole.due = 0


@contextmanager
def with_another_address(whole: Whole) -> Iterator[None]:
    """The name leads elsewhere."""
    name = whole.cluster.environment.head_dns
    right, whole.names[name] = whole.names[name], ["10.77.1.77"]
    yield
    whole.names[name] = right


@contextmanager
def outside_the_vpc(whole: Whole) -> Iterator[None]:
    """The private zone is not seen from here."""
    right = whole.names.pop(whole.cluster.environment.head_dns)
    yield
    whole.names[whole.cluster.environment.head_dns] = right


@contextmanager
def with_ray_dead(whole: Whole) -> Iterator[None]:
    """``ray status`` finds nobody."""
    right = whole.driver.on_run
    whole.driver.on_run = lambda instance_id, script: Answer(1, "", "No cluster status.")
    yield
    whole.driver.on_run = right


@contextmanager
def with_a_stranger_for_a_worker(whole: Whole) -> Iterator[None]:
    """A node has joined that is no instance of ours, and ours has not."""
    with without_life(whole):
        head, worker = whole.ray.nodes
        whole.renew(1_000_000)  # the leader is well for the time of one look
        whole.ray.nodes[:] = [head, worker | {"node_ip": "10.77.9.9"}]
        yield


@contextmanager
def with_an_alarm(whole: Whole) -> Iterator[None]:
    """An alarm rings."""
    cloudwatch = whole.clients("cloudwatch")
    name = "raykiln-dev-no-leader"
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a fire")
    yield
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="put out")


@contextmanager
def with_a_sick_head(whole: Whole) -> Iterator[None]:
    """The head's newest word is that it is not ready."""
    whole.next_beat = whole.cluster.clock.now() + 3600
    whole.cluster.clock.advance(60, every=5)
    whole.beat(whole.cluster.clock.now(), value=0)
    yield
    whole.next_beat = 0


@contextmanager
def without_an_alarm(whole: Whole) -> Iterator[None]:
    """An alarm has been deleted; it stays so."""
    whole.clients("cloudwatch").delete_alarms(AlarmNames=["raykiln-dev-head-launch"])
    yield


@contextmanager
def with_a_silent_target(whole: Whole) -> Iterator[None]:
    """The leader stops answering the load balancer; it stays so."""
    leader = whole.cluster.state().leader
    assert leader is not None
    whole.cluster.clock.listeners.remove(whole.cluster.nodes.step)
    whole.driver.silence(leader.id)
    whole.cluster.clock.advance(30, every=5)
    yield


DAMAGES: dict[Callable[[Whole], AbstractContextManager[None]], tuple[str, str]] = {
    without_life: ("a leader is known", "not renewed"),
    with_another_address: ("the name resolves", "10.77.1.77; the load balancer: ['10.77.1.9']"),
    outside_the_vpc: ("the name resolves", "are you in its VPC"),
    with_ray_dead: ("ray status is alive", "Failed 1: No cluster status."),
    with_a_stranger_for_a_worker: ("workers have joined", "0 joined of 1 wanted, 1 running"),
    with_an_alarm: ("no alarm rings", "raykiln-dev-no-leader (a fire)"),
    with_a_sick_head: ("HeadReady arrives", "minutes with a heartbeat"),
    without_an_alarm: ("the alarms exist", "missing: raykiln-dev-head-launch"),
    with_a_silent_target: ("the target is healthy", "none healthy"),
}


def test_a_whole_cluster_passes_and_each_damage_is_seen(whole: Whole) -> None:
    checks = whole.checks()
    assert [str(one) for one in checks.values() if not one.passed] == []
    assert len(checks) == 9
    assert "1 worker, 1 head" in checks["ray status is alive"].seen
    assert "1 joined of 1 wanted" in checks["workers have joined"].seen
    nodes = ray_instances(whole.clients, whole.cluster.environment)
    assert sorted(nodes) == sorted(node["node_ip"] for node in whole.ray.nodes)

    for damage, (name, words) in DAMAGES.items():
        with damage(whole):
            found = whole.checks()[name]
            assert not found.passed, f"{damage.__name__}: {found}"
            assert words in found.seen


def test_what_is_not_deployed_is_said(cluster: Cluster, ray: RayStub) -> None:
    checks = run_checks(Clients("us-east-1"), cluster.environment, clock=cluster.clock)

    assert [one.name for one in checks if one.passed] == ["no alarm rings"]
    assert "nobody holds the head lease" in checks[0].seen


# --- The trial of an alarm ------------------------------------------------------------------------


class Trial:
    """A topic that alarms publish to."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.clients = clock, Clients("us-east-1")
        self.topic = self.clients("sns").create_topic(Name="alarms")["TopicArn"]
        self.clients("cloudwatch").put_metric_alarm(
            AlarmName="fire",
            Namespace="x",
            MetricName="y",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            Statistic="Maximum",
            ComparisonOperator="LessThanThreshold",
            AlarmActions=[self.topic],
        )

    def deliver(self, topic: str = "") -> float:
        return deliver_alarm(self.clients, topic or self.topic, "fire", clock=self.clock)

    def leftovers(self) -> list[str]:
        """Return what a trial should have taken back."""
        alarms = self.clients("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
        return [
            *self.clients("sqs").list_queues().get("QueueUrls", []),
            *(
                s["SubscriptionArn"]
                for s in self.clients("sns").list_subscriptions()["Subscriptions"]
            ),
            *(alarm["AlarmName"] for alarm in alarms),
        ]


@pytest.fixture
def trial(world: World, clock: FakeClock) -> Trial:
    return Trial(clock)


def test_an_alarm_that_fires_arrives_and_nothing_is_left(trial: Trial) -> None:
    assert trial.deliver() < 5
    assert trial.leftovers() == []


def test_an_alarm_that_does_not_arrive_leaves_nothing_either(trial: Trial) -> None:
    other = trial.clients("sns").create_topic(Name="another")["TopicArn"]

    with pytest.raises(TimedOut, match="no message"):
        trial.deliver(other)

    assert trial.leftovers() == []


def test_an_alarm_that_rings_is_not_tried(trial: Trial) -> None:
    trial.clients("cloudwatch").set_alarm_state(
        AlarmName="fire", StateValue="ALARM", StateReason="a fire"
    )

    with pytest.raises(PipelineError, match="rings already"):
        trial.deliver()


def test_an_alarm_that_is_not_there_is_named(trial: Trial) -> None:
    with pytest.raises(PipelineError, match="there is no alarm smoke"):
        deliver_alarm(trial.clients, trial.topic, "smoke", clock=trial.clock)


# --- The loss of the head -------------------------------------------------------------------------


def test_a_lost_head_is_replaced_and_timed(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, clock = whole.cluster.environment, whole.cluster.clock
    before = whole.cluster.state().leader
    assert before is not None

    checks = check_head_loss(whole.clients, environment, clock=clock)

    assert [one.name for one in checks] == [
        f"head lost: {phase}" for phase in (LAUNCHED, LEASE, READY, WORKERS, JOB)
    ]
    assert [str(one) for one in checks if not one.passed] == []
    assert all(one.seconds > 0 for one in checks)
    after = whole.cluster.state().leader
    assert after is not None
    assert after.id != before.id

    clock.advance(30, every=5)
    monkeypatch.setattr("deploy.verify.head_loss.LIMIT", 0.5)
    [late] = [
        one for one in check_head_loss(whole.clients, environment, clock=clock) if not one.passed
    ]
    assert late.name == f"head lost: {WORKERS}"

    clock.advance(30, every=5)
    whole.ray.failures = 100
    heads = [head.id for head in whole.cluster.state().heads]
    with pytest.raises(Refused, match="not whole"):
        check_head_loss(whole.clients, environment, clock=clock)
    assert [head.id for head in whole.cluster.state().heads] == heads


def test_each_phase_is_timed_by_itself() -> None:
    clock = FakeClock()
    begun = clock.now()

    def after(seconds: float) -> Callable[[], str]:
        return lambda: "there" if clock.now() - begun >= seconds else ""

    reached = watch(
        {"a": after(3), "b": after(1)}, clock=clock, begun=begun, progress=lambda words: None
    )

    assert reached == {"a": (3.0, "there"), "b": (1.0, "there")}


# --- Pieces ---------------------------------------------------------------------------------------


def test_a_check_waits_as_long_as_it_may_and_reports_the_last_look() -> None:
    clock = FakeClock()
    begun = clock.now()

    found = check("x", lambda: Verdict(False, f"{clock.now() - begun:.0f}"), clock=clock, timeout=9)

    assert (found.passed, found.seen, found.seconds) == (False, "9", 9.0)


def test_a_check_that_cannot_look_says_why() -> None:
    def look() -> Verdict:
        raise PipelineError("no way in", hint="knock")

    assert check("x", look, clock=FakeClock()).seen == "no way in"


@pytest.mark.parametrize(("error", "blind"), [(Unanswered("denied"), True), (TimedOut("x"), False)])
def test_what_aws_does_not_show_is_held_against_nobody(error: PipelineError, blind: bool) -> None:
    def look() -> Verdict:
        raise error

    assert check("x", look, clock=FakeClock()).blind is blind


def test_a_check_reads_as_a_line() -> None:
    assert str(Check("x", True, "y", 1.26)) == "pass  x: y (1.3 s)"
    assert str(Check("x", False, "y", 1.26)).startswith("FAIL")


@pytest.mark.parametrize(
    ("minutes", "steady"),
    [
        ({0: 1.0, 60: 1.0, 120: 1.0}, True),
        ({0: 1.0, 120: 1.0}, True),  # one left out by chance
        ({0: 1.0, 60: 1.0, 120: 0.0}, False),
        ({0: 1.0}, False),
        ({-120: 1.0, 120: 1.0}, False),
        ({}, False),
    ],
)
def test_a_heartbeat_is_steady_without_two_silent_minutes(
    minutes: dict[int, float], steady: bool
) -> None:
    assert Heartbeat(minutes).is_steady(now=190.0) is steady


def test_a_command_on_a_stranger_is_an_error(world: World, clock: FakeClock) -> None:
    with pytest.raises(PipelineError, match="i-00000000000000000"):
        run_command(Clients("us-east-1"), "i-00000000000000000", "true", clock=clock)
