"""The function that an alarm invokes: when it has a head replaced, which one, and when not.

It runs with its role's credentials, against the template's stack; every request is checked by IAM's
rules.
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
    """Let others act, while the function's own requests are checked."""
    enforce(False)
    yield
    enforce()


@dataclass
class Time:
    """Stands in for the module ``time``: the world's clock, and a sleep in which others act."""

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

    def alarm(self, name: str = "no-leader", event: str = "") -> str:
        """Have the function handle an alarm that goes to ALARM; return its words."""
        self.events += 1
        told = {
            "alarmArn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:raykiln-dev-{name}",
            "time": event or f"event {self.events}",
            "alarmData": {"alarmName": f"raykiln-dev-{name}", "state": {"value": "ALARM"}},
        }
        with self.as_the_function():
            return remediation.handler(told, None)

    @contextmanager
    def as_the_function(self) -> Iterator[None]:
        """Use its environment and its role's keys, with every request checked."""
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
        """Let time pass until the group has settled without a leader; alarm; return the words."""
        self.clock.advance(min(seconds, WHOLE), every=30)
        self.clock.advance(max(seconds - WHOLE, 0), every=600)
        return self.alarm()


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
    """One head, in service, that holds the lease and no longer renews it."""
    environment = an_environment(
        network=SMALL,
        alarms={"remediate": True},
        names={"head_group": NAME},
        head={"instance_type": "m6i.large", "standby": 1},
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


def test_replaces_a_holder_that_no_longer_renews_the_lease(scene: Scene) -> None:
    (head,) = scene.group.ids

    words = scene.alarm()

    assert words == f"{head} is replaced: no leader; last holder of the lease: {head}"
    assert scene.health() == {head: "Unhealthy"}
    scene.clock.advance(2 * SETTLED)
    assert scene.group.states == ["InService"]
    assert scene.group.ids != [head]


def test_records_the_replacement_and_publishes_it(scene: Scene) -> None:
    sqs = scene.clients("sqs")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    topic = f"arn:aws:sns:us-east-1:123456789012:{scene.environment.topic}"
    scene.clients("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    words = scene.alarm("head-not-ready")

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


def test_status_shows_the_last_remediation(scene: Scene) -> None:
    assert last_remediation(scene.clients, scene.environment) == ""
    words = [scene.alarm(), scene.alarm("no-healthy-target")]

    shown = last_remediation(scene.clients, scene.environment)

    assert words[1] == "no action: the head group is changing"
    assert shown.endswith(f"Z raykiln-dev-no-healthy-target: {words[1]}")


def test_replaces_only_the_last_leader_of_two_heads(scene: Scene) -> None:
    scene.group.resize(2)
    scene.clock.advance(SETTLED)
    last = max(scene.group.ids)
    scene.lease(last, released=True)

    scene.alarm()

    assert [name for name, health in scene.health().items() if health != "Healthy"] == [last]


def test_replaces_another_head_when_the_last_leader_is_gone(scene: Scene) -> None:
    scene.lease("i-gone")

    scene.alarm()

    assert scene.replaced() == scene.group.ids


def test_replaces_the_head_in_service_when_there_was_never_a_leader(scene: Scene) -> None:
    boto3.resource("dynamodb").Table(TABLE).delete_item(Key={"cluster": "dev"})

    assert "last holder of the lease: none" in scene.alarm()
    assert scene.replaced() == scene.group.ids


def test_ignores_the_lock_of_a_dead_deployer(scene: Scene) -> None:
    scene.put({"cluster": "dev#deploy", "token": "a", "beat": 4})

    scene.alarm()

    assert scene.replaced() == scene.group.ids
    assert scene.time.slept == 35 + 12


# --- It replaces a head that does not stand by ----------------------------------------------------


def led(scene: Scene, leader: str, heads: int = 2) -> list[str]:
    """Have so many heads, and the leader renew its lease; return the other heads."""
    scene.group.resize(heads)
    scene.clock.advance(SETTLED)
    leader = leader or max(scene.group.ids)
    scene.time.meanwhile = lambda: scene.lease(leader, beat=7 + int(scene.time.slept))
    return [head for head in scene.group.ids if head != leader]


@pytest.mark.parametrize("which", [min, max])
def test_replaces_the_head_that_does_not_stand_by_and_never_the_leader(
    scene: Scene, which: Callable[[list[str]], str]
) -> None:
    scene.group.resize(2)
    scene.clock.advance(SETTLED)
    leader = which(scene.group.ids)
    (other,) = led(scene, leader)

    words = scene.alarm("no-standby")

    assert words == f"{other} is replaced: it does not stand by; leader: {leader}"
    assert scene.replaced() == [other]
    assert scene.health() == {leader: "Healthy", other: "Unhealthy"}


def test_other_alarms_replace_no_head_beside_a_leader(scene: Scene) -> None:
    led(scene, "")

    for name in ("head-not-ready", "no-leader", "no-healthy-target"):
        words = scene.alarm(name)
        assert words == "no action: the head lease is being renewed: there is a leader"
    assert set(scene.health().values()) == {"Healthy"}


def test_without_a_leader_the_alarm_of_no_standby_replaces_the_last_leader(scene: Scene) -> None:
    scene.group.resize(2)
    scene.clock.advance(SETTLED)
    last = max(scene.group.ids)
    scene.lease(last)

    words = scene.alarm("no-standby")

    assert words == f"{last} is replaced: no leader; last holder of the lease: {last}"


def has_no_one_to_replace(scene: Scene, words: str) -> bool:
    """Send the alarm of no standby; say whether it took no action for this reason."""
    before = scene.health()
    return scene.alarm("no-standby") == f"no action: {words}" and scene.health() == before


def test_a_leader_alone_is_not_replaced(scene: Scene) -> None:
    led(scene, "", heads=1)

    assert has_no_one_to_replace(scene, "there is no head beside the leader")


def test_no_head_is_replaced_while_the_lease_changes_hands(scene: Scene) -> None:
    led(scene, "")
    holder = max(scene.group.ids)
    scene.time.meanwhile = lambda: scene.lease(holder, beat=8, released=True)

    assert has_no_one_to_replace(scene, "the head lease is changing hands")


def test_no_standby_is_replaced_during_a_rollout(scene: Scene) -> None:
    led(scene, "")
    lock = {"cluster": "dev#deploy", "token": "a", "beat": 4}
    scene.put(lock)
    scene.time.meanwhile = lambda: scene.put(lock | {"beat": 5})

    assert has_no_one_to_replace(scene, "a deploy is in progress")


def test_no_standby_is_replaced_while_the_group_launches_it(scene: Scene) -> None:
    led(scene, "", heads=1)
    scene.group.resize(2)

    assert has_no_one_to_replace(scene, "the head group is changing")


def test_a_standby_is_replaced_once_in_15_minutes(scene: Scene) -> None:
    led(scene, "")
    scene.alarm("no-standby")
    scene.clock.advance(600, every=30)

    assert has_no_one_to_replace(scene, "a head was replaced 600 s ago")
    assert len(scene.replaced()) == 1


# --- It takes no action ---------------------------------------------------------------------------


def takes_no_action(scene: Scene, words: str) -> bool:
    """Send an alarm; say whether it took no action for this reason, and recorded it."""
    said = scene.alarm()
    assert said == f"no action: {words}"
    assert scene.record()["noted"]["words"] == said
    return not scene.replaced() and "Unhealthy" not in scene.health().values()


@pytest.mark.parametrize("change", [{"beat": 8}, {"epoch": 4, "beat": 7}])
def test_a_renewed_lease_has_a_leader(scene: Scene, change: dict[str, int]) -> None:
    (head,) = scene.group.ids
    scene.time.meanwhile = lambda: scene.lease(head, **change)

    assert takes_no_action(scene, "the head lease is being renewed: there is a leader")


def test_a_lease_renewed_in_the_last_second_has_a_leader(scene: Scene) -> None:
    def renew() -> None:
        if scene.time.slept == 12:
            scene.lease(scene.group.ids[0], beat=8)

    scene.time.meanwhile = renew

    assert takes_no_action(scene, "the head lease is being renewed: there is a leader")


def test_takes_no_action_during_a_rollout(scene: Scene) -> None:
    lock = {"cluster": "dev#deploy", "token": "a", "beat": 4}
    scene.put(lock)
    scene.time.meanwhile = lambda: scene.put(lock | {"beat": 5})

    assert takes_no_action(scene, "a deploy is in progress")


def test_takes_no_action_while_the_group_launches(scene: Scene) -> None:
    scene.group.resize(2)

    assert takes_no_action(scene, "the head group is changing")


def test_takes_no_action_while_the_group_replaces(scene: Scene) -> None:
    (head,) = scene.group.ids
    scene.group.api.set_instance_health(InstanceId=head, HealthStatus="Unhealthy")

    assert scene.alarm() == "no action: the head group is changing"
    assert scene.replaced() == []


def test_takes_no_action_when_replacement_is_suspended(scene: Scene) -> None:
    scene.group.api.suspend_processes(
        AutoScalingGroupName=NAME, ScalingProcesses=["ReplaceUnhealthy", "AZRebalance"]
    )

    assert takes_no_action(scene, "ReplaceUnhealthy of the head group is suspended")


def test_takes_no_action_without_a_head(scene: Scene) -> None:
    scene.group.resize(0)
    scene.clock.advance(SETTLED)

    assert takes_no_action(scene, "there is no head")


# --- Limits, and once for each alarm --------------------------------------------------------------


def test_replaces_one_head_in_15_minutes(scene: Scene) -> None:
    scene.alarm()
    first = scene.replaced()

    assert scene.again(600) == "no action: a head was replaced 600 s ago"
    assert scene.again(270) == "no action: a head was replaced 870 s ago"
    assert scene.replaced() == first
    assert scene.again(30).endswith(f"last holder of the lease: {first[0]}")
    assert len(scene.replaced()) == 2


def test_replaces_three_heads_in_a_day(scene: Scene) -> None:
    scene.alarm()
    for _ in range(2):
        scene.again(900)

    assert scene.again(3600) == "no action: 3 heads were replaced within a day"
    assert len(scene.replaced()) == 3
    scene.again(24 * 3600)
    assert len(scene.replaced()) == 4


def test_the_record_keeps_the_last_ten_replacements(scene: Scene) -> None:
    old = {"event": "e", "alarm": "a", "head": "i-old", "words": "w"}
    acts = [{**old, "at": number} for number in range(10)]
    scene.put({"cluster": "dev#remediation", "acted": 23, "acts": acts})

    scene.alarm()

    assert [act["at"] for act in scene.record()["acts"]] == [*range(1, 10), int(scene.clock.now())]
    assert scene.record()["acted"] == 24


def test_an_alarm_delivered_twice_is_handled_once(scene: Scene) -> None:
    scene.alarm(event="the same")

    assert scene.alarm(event="the same") == "no action: the head group is changing"
    scene.clock.advance(2 * 3600, every=60)
    (first,) = scene.replaced()
    assert scene.alarm(event="the same") == f"no action: {first} was replaced for this alarm"
    assert scene.group.ids != [first]
    assert "Unhealthy" not in scene.health().values()


def test_the_next_delivery_finishes_a_run_killed_before_it_acted(
    scene: Scene,
) -> None:
    (head,) = scene.group.ids

    with scene.patch.context() as patch:
        patch.setattr("botocore.client.BaseClient._make_api_call", dying_at("SetInstanceHealth"))
        with pytest.raises(Killed):
            scene.alarm(event="the same")
    assert scene.replaced() == [head]
    assert scene.health() == {head: "Healthy"}

    scene.alarm(event="the same")

    assert scene.replaced() == [head]
    assert scene.health() == {head: "Unhealthy"}


def test_one_of_two_concurrent_runs_acts(scene: Scene) -> None:
    write, rivals = remediation.Cluster.write, ["head-not-ready"]

    def late(self: remediation.Cluster, condition: str = "", **values: Any) -> None:
        if condition and rivals:
            with unchecked():
                scene.alarm(rivals.pop())
        write(self, condition, **values)

    scene.patch.setattr(remediation.Cluster, "write", late)

    assert scene.alarm("no-leader") == "no action: a head was replaced 0 s ago"
    (act,) = scene.record()["acts"]
    assert act["alarm"] == "raykiln-dev-head-not-ready"


# --- The alarm invokes it, and its role allows no more --------------------------------------------


def run_here(work: Work, folder: Path, time: Time) -> Answer:
    """Run a function's archive in this process, as Lambda runs it in another."""
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


@pytest.mark.parametrize(
    "alarm", ["head-not-ready", "no-leader", "no-standby", "no-healthy-target"]
)
def test_an_alarm_in_alarm_invokes_the_function(
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


def test_the_head_launch_alarm_invokes_nothing(scene: Scene, driver: FakeDriver) -> None:
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
    "delete the record": lambda scene: boto3.client("dynamodb").delete_item(
        TableName=TABLE, Key={"cluster": {"S": "dev#remediation"}}
    ),
    "read all of the table": lambda scene: boto3.client("dynamodb").scan(TableName=TABLE),
    "create log groups": lambda scene: boto3.client("logs").create_log_group(logGroupName="x"),
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


def is_refused(scene: Scene, action: str) -> bool:
    try:
        REFUSED[action](scene)
    except ClientError as error:
        return "is not authorized to perform" in str(error)
    return False


def test_the_role_allows_nothing_else(scene: Scene) -> None:
    scene.stranger, (scene.head,) = in_another_group(scene), scene.group.ids

    with scene.as_the_function():
        allowed = [action for action in REFUSED if not is_refused(scene, action)]

    assert allowed == []
