"""The function that an alarm invokes: when it has a head replaced, which one, and when not.

It runs with its role's credentials, against the stack that the template makes, every request of its
checked as IAM does.
"""

import importlib.util
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from common.clients import Clients
from common.environment import Environment
from deploy.cluster.remediations import last_remediation
from deploy.foundation import remediation
from deploy.foundation.changes import apply_foundation, plan_foundation
from localcloud.driver import Answer, Work
from localcloud.patches.iam import enforce, enforced, role_credentials
from localcloud.world import World
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.conftest import SMALL, Killed
from tests.unit.localcloud.fakes import FakeClock, FakeDriver
from tests.unit.localcloud.groups import NAME, SETTLED, Group

pytestmark = pytest.mark.slow

FUNCTION = "raykiln-dev-remediation"
TABLE = "raykiln-lease-dev"
WHOLE = 900  # seconds after which a group is whole again


@contextmanager
def unchecked() -> Iterator[None]:
    """Let somebody else act, while the function's own requests are checked."""
    enforce(False)
    yield
    enforce()


@dataclass
class Time:
    """Stands for the module: the world's time, and a sleep in which others act."""

    clock: FakeClock
    meanwhile: Callable[[], None] = lambda: None
    slept: float = 0.0

    def time(self) -> float:
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        with unchecked():
            self.meanwhile()


@dataclass
class Scene:
    """An environment with remediation, its head group, its lease, and the function."""

    environment: Environment
    clients: Clients
    group: Group
    clock: FakeClock
    time: Time
    patch: pytest.MonkeyPatch
    events: int = 0
    head: str = ""
    stranger: str = ""

    def ring(self, alarm: str = "no-leader", event: str = "") -> str:
        """Have the function answer an alarm that begins to ring; return its words."""
        self.events += 1
        told = {
            "alarmArn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:raykiln-dev-{alarm}",
            "time": event or f"event {self.events}",
            "alarmData": {"alarmName": f"raykiln-dev-{alarm}", "state": {"value": "ALARM"}},
        }
        with self.as_the_function():
            return remediation.handler(told, None)

    @contextmanager
    def as_the_function(self) -> Iterator[None]:
        """Have its environment and its role's keys, every request checked."""
        keys = role_credentials(physical("RemediationRole"))
        variables = self.clients("lambda").get_function_configuration(FunctionName=FUNCTION)
        environment = variables["Environment"]["Variables"]
        with acting_with({**environment, **{k.upper(): v for k, v in keys.items()}}):
            yield

    def lease(self, holder: str, beat: int = 7, **more: Any) -> None:
        item = {"cluster": "dev", "epoch": 3, "beat": beat, "holder": holder, "released": False}
        self.put(item | more)

    def put(self, item: dict[str, Any]) -> None:
        boto3.resource("dynamodb").Table(TABLE).put_item(Item=item)

    def record(self) -> dict[str, Any]:
        key = {"cluster": "dev#remediation"}
        found = boto3.resource("dynamodb").Table(TABLE).get_item(Key=key)
        return dict(found.get("Item", {}))

    def replaced(self) -> list[str]:
        """Return the heads that the record names, oldest first."""
        return [act["head"] for act in self.record().get("acts", [])]

    def health(self) -> dict[str, str]:
        return {one["InstanceId"]: one["HealthStatus"] for one in self.group.instances}

    def again(self, seconds: float) -> str:
        """Let time pass until the group is whole, and no new head leads; ring; return the words."""
        self.clock.advance(min(seconds, WHOLE), every=30)
        self.clock.advance(max(seconds - WHOLE, 0), every=600)
        return self.ring()


@contextmanager
def acting_with(variables: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, enforced():
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def dying_at(operation: str) -> Callable[..., Any]:
    """Return a client's way to call AWS that is killed before that operation."""
    make = BaseClient._make_api_call

    def call(self: Any, name: str, parameters: Any) -> Any:
        if name == operation:
            raise Killed
        return make(self, name, parameters)

    return call


def physical(logical_id: str) -> str:
    found = boto3.client("cloudformation").describe_stack_resource(
        StackName="raykiln-dev", LogicalResourceId=logical_id
    )
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


@pytest.fixture
def scene(world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """One head, in service, that held the lease and renews it no more."""
    environment = an_environment(
        network=SMALL, alarms={"remediate": True}, names={"head_group": NAME}
    )
    clients, time = Clients("us-east-1"), Time(clock)
    group = Group(clients, clock)
    monkeypatch.setattr(remediation, "time", time)
    plan = plan_foundation(clients, environment, clock=clock)
    apply_foundation(clients, environment, plan, clock=clock)
    group.create()
    clock.advance(SETTLED)
    made = Scene(environment, clients, group, clock, time, monkeypatch)
    made.lease(group.ids[0])
    return made


# --- It acts --------------------------------------------------------------------------------------


def test_a_head_that_holds_the_lease_and_renews_it_no_more_is_replaced(scene: Scene) -> None:
    (head,) = scene.group.ids

    words = scene.ring()

    assert words == f"{head} is replaced: nobody leads, and the lease was last {head}'s"
    assert scene.health() == {head: "Unhealthy"}
    scene.clock.advance(2 * SETTLED)
    assert scene.group.states == ["InService"]
    assert scene.group.ids != [head]


def test_it_is_written_down_before_and_published_after(scene: Scene) -> None:
    sqs = scene.clients("sqs")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    topic = f"arn:aws:sns:us-east-1:123456789012:{scene.environment.topic}"
    scene.clients("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    words = scene.ring("head-not-ready")

    (act,) = scene.record()["acts"]
    assert act == {
        "at": int(scene.clock.now()),
        "event": "raykiln-dev-head-not-ready event 1",
        "alarm": "raykiln-dev-head-not-ready",
        "head": scene.group.ids[0],
        "words": words,
    }
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Message"] == f"raykiln-dev-head-not-ready: {words}"


def test_the_status_shows_its_last_word(scene: Scene) -> None:
    assert last_remediation(scene.clients, scene.environment) == ""
    words = [scene.ring(), scene.ring("no-healthy-target")]

    shown = last_remediation(scene.clients, scene.environment)

    assert words[1] == "left alone: the head group is at work"
    assert shown.endswith(f"Z raykiln-dev-no-healthy-target: {words[1]}")


def test_of_two_heads_of_which_none_leads_one_is_replaced_the_last_leader(scene: Scene) -> None:
    scene.group.resize(2)
    scene.clock.advance(SETTLED)
    last = max(scene.group.ids)
    scene.lease(last, released=True)

    scene.ring()

    assert [name for name, health in scene.health().items() if health != "Healthy"] == [last]


def test_where_the_last_leader_is_gone_another_head_is_to_blame(scene: Scene) -> None:
    scene.lease("i-gone")

    scene.ring()

    assert scene.replaced() == scene.group.ids


def test_where_nobody_ever_led_the_head_in_service_is_to_blame(scene: Scene) -> None:
    boto3.resource("dynamodb").Table(TABLE).delete_item(Key={"cluster": "dev"})

    assert "the lease was last nobody's" in scene.ring()
    assert scene.replaced() == scene.group.ids


def test_a_dead_deployer_s_lock_keeps_nobody_from_it(scene: Scene) -> None:
    scene.put({"cluster": "dev#deploy", "token": "a", "beat": 4})

    scene.ring()

    assert scene.replaced() == scene.group.ids
    assert scene.time.slept == 35 + 12


# --- It leaves things alone -----------------------------------------------------------------------


def is_left_alone(scene: Scene, words: str) -> bool:
    """Ring; say whether these were the words, written down, and nothing was done."""
    said = scene.ring()
    assert said == f"left alone: {words}"
    assert scene.record()["noted"]["words"] == said
    return not scene.replaced() and "Unhealthy" not in scene.health().values()


@pytest.mark.parametrize("change", [{"beat": 8}, {"epoch": 4, "beat": 7}])
def test_a_lease_that_moves_is_somebody_s(scene: Scene, change: dict[str, int]) -> None:
    (head,) = scene.group.ids
    scene.time.meanwhile = lambda: scene.lease(head, **change)

    assert is_left_alone(scene, "the head lease is being renewed: somebody leads")


def test_a_lease_that_moves_only_in_its_last_second_is_somebody_s(scene: Scene) -> None:
    def renew() -> None:
        if scene.time.slept == 12:
            scene.lease(scene.group.ids[0], beat=8)

    scene.time.meanwhile = renew

    assert is_left_alone(scene, "the head lease is being renewed: somebody leads")


def test_a_rollout_sees_to_its_heads_itself(scene: Scene) -> None:
    lock = {"cluster": "dev#deploy", "token": "a", "beat": 4}
    scene.put(lock)
    scene.time.meanwhile = lambda: scene.put(lock | {"beat": 5})

    assert is_left_alone(scene, "a deployer is at work")


def test_a_group_that_launches_is_at_work(scene: Scene) -> None:
    scene.group.resize(2)

    assert is_left_alone(scene, "the head group is at work")


def test_a_group_that_replaces_is_at_work(scene: Scene) -> None:
    (head,) = scene.group.ids
    scene.group.api.set_instance_health(InstanceId=head, HealthStatus="Unhealthy")

    assert scene.ring() == "left alone: the head group is at work"
    assert scene.replaced() == []


def test_a_group_that_may_replace_nothing_is_left_so(scene: Scene) -> None:
    scene.group.api.suspend_processes(
        AutoScalingGroupName=NAME, ScalingProcesses=["ReplaceUnhealthy", "AZRebalance"]
    )

    assert is_left_alone(scene, "ReplaceUnhealthy of the head group is suspended")


def test_without_a_head_there_is_none_to_replace(scene: Scene) -> None:
    scene.group.resize(0)
    scene.clock.advance(SETTLED)

    assert is_left_alone(scene, "there is no head")


# --- Not too often, and once an alarm -------------------------------------------------------------


def test_within_a_quarter_of_an_hour_one_head_is_replaced(scene: Scene) -> None:
    scene.ring()
    first = scene.replaced()

    assert scene.again(600) == "left alone: a head was replaced 600 s ago"
    assert scene.again(270) == "left alone: a head was replaced 870 s ago"
    assert scene.replaced() == first
    assert scene.again(30).endswith(f"the lease was last {first[0]}'s")
    assert len(scene.replaced()) == 2


def test_within_a_day_three_heads_are_replaced(scene: Scene) -> None:
    scene.ring()
    for _ in range(2):
        scene.again(900)

    assert scene.again(3600) == "left alone: 3 heads were replaced within a day"
    assert len(scene.replaced()) == 3
    scene.again(24 * 3600)
    assert len(scene.replaced()) == 4


def test_the_record_keeps_the_last_ten(scene: Scene) -> None:
    old = {"event": "e", "alarm": "a", "head": "i-old", "words": "w"}
    acts = [{**old, "at": number} for number in range(10)]
    scene.put({"cluster": "dev#remediation", "acted": 23, "acts": acts})

    scene.ring()

    assert [act["at"] for act in scene.record()["acts"]] == [*range(1, 10), int(scene.clock.now())]
    assert scene.record()["acted"] == 24


def test_an_alarm_that_is_delivered_twice_is_answered_once(scene: Scene) -> None:
    scene.ring(event="the same")

    assert scene.ring(event="the same") == "left alone: the head group is at work"
    scene.clock.advance(2 * 3600, every=60)
    (first,) = scene.replaced()
    assert scene.ring(event="the same") == f"left alone: for this alarm {first} was replaced"
    assert scene.group.ids != [first]
    assert "Unhealthy" not in scene.health().values()


def test_a_run_that_was_killed_before_it_acted_is_finished_by_the_next_delivery(
    scene: Scene,
) -> None:
    (head,) = scene.group.ids

    with scene.patch.context() as patch:
        patch.setattr("botocore.client.BaseClient._make_api_call", dying_at("SetInstanceHealth"))
        with pytest.raises(Killed):
            scene.ring(event="the same")
    assert scene.replaced() == [head]
    assert scene.health() == {head: "Healthy"}

    scene.ring(event="the same")

    assert scene.replaced() == [head]
    assert scene.health() == {head: "Unhealthy"}


def test_of_two_runs_at_once_one_acts(scene: Scene) -> None:
    write, rivals = remediation.Cluster.write, ["head-not-ready"]

    def late(self: remediation.Cluster, condition: str = "", **values: Any) -> None:
        if condition and rivals:
            with unchecked():
                scene.ring(rivals.pop())
        write(self, condition, **values)

    scene.patch.setattr(remediation.Cluster, "write", late)

    assert scene.ring("no-leader") == "left alone: a head was replaced 0 s ago"
    (act,) = scene.record()["acts"]
    assert act["alarm"] == "raykiln-dev-head-not-ready"


# --- The alarm does it, and the role can do no more -----------------------------------------------


def run_here(work: Work, folder: Path, time: Time) -> Answer:
    """Run a function's own archive in this process, as Lambda would in its own."""
    with zipfile.ZipFile(io.BytesIO(work.archive)) as archive:
        archive.extractall(folder)
    found = importlib.util.spec_from_file_location("index", folder / "index.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    with acting_with(dict(work.environment)):
        found.loader.exec_module(module)
        module.time = time  # type: ignore[attr-defined]
        return Answer(0, f"{module.handler(json.loads(work.event), None)}\n", "")


@pytest.mark.parametrize("alarm", ["head-not-ready", "no-leader", "no-healthy-target"])
def test_an_alarm_that_rings_invokes_the_function(
    scene: Scene, driver: FakeDriver, tmp_path: Path, alarm: str
) -> None:
    (head,) = scene.group.ids
    driver.on_invoke = lambda work: run_here(work, tmp_path, scene.time)
    told = {"AlarmName": f"raykiln-dev-{alarm}", "StateReason": "a test"}
    scene.clients("cloudwatch").set_alarm_state(StateValue="OK", **told)
    driver.works.clear()

    scene.clients("cloudwatch").set_alarm_state(StateValue="ALARM", **told)
    scene.clock.advance(2)

    assert [work.handler for work in driver.works] == ["index.handler"]
    assert scene.replaced() == [head]


def test_the_alarm_on_launches_invokes_nothing(scene: Scene, driver: FakeDriver) -> None:
    driver.works.clear()

    scene.clients("cloudwatch").set_alarm_state(
        AlarmName="raykiln-dev-head-launch", StateValue="ALARM", StateReason="a test"
    )
    scene.clock.advance(2)

    assert driver.works == []


REFUSED: dict[str, Callable[[Scene], Any]] = {
    "terminate a head": lambda scene: boto3.client("ec2").terminate_instances(
        InstanceIds=[scene.head]
    ),
    "terminate it through the group": lambda scene: boto3.client(
        "autoscaling"
    ).terminate_instance_in_auto_scaling_group(
        InstanceId=scene.head, ShouldDecrementDesiredCapacity=True
    ),
    "resize the group": lambda scene: boto3.client("autoscaling").set_desired_capacity(
        AutoScalingGroupName=NAME, DesiredCapacity=0
    ),
    "replace in another group": lambda scene: boto3.client("autoscaling").set_instance_health(
        InstanceId=scene.stranger, HealthStatus="Unhealthy"
    ),
    "take the lease": lambda scene: boto3.client("dynamodb").update_item(
        TableName=TABLE, Key={"cluster": {"S": "dev"}}
    ),
    "break the deploy lock": lambda scene: boto3.client("dynamodb").update_item(
        TableName=TABLE, Key={"cluster": {"S": "dev#deploy"}}
    ),
    "forget what was done": lambda scene: boto3.client("dynamodb").delete_item(
        TableName=TABLE, Key={"cluster": {"S": "dev#remediation"}}
    ),
    "read all of the table": lambda scene: boto3.client("dynamodb").scan(TableName=TABLE),
    "make log groups": lambda scene: boto3.client("logs").create_log_group(logGroupName="x"),
    "log elsewhere": lambda scene: boto3.client("logs").create_log_stream(
        logGroupName="/raykiln/dev/head", logStreamName="x"
    ),
}


def in_another_group(scene: Scene) -> str:
    """Return an instance of a group that is not the head's."""
    scene.group.api.create_auto_scaling_group(
        AutoScalingGroupName="others",
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=scene.group.subnets[0],
        LaunchTemplate={"LaunchTemplateId": scene.group.template, "Version": "1"},
    )
    scene.clock.advance(SETTLED)
    groups = scene.group.api.describe_auto_scaling_groups(AutoScalingGroupNames=["others"])
    return str(groups["AutoScalingGroups"][0]["Instances"][0]["InstanceId"])


def is_refused(scene: Scene, deed: str) -> bool:
    try:
        REFUSED[deed](scene)
    except ClientError as error:
        return "is not authorized to perform" in str(error)
    return False


def test_the_role_may_do_nothing_else(scene: Scene) -> None:
    scene.stranger, (scene.head,) = in_another_group(scene), scene.group.ids

    with scene.as_the_function():
        allowed = [deed for deed in REFUSED if not is_refused(scene, deed)]

    assert allowed == []
