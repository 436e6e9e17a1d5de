"""The acceptance list against a cluster of fake machines on the local cloud's control plane."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from common.clients import Clients
from common.errors import PipelineError, Refused, TimedOut, Unanswered
from deploy.cluster.heartbeat import Heartbeat, stands_by
from deploy.cluster.instances import find_instances
from deploy.cluster.ray_instances import ray_instances
from deploy.cluster.run_command import run_command
from deploy.cluster.state import find_lease
from deploy.operate.status import read_status
from deploy.verify import alarm_delivery
from deploy.verify.acceptance import CHECKS, run_checks
from deploy.verify.alarm_delivery import deliver_alarm
from deploy.verify.check import Check, Verdict, check
from deploy.verify.checked_cluster import CheckedCluster
from deploy.verify.group_checks import group_checks
from deploy.verify.head_loss import JOB, LAUNCHED, LEASE, READY, WORKERS, check_head_loss, watch
from localcloud.driver import Answer
from localcloud.world import World
from tests.unit.answers import refused
from tests.unit.deploy.conftest import Cluster, a_cluster, bake
from tests.unit.deploy.ray_stub import RayStub, serving
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

pytestmark = pytest.mark.slow

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


class HealthyCluster:
    """A deployed cluster whose Ray answers, and whose head sends its heartbeat."""

    def __init__(self, cluster: Cluster, ray: RayStub, driver: FakeDriver) -> None:
        self.cluster, self.ray, self.driver = cluster, ray, driver
        # What the VPC's resolver returns: the addresses of each name that it knows.
        self.names: dict[str, list[str]] = {}
        self.clients = Clients("us-east-1")
        self.due = self.next_beat = 0.0
        self.ready: set[str] = set()
        # What the guard says of the autoscaler; its ``rounds`` grow with each question.
        self.autoscaler: dict[str, Any] | None = {
            "working": True,
            "rounds": 7,
            "seconds_since_round": 3.0,
            "refused": {},
        }
        self.guard_knows, self.rounds_go_on = True, True

    def checks(self, timeout: float = 0) -> dict[str, Check]:
        """Return the acceptance list by name."""
        found = run_checks(
            self.clients, self.cluster.environment, clock=self.cluster.clock, timeout=timeout
        )
        return {one.name: one for one in found}

    def check_named(self, name: str) -> Check:
        """Return one check of the list, without waiting."""
        cluster = CheckedCluster(self.clients, self.cluster.environment, self.cluster.clock)
        looks = {name: partial(look, cluster) for name, look in CHECKS.items()}
        return check(name, (looks | group_checks(cluster))[name], clock=self.cluster.clock)

    def image(self, role: str) -> str:
        """Return the image of the release that is served."""
        release = self.cluster.state().release
        assert release is not None
        return dict(release.images)[role].ami_id

    def live(self) -> None:
        """Act as the nodes, every five seconds: renew, send heartbeats, join."""
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
        workers = [one for one in running.values() if one.role == "worker"]
        for worker in workers:
            labels = {"ray.io/node-group": "worker"}
            self.ray.add_node(worker.address, cpus=2, labels=labels)
        ran = [{"group": "worker", "address": worker.address} for worker in workers[:1]]
        self.ray.logs = "".join(f"here: {json.dumps(one)}\n" for one in ran)
        if now >= self.next_beat or lease.holder not in self.ready:
            self.ready.add(lease.holder)
            self.next_beat = now + 60
            self.beat(now)

    def command(self, instance_id: str, script: str) -> Answer:
        """Answer ``ray status``, and the question for the guard's status."""
        if script.startswith("for name in "):
            return self.resolve(script.removeprefix("for name in ").partition(";")[0].split())
        if not script.startswith("curl"):
            return Answer(0, STATUS, "")
        assert script.strip().endswith(" http://localhost:8479/status")
        if self.autoscaler and self.rounds_go_on:
            self.autoscaler["rounds"] += 1
        known = {"autoscaler": self.autoscaler} if self.guard_knows else {}
        return Answer(0, json.dumps({"phase": "leading", **known}), "")

    def resolve(self, names: list[str]) -> Answer:
        """Answer with each name, and what ``getent ahostsv4`` prints of it."""
        lines = []
        for name in names:
            lines.append(f"{name}:")
            for address in self.names.get(name, []):
                lines += [f"{address:15} STREAM {name}", f"{address:15} DGRAM"]
        return Answer(0, "\n".join(lines) + "\n", "")

    def renew(self, beat: int) -> None:
        """Renew the lease."""
        self.clients("dynamodb").update_item(
            TableName=self.cluster.environment.lease_table,
            Key={"cluster": {"S": "dev"}},
            UpdateExpression="SET beat = :beat",
            ExpressionAttributeValues={":beat": {"N": str(beat)}},
        )

    def beat(
        self, now: float, value: float = 1.0, names: Iterable[str] = ("HeadReady", "HeadLeader")
    ) -> None:
        """Send a heartbeat with that time."""
        dimensions = [{"Name": "Environment", "Value": "dev"}]
        when = datetime.fromtimestamp(now, UTC)
        metrics = [
            {"MetricName": name, "Dimensions": dimensions, "Timestamp": when, "Value": value}
            for name in names
        ]
        self.clients("cloudwatch").put_metric_data(Namespace="Ray/Head", MetricData=metrics)


@contextmanager
def a_ray() -> Iterator[RayStub]:
    """Ray at the stable name of whichever cluster is checked."""
    with serving(RayStub()) as stub, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "deploy.verify.checked_cluster.ray_api", lambda clients, environment: stub.api()
        )
        yield stub


@pytest.fixture(scope="class")
def healthy() -> Iterator[HealthyCluster]:
    """One for the tests of a class, which leave it healthy or come last."""
    clock = FakeClock()
    driver = FakeDriver(clock)
    with a_world(clock, driver), a_ray() as ray:
        made = HealthyCluster(a_cluster(clock, driver), ray, driver)
        driver.on_run = made.command
        clock.listeners.append(made.live)
        made.cluster.deploy()
        clock.advance(180, every=5)
        foundation = made.cluster.state().foundation
        assert foundation is not None
        for name in (foundation.head_name, foundation.load_balancer_dns_name):
            made.names[name] = ["10.77.1.9"]
        yield made


@contextmanager
def without_nodes(healthy: HealthyCluster) -> Iterator[None]:
    """No node renews, sends heartbeats or joins."""
    healthy.cluster.clock.listeners.remove(healthy.live)
    yield
    healthy.cluster.clock.listeners.append(healthy.live)
    healthy.due = 0


@contextmanager
def with_another_address(healthy: HealthyCluster) -> Iterator[None]:
    """The name has another address."""
    name = healthy.cluster.environment.head_dns
    right, healthy.names[name] = healthy.names[name], ["10.77.1.77"]
    yield
    healthy.names[name] = right


@contextmanager
def without_the_zone(healthy: HealthyCluster) -> Iterator[None]:
    """The VPC's resolver does not know the private zone."""
    right = healthy.names.pop(healthy.cluster.environment.head_dns)
    yield
    healthy.names[healthy.cluster.environment.head_dns] = right


@contextmanager
def with_ray_dead(healthy: HealthyCluster) -> Iterator[None]:
    """``ray status`` finds no cluster."""
    right = healthy.driver.on_run
    healthy.driver.on_run = lambda instance_id, script: Answer(1, "", "No cluster status.")
    yield
    healthy.driver.on_run = right


@contextmanager
def with_a_dead_autoscaler(healthy: HealthyCluster) -> Iterator[None]:
    """The autoscaler completes no round, though the guard does not say so yet."""
    healthy.rounds_go_on = False
    yield
    healthy.rounds_go_on = True


@contextmanager
def with_a_head_that_starts_ray(healthy: HealthyCluster) -> Iterator[None]:
    """The holder of the lease does not lead Ray yet."""
    right, healthy.autoscaler = healthy.autoscaler, None
    yield
    healthy.autoscaler = right


@contextmanager
def with_a_foreign_worker(healthy: HealthyCluster) -> Iterator[None]:
    """A node that is not our instance has joined, and our worker has not."""
    with without_nodes(healthy):
        head, worker = healthy.ray.nodes
        healthy.renew(1_000_000)  # the leader is healthy during one look
        healthy.ray.nodes[:] = [head, worker | {"node_ip": "10.77.9.9"}]
        yield


@contextmanager
def with_a_head_of_another_image(healthy: HealthyCluster) -> Iterator[None]:
    """A head runs that was launched from an image that the release does not name."""
    other = bake(healthy.clients, "head")
    tags = {"raykiln:environment": "dev", "raykiln:role": "head"}
    (instance,) = healthy.clients("ec2").run_instances(
        ImageId=other,
        InstanceType="m6i.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    )["Instances"]
    healthy.cluster.clock.advance(30, every=5)
    yield
    healthy.clients("ec2").terminate_instances(InstanceIds=[instance["InstanceId"]])


@contextmanager
def with_a_disabled_image(healthy: HealthyCluster) -> Iterator[None]:
    """The workers' image is disabled."""
    ec2, ami_id = healthy.clients("ec2"), healthy.image("worker")
    ec2.disable_image(ImageId=ami_id)
    yield
    ec2.enable_image(ImageId=ami_id)


@contextmanager
def without_an_image(healthy: HealthyCluster) -> Iterator[None]:
    """The heads' image is deregistered, for good."""
    healthy.clients("ec2").deregister_image(ImageId=healthy.image("head"))
    yield


@contextmanager
def with_a_node_that_lacks_a_cpu(healthy: HealthyCluster) -> Iterator[None]:
    """Ray counts one CPU on a worker whose group promises two."""
    healthy.live()
    with without_nodes(healthy):
        head, worker = healthy.ray.nodes
        healthy.ray.nodes[:] = [head, worker | {"resources_total": {"CPU": 1.0, "driver": 1000.0}}]
        yield


@contextmanager
def with_a_job_that_runs_elsewhere(healthy: HealthyCluster) -> Iterator[None]:
    """The group's task says that it ran on a node of another group."""
    healthy.live()
    with without_nodes(healthy):
        healthy.ray.logs = 'here: {"group": "worker", "address": "10.77.9.9"}\n'
        yield


@contextmanager
def with_an_alarm(healthy: HealthyCluster) -> Iterator[None]:
    """An alarm is in ALARM."""
    cloudwatch = healthy.clients("cloudwatch")
    name = "raykiln-dev-no-leader"
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a fire")
    yield
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="put out")


@contextmanager
def with_an_unhealthy_head(healthy: HealthyCluster) -> Iterator[None]:
    """The head's newest heartbeat says that it is not ready."""
    healthy.next_beat = healthy.cluster.clock.now() + 3600
    healthy.cluster.clock.advance(60, every=5)
    healthy.beat(healthy.cluster.clock.now(), value=0)
    yield
    healthy.next_beat = 0


@contextmanager
def without_an_alarm(healthy: HealthyCluster) -> Iterator[None]:
    """An alarm is deleted, for good."""
    healthy.clients("cloudwatch").delete_alarms(AlarmNames=["raykiln-dev-head-launch"])
    yield


@contextmanager
def with_a_silent_target(healthy: HealthyCluster) -> Iterator[None]:
    """The leader stops answering the load balancer, for good."""
    leader = healthy.cluster.state().leader
    assert leader is not None
    healthy.cluster.clock.listeners.remove(healthy.cluster.nodes.step)
    healthy.driver.silence(leader.id)
    healthy.cluster.clock.advance(30, every=5)
    yield


FAULTS: dict[Callable[[HealthyCluster], AbstractContextManager[None]], tuple[str, str]] = {
    without_nodes: ("there is a leader", "not renewed"),
    with_another_address: ("the name resolves", "10.77.1.77; the load balancer: ['10.77.1.9']"),
    without_the_zone: ("the name resolves", "does not resolve on"),
    with_a_dead_autoscaler: ("the autoscaler works", "not within 60 s; last seen: working: newest"),
    with_a_head_that_starts_ray: ("the autoscaler works", "does not lead Ray: leading"),
    with_ray_dead: ("ray status succeeds", "Failed 1: No cluster status."),
    with_a_head_of_another_image: ("the heads are of the release", "is m6i.large of ami-"),
    with_a_disabled_image: ("the images can be launched", "the worker image ami-"),
    with_a_foreign_worker: ("every worker is of a group", "the node at 10.77.9.9 is no instance"),
    with_a_node_that_lacks_a_cpu: ("group worker has its workers", "CPU 1 in Ray, 2 promised"),
    with_a_job_that_runs_elsewhere: ("a task runs in each group", "not in worker"),
    with_an_alarm: ("no alarm is in ALARM", "raykiln-dev-no-leader (a fire)"),
    with_an_unhealthy_head: ("HeadReady arrives", "minutes with a heartbeat"),
    without_an_alarm: ("the alarms exist", "missing: raykiln-dev-head-launch"),
    without_an_image: ("the images can be launched", "the head image ami-"),
    with_a_silent_target: ("the target is healthy", "none healthy"),
}


class TestHealthyCluster:
    """One cluster for all: what is done to it for good is done at the end."""

    def test_what_ec2_refuses_is_named_and_an_older_guard_is_not_blamed(
        self, healthy: HealthyCluster
    ) -> None:
        assert healthy.autoscaler
        healthy.autoscaler["refused"] = {
            "gpu": {
                "instance_type": "g5.xlarge",
                "market": "spot",
                "code": "InsufficientInstanceCapacity",
                "message": "no room",
                "seconds_ago": 12.0,
            }
        }
        named = healthy.check_named("the autoscaler works")
        assert named.passed
        assert named.seen.endswith(
            "; EC2 refused gpu (g5.xlarge, spot) 12 s ago: InsufficientInstanceCapacity: no room"
        )

        healthy.guard_knows = False
        older = healthy.check_named("the autoscaler works")

        assert older.passed
        assert older.seen.startswith("not checked: not reported by the image of i-")
        healthy.autoscaler["refused"], healthy.guard_knows = {}, True

    def test_a_standby_is_asked_for_where_one_is_kept_and_must_have_said_so(
        self, healthy: HealthyCluster
    ) -> None:
        plain = healthy.cluster.environment
        head = plain.head.model_copy(update={"standby": 1})
        healthy.cluster.environment = plain.model_copy(update={"head": head})
        clock, leader = healthy.cluster.clock, healthy.cluster.state().leader
        assert leader is not None

        def said() -> tuple[bool, str, bool | None]:
            found = healthy.checks()["a head stands by"]
            now = clock.now()
            stands = stands_by(healthy.clients, healthy.cluster.environment, now=now)
            return found.passed, found.seen, stands

        assert said() == (True, "not checked: the heads' image does not say it", None)
        healthy.beat(clock.now(), 1.0, ["HeadStandingBy"])
        assert said() == (True, "no head beside the leader", True)
        healthy.beat(clock.now(), 0.0, ["HeadStandingBy"])  # the leader's
        assert said()[2] is True
        clock.advance(121, every=5)
        healthy.beat(clock.now(), 0.0, ["HeadStandingBy"])
        assert said() == (
            False,
            "no head beside the leader, and none that stands by: docs/runbooks/no-standby.md",
            False,
        )
        assert read_status(healthy.cluster.environment, healthy.clients, clock=clock).problems == (
            "1 of 2 heads in service",
            "no head stands by to take over from the leader: docs/runbooks/no-standby.md",
        )

        healthy.cluster.environment = plain
        assert "a head stands by" not in healthy.checks()
        status = read_status(plain, healthy.clients, clock=clock)
        assert status.problems == ()

    def test_a_lost_head_is_replaced_and_timed(
        self, healthy: HealthyCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        environment, clock = healthy.cluster.environment, healthy.cluster.clock
        before = healthy.cluster.state().leader
        assert before is not None

        checks = check_head_loss(healthy.clients, environment, clock=clock)

        assert [one.name for one in checks] == [
            *(f"head lost: {phase}" for phase in (LAUNCHED, LEASE, READY, WORKERS, JOB)),
            "head lost: the autoscaler completes a round",
        ]
        assert [str(one) for one in checks if not one.passed] == []
        assert all(one.seconds > 0 for one in checks)
        after = healthy.cluster.state().leader
        assert after is not None
        assert after.id != before.id

        clock.advance(30, every=5)
        monkeypatch.setattr("deploy.verify.head_loss.LIMIT", 0.5)
        [late] = [
            one
            for one in check_head_loss(healthy.clients, environment, clock=clock)
            if not one.passed
        ]
        assert late.name == f"head lost: {WORKERS}"

        clock.advance(30, every=5)
        healthy.ray.failures = 100
        heads = [head.id for head in healthy.cluster.state().heads]
        with pytest.raises(Refused, match="not healthy"):
            check_head_loss(healthy.clients, environment, clock=clock)
        assert [head.id for head in healthy.cluster.state().heads] == heads
        healthy.ray.failures = 0
        clock.advance(180, every=5)

    def test_a_healthy_cluster_passes_and_each_fault_is_detected(
        self, healthy: HealthyCluster
    ) -> None:
        checks = healthy.checks()
        assert [str(one) for one in checks.values() if not one.passed] == []
        assert len(checks) == 14
        images = sorted((healthy.image("head"), healthy.image("worker")))
        assert checks["the images can be launched"].seen == ", ".join(images)
        assert "rounds seen" in checks["the autoscaler works"].seen
        assert "1 worker, 1 head" in checks["ray status succeeds"].seen
        assert checks["group worker has its workers"].seen == "1 alive of 1 to 3"
        assert checks["every worker is of a group"].seen == "1 worker"
        assert checks["a task runs in each group"].seen.startswith("worker: 10.77.")
        nodes = ray_instances(healthy.clients, healthy.cluster.environment)
        assert sorted(nodes) == sorted(node["node_ip"] for node in healthy.ray.nodes)

        for fault, (name, words) in FAULTS.items():
            with fault(healthy):
                found = healthy.check_named(name)
                assert not found.passed, f"{fault.__name__}: {found}"
                assert words in found.seen


def test_a_missing_cluster_fails_the_checks(cluster: Cluster) -> None:
    with a_ray():
        checks = run_checks(Clients("us-east-1"), cluster.environment, clock=cluster.clock)

    assert [one.name for one in checks if one.passed] == ["no alarm is in ALARM"]
    assert "no instance holds the head lease" in checks[0].seen


# --- The alarm test -------------------------------------------------------------------------------


class AlarmTest:
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
        """Return what an alarm test should have deleted."""
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
def alarm_test(world: World, clock: FakeClock) -> AlarmTest:
    return AlarmTest(clock)


def test_a_delivered_alarm_leaves_nothing_behind(alarm_test: AlarmTest) -> None:
    assert alarm_test.deliver() < 5
    assert alarm_test.leftovers() == []


def test_an_undelivered_alarm_leaves_nothing_behind(alarm_test: AlarmTest) -> None:
    other = alarm_test.clients("sns").create_topic(Name="another")["TopicArn"]

    with pytest.raises(TimedOut, match="no message"):
        alarm_test.deliver(other)

    assert alarm_test.leftovers() == []


def test_what_a_killed_test_left_is_removed_by_a_later_one(
    alarm_test: AlarmTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    alarm_test.clock.time = time.time()  # as that of SQS
    with monkeypatch.context() as patch:
        for name in ("_delete_queue", "_set_state"):
            patch.setattr(alarm_delivery, name, killed)
        patch.setattr(alarm_test.clients("sns"), "unsubscribe", killed)
        with pytest.raises(SystemExit):
            alarm_test.deliver()
    left = alarm_test.leftovers()
    other = alarm_test.clients("sqs").create_queue(QueueName="alarms-of-others")["QueueUrl"]
    assert len(left) == 2

    alarm_test.deliver()  # the first may still be running
    assert alarm_test.leftovers() == [left[0], other, left[1]]

    alarm_test.clock.advance(3700)
    alarm_test.deliver()
    assert alarm_test.leftovers() == [other]


def test_an_alarm_is_tested_by_whoever_may_not_list_queues(
    alarm_test: AlarmTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise refused("AccessDenied")

    monkeypatch.setattr(alarm_test.clients("sqs"), "list_queues", refuse)

    assert alarm_test.deliver() < 5


def test_an_alarm_in_alarm_is_not_tested(alarm_test: AlarmTest) -> None:
    alarm_test.clients("cloudwatch").set_alarm_state(
        AlarmName="fire", StateValue="ALARM", StateReason="a fire"
    )

    with pytest.raises(PipelineError, match="is in ALARM already"):
        alarm_test.deliver()


def test_a_missing_alarm_is_named(alarm_test: AlarmTest) -> None:
    with pytest.raises(PipelineError, match="there is no alarm smoke"):
        deliver_alarm(alarm_test.clients, alarm_test.topic, "smoke", clock=alarm_test.clock)


# --- Head loss ------------------------------------------------------------------------------------


def test_each_phase_is_timed_separately() -> None:
    clock = FakeClock()
    begun = clock.now()

    def after(seconds: float) -> Callable[[], str]:
        return lambda: "there" if clock.now() - begun >= seconds else ""

    reached = watch(
        {"a": after(3), "b": after(1)}, clock=clock, begun=begun, progress=lambda words: None
    )

    assert reached == {"a": (3.0, "there"), "b": (1.0, "there")}


# --- Parts ----------------------------------------------------------------------------------------


def test_a_check_waits_for_its_timeout_and_reports_the_last_look() -> None:
    clock = FakeClock()
    begun = clock.now()

    found = check("x", lambda: Verdict(False, f"{clock.now() - begun:.0f}"), clock=clock, timeout=9)

    assert (found.passed, found.seen, found.seconds) == (False, "9", 9.0)


def test_a_check_that_raises_reports_the_error() -> None:
    def look() -> Verdict:
        raise PipelineError("no way in", hint="knock")

    assert check("x", look, clock=FakeClock()).seen == "no way in"


@pytest.mark.parametrize(("error", "blind"), [(Unanswered("denied"), True), (TimedOut("x"), False)])
def test_a_check_is_blind_when_aws_does_not_answer(error: PipelineError, blind: bool) -> None:
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
        ({0: 1.0, 120: 1.0}, True),  # one skipped by chance
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


def test_a_command_on_an_unknown_instance_is_an_error(world: World, clock: FakeClock) -> None:
    with pytest.raises(PipelineError, match="i-00000000000000000"):
        run_command(Clients("us-east-1"), "i-00000000000000000", "true", clock=clock)
