"""What a head asks of AWS besides its lease: each call, whole."""

from pathlib import Path
from typing import Any, cast

import pytest

from node.head.services import AwsHeadServices
from node.identity import Identity
from node.ray.token import NotNow
from node.ray.users import as_user
from node.reports import Reports
from tests.unit.answers import Answers, refused
from tests.unit.node.fakes import RecordedLog, an_identity

WITH_REDIS = an_identity(redis="redis.example:6379", state_secret="/ray/test/state_password")
TOKEN = {"Name": "/ray/test/redis_password", "WithDecryption": True}
PASSWORD = {"Name": "/ray/test/state_password", "WithDecryption": True}


class Autoscaler:
    """Stands in for the autoscaler's file."""

    uri, refused = "s3://b/a.yaml", "s3://b/b.yaml too new"

    def __init__(self) -> None:
        self.refreshed = 0

    def refresh(self) -> None:
        self.refreshed += 1


class Head:
    """The services of a head whose AWS answers what is given."""

    def __init__(self, folder: Path, identity: Identity, **answers: Any) -> None:
        self.aws: Any = Answers(**answers)
        self.token, self.password = folder / "token", folder / "password"
        self.autoscaler = Autoscaler()
        self.log = RecordedLog()
        self.services = AwsHeadServices(
            identity=identity,
            reports=Reports(identity, self.aws("cloudwatch"), self.aws("autoscaling")),
            ssm=self.aws("ssm"),
            ec2=self.aws("ec2"),
            token=self.token,
            redis_password=self.password,
            autoscaler=cast(Any, self.autoscaler),
            log=self.log,
        )


def secret(value: str) -> dict[str, Any]:
    return {"Parameter": {"Value": value}}


def test_a_head_gets_its_token_and_the_autoscaler_s_file(tmp_path: Path) -> None:
    head = Head(tmp_path, an_identity(), get_parameter=secret("t\n"))

    head.services.prepare()

    assert head.token.read_text() == "t"
    assert head.token.stat().st_mode & 0o777 == 0o640
    assert not head.password.exists()
    assert head.autoscaler.refreshed == 1
    assert head.aws.requests == [("ssm:get_parameter", TOKEN)]


def test_a_head_with_a_redis_gets_its_password_too(tmp_path: Path) -> None:
    head = Head(tmp_path, WITH_REDIS, get_parameter=[secret("t"), secret("p")])

    head.services.prepare()

    assert (head.token.read_text(), head.password.read_text()) == ("t", "p")
    assert head.aws.requests == [("ssm:get_parameter", TOKEN), ("ssm:get_parameter", PASSWORD)]


def test_known_secrets_are_kept_while_ssm_does_not_answer_and_that_is_logged(
    tmp_path: Path,
) -> None:
    head = Head(tmp_path, WITH_REDIS, get_parameter=[refused("Throttling"), secret("new")])
    head.token.write_text("old")

    head.services.refresh_secret()

    assert (head.token.read_text(), head.password.read_text()) == ("old", "new")
    reason = "parameter /ray/test/redis_password: AWS answered Throttling"
    assert head.log.lines == [("secret not refreshed", {"reason": reason})]


def test_a_secret_that_was_never_known_is_awaited(tmp_path: Path) -> None:
    head = Head(tmp_path, an_identity(), get_parameter=refused("Throttling"))

    with pytest.raises(NotNow):
        head.services.refresh_secret()


def test_the_autoscaler_s_file_says_where_it_is_from_and_what_was_refused(tmp_path: Path) -> None:
    head = Head(tmp_path, an_identity())

    head.services.refresh_autoscaler()

    assert head.autoscaler.refreshed == 1
    assert head.services.autoscaler_uri == "s3://b/a.yaml"
    assert head.services.autoscaler_refused == "s3://b/b.yaml too new"


def test_the_tags_of_a_head_are_moved_with_these_requests(tmp_path: Path) -> None:
    found = {"Reservations": [{"Instances": [{"InstanceId": n} for n in ("i-2", "i-0a", "i-1")]}]}
    head = Head(tmp_path, an_identity(), describe_instances=found, delete_tags={}, create_tags={})

    head.services.tag()

    names = ("ray-cluster-name", "ray-node-type", "ray-user-node-type")
    values = ("test", "head", "head")
    assert head.aws.requests == [
        (
            "ec2:describe_instances",
            {
                "Filters": [
                    {"Name": "tag:ray-cluster-name", "Values": ["test"]},
                    {"Name": "tag:ray-node-type", "Values": ["head"]},
                    {
                        "Name": "instance-state-name",
                        "Values": ["pending", "running", "stopping", "stopped"],
                    },
                ]
            },
        ),
        (
            "ec2:delete_tags",
            {"Resources": ["i-1", "i-2"], "Tags": [{"Key": name} for name in names]},
        ),
        (
            "ec2:create_tags",
            {
                "Resources": ["i-0a"],
                "Tags": [
                    {"Key": name, "Value": value} for name, value in zip(names, values, strict=True)
                ],
            },
        ),
    ]


def test_metrics_are_sent_for_the_environment(tmp_path: Path) -> None:
    head = Head(tmp_path, an_identity(), put_metric_data={})

    head.services.send({"HeadReady": 1.0, "HeadLeader": 0.0})

    dimensions = [{"Name": "Environment", "Value": "test"}]
    assert head.aws.requests == [
        (
            "cloudwatch:put_metric_data",
            {
                "Namespace": "Ray/Head",
                "MetricData": [
                    {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": "Count"}
                    for name, value in (("HeadReady", 1.0), ("HeadLeader", 0.0))
                ],
            },
        )
    ]


def test_a_completed_launch_is_logged_once(tmp_path: Path) -> None:
    past = refused("ValidationError")
    listed = {"AutoScalingInstances": [{"LifecycleState": "InService"}]}
    head = Head(
        tmp_path,
        an_identity(),
        complete_lifecycle_action=[{}, past],
        describe_auto_scaling_instances=listed,
    )

    head.services.complete_launch()
    head.services.complete_launch()

    assert head.log.lines == [("launch completed", {"result": "CONTINUE"})]
    assert head.aws.requests[0] == (
        "autoscaling:complete_lifecycle_action",
        {
            "AutoScalingGroupName": "ray-head-asg-test",
            "LifecycleHookName": "ray-head-ready",
            "InstanceId": "i-0a",
            "LifecycleActionResult": "CONTINUE",
        },
    )
    assert head.aws.requests[2] == (
        "autoscaling:describe_auto_scaling_instances",
        {"InstanceIds": ["i-0a"]},
    )


def test_an_unhealthy_instance_is_replaced_within_its_grace_period_too(tmp_path: Path) -> None:
    head = Head(tmp_path, an_identity(), set_instance_health={})

    head.services.reports.declare_unhealthy()

    assert head.aws.requests == [
        (
            "autoscaling:set_instance_health",
            {
                "InstanceId": "i-0a",
                "HealthStatus": "Unhealthy",
                "ShouldRespectGracePeriod": False,
            },
        )
    ]


def test_a_process_of_another_user_has_that_user_s_environment_and_ray_s_group() -> None:
    given = {"PATH": "/bin", "HOME": "/root"}

    assert as_user("", given) == {"env": given}
    assert as_user("daemon", given) == {
        "env": {
            "PATH": "/bin",
            "HOME": "/usr/sbin",
            "USER": "daemon",
            "LOGNAME": "daemon",
            "SHELL": "/usr/sbin/nologin",
        },
        "user": "daemon",
        "group": "ray",
        "extra_groups": [],
    }
