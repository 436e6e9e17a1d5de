"""Tasks of ECS: which definitions Fargate takes, what a task waits for, how it ends."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.patches import iam
from localcloud.patches.ecs import runtime
from localcloud.patches.ecs.secrets import TASKS
from localcloud.patches.iam.resources_ecs import vectors
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.ecs import IMAGE, Ecs
from tests.unit.localcloud.fakes import FakeClock


@pytest.fixture
def ecs(aws: Clients, clock: FakeClock) -> Ecs:
    return Ecs(aws, clock)


def id_of(arn: str) -> str:
    return arn.rpartition("/")[2]


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        ("256", "512"),
        ("256", "2048"),
        ("512", "4096"),
        ("1024", "8192"),
        ("1 vCPU", "2 GB"),
        ("2048", "16384"),
        ("4096", "30720"),
        ("8192", "61440"),
        ("16384", "122880"),
    ],
)
def test_fargate_takes_these_sizes(ecs: Ecs, cpu: str, memory: str) -> None:
    ecs.register("sized", [{"name": "one", "image": IMAGE}], cpu=cpu, memory=memory)


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [("256", "4096"), ("1024", "1024"), ("1024", "99999"), ("1000", "2048"), ("8192", "17408")],
)
def test_fargate_refuses_any_other_size(ecs: Ecs, cpu: str, memory: str) -> None:
    with pytest.raises(ClientError, match="No Fargate configuration exists for given values"):
        ecs.register("sized", [{"name": "one", "image": IMAGE}], cpu=cpu, memory=memory)


@pytest.mark.parametrize(
    ("container", "more", "words"),
    [
        ({}, {"networkMode": "bridge"}, "only supports network mode"),
        ({"essential": False}, {}, "must be essential"),
        ({"stopTimeout": 121}, {}, "over 120 seconds"),
        ({"linuxParameters": {"initProcessEnabled": True}}, {}, "no linuxParameters"),
        ({}, {"runtimePlatform": {"cpuArchitecture": "ARM64"}}, "only the CPU architecture"),
        ({"memory": 4096}, {}, "greater than for the task"),
        ({"logConfiguration": {"logDriver": "splunk"}}, {}, "no log driver splunk"),
        ({"dependsOn": [{"containerName": "x", "condition": "START"}]}, {}, "unknown container"),
        ({"secrets": [{"name": "A", "valueFrom": "b"}]}, {"executionRoleArn": ""}, "execution"),
    ],
)
def test_a_definition_that_cannot_run_is_refused(
    ecs: Ecs, container: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        ecs.register("odd", [{"name": "one", "image": IMAGE, **container}], **more)


def test_a_task_is_pending_until_its_containers_run(ecs: Ecs) -> None:
    arn = ecs.run(ecs.definition())
    assert ecs.task(arn)["lastStatus"] == "PROVISIONING"

    ecs.clock.advance(1)
    assert ecs.task(arn)["lastStatus"] == "PENDING"
    ecs.start_all()

    task = ecs.task(arn)
    assert (task["lastStatus"], task["desiredStatus"]) == ("RUNNING", "RUNNING")
    assert task["containers"][0]["lastStatus"] == "RUNNING"
    assert task["containers"][0]["imageDigest"] == "sha256:1"


def test_a_task_has_an_address_in_its_subnet_until_it_stops(ecs: Ecs, aws: Clients) -> None:
    arn = ecs.run(ecs.definition())
    details = {d["name"]: d["value"] for d in ecs.task(arn)["attachments"][0]["details"]}
    known = aws("ec2").describe_network_interfaces(
        NetworkInterfaceIds=[details["networkInterfaceId"]]
    )["NetworkInterfaces"][0]
    assert known["PrivateIpAddress"] == details["privateIPv4Address"]
    assert known["SubnetId"] == details["subnetId"]
    assert known["SubnetId"] in ecs.subnets

    ecs.settle(2)
    ecs.api.stop_task(cluster="c", task=arn)
    ecs.settle(2)

    with pytest.raises(ClientError, match="NotFound"):
        aws("ec2").describe_network_interfaces(NetworkInterfaceIds=[details["networkInterfaceId"]])


def test_tasks_are_spread_over_their_subnets(ecs: Ecs) -> None:
    definition = ecs.definition()

    arns = [ecs.run(definition) for _ in range(2)]

    zones = {ecs.task(arn)["availabilityZone"] for arn in arns}
    assert len(zones) == 2


def test_an_essential_container_that_exits_stops_the_task(ecs: Ecs) -> None:
    arn = ecs.run(ecs.definition())
    ecs.clock.advance(1)
    ecs.start_all()

    ecs.exit(id_of(arn), 3)
    ecs.stop_all()

    task = ecs.task(arn)
    assert task["lastStatus"] == "STOPPED"
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"


def test_another_container_may_exit(ecs: Ecs) -> None:
    aside: dict[str, Any] = {"name": "aside", "image": IMAGE, "essential": False}
    containers = [{"name": "ray", "image": IMAGE}, aside]
    arn = ecs.run(ecs.register("two", containers))
    ecs.clock.advance(1)
    ecs.start_all()

    runtime.container_exited(id_of(arn), "aside", 0, "")

    task = ecs.task(arn)
    assert task["lastStatus"] == "RUNNING"
    assert {c["name"]: c.get("exitCode") for c in task["containers"]} == {"ray": None, "aside": 0}


def test_a_task_that_is_stopped_says_who_and_why(ecs: Ecs) -> None:
    arn = ecs.run(ecs.definition())
    ecs.settle(2)

    ecs.api.stop_task(cluster="c", task=arn, reason="enough")
    assert ecs.task(arn)["lastStatus"] == "STOPPING"
    ecs.settle(1)

    task = ecs.task(arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert (task["lastStatus"], task["containers"][0]["exitCode"]) == ("STOPPED", 143)


def test_a_stopped_task_is_described_for_an_hour(ecs: Ecs) -> None:
    arn = ecs.run(ecs.definition())
    ecs.api.stop_task(cluster="c", task=arn)

    ecs.clock.advance(3590, every=60)
    assert ecs.task(arn)["lastStatus"] == "STOPPED"
    ecs.clock.advance(20)

    failures = ecs.api.describe_tasks(cluster="c", tasks=[arn])["failures"]
    assert failures == [{"arn": arn, "reason": "MISSING"}]


def test_a_hundred_tasks_are_listed_and_described_at_once(ecs: Ecs) -> None:
    definition = ecs.definition()
    for _ in range(11):
        ecs.run(definition, count=10)

    first = ecs.api.list_tasks(cluster="c")
    second = ecs.api.list_tasks(cluster="c", nextToken=first["nextToken"])
    assert (len(first["taskArns"]), len(second["taskArns"])) == (100, 10)
    assert "nextToken" not in second
    assert not set(first["taskArns"]) & set(second["taskArns"])
    assert len(ecs.api.describe_tasks(cluster="c", tasks=first["taskArns"])["tasks"]) == 100
    with pytest.raises(ClientError, match="at most 100"):
        ecs.api.describe_tasks(cluster="c", tasks=[*first["taskArns"], second["taskArns"][0]])


def test_a_role_that_ecs_may_not_assume_is_refused(ecs: Ecs, aws: Clients) -> None:
    other = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    trust = {"Version": "2012-10-17", "Statement": [other | {"Action": "sts:AssumeRole"}]}
    role = aws("iam").create_role(RoleName="ec2", AssumeRolePolicyDocument=json.dumps(trust))

    definition = ecs.register(
        "wrong", [{"name": "ray", "image": IMAGE}], taskRoleArn=role["Role"]["Arn"]
    )
    with pytest.raises(ClientError, match="unable to assume the role"):
        ecs.run(definition)


class TestSecrets:
    @pytest.fixture
    def secret(self, aws: Clients) -> str:
        text = json.dumps({"OPENAI_API_KEY": "sk-1", "OTHER": "sk-2"})
        made = aws("secretsmanager").create_secret(Name="openai", SecretString=text)
        return str(made["ARN"])

    def definition(self, ecs: Ecs, name: str, reference: str, *allowed: dict[str, Any]) -> str:
        role = ecs.role(f"reads-{name}", {"Action": "logs:*", "Resource": "*"}, *allowed)
        secrets = [{"name": "KEY", "valueFrom": reference}]
        containers = [{"name": "ray", "image": IMAGE, "secrets": secrets}]
        return ecs.register(name, containers, executionRoleArn=role)

    def started_with(self, ecs: Ecs, definition: str) -> str:
        ecs.run(definition)
        ecs.clock.advance(1)
        (plan,) = runtime.plans()
        assert "sk-" not in repr(plan)
        return plan.containers[0].environment["KEY"]

    def test_a_json_key_of_a_secret_is_a_variable(self, ecs: Ecs, secret: str) -> None:
        may = {"Action": "secretsmanager:GetSecretValue", "Resource": secret}
        definition = self.definition(ecs, "keyed", f"{secret}:OPENAI_API_KEY::", may)

        assert self.started_with(ecs, definition) == "sk-1"

    def test_a_whole_secret_is_a_variable(self, ecs: Ecs, secret: str) -> None:
        may = {"Action": "secretsmanager:GetSecretValue", "Resource": secret}
        definition = self.definition(ecs, "whole", secret, may)

        assert json.loads(self.started_with(ecs, definition))["OTHER"] == "sk-2"

    @pytest.mark.parametrize("by_arn", [True, False])
    def test_a_parameter_is_a_variable(self, ecs: Ecs, aws: Clients, by_arn: bool) -> None:
        aws("ssm").put_parameter(Name="/ray/key", Value="sk-3", Type="SecureString")
        arn = "arn:aws:ssm:us-east-1:123456789012:parameter/ray/key"
        may = {"Action": "ssm:GetParameters", "Resource": arn}

        definition = self.definition(ecs, "stored", arn if by_arn else "/ray/key", may)

        assert self.started_with(ecs, definition) == "sk-3"

    @pytest.mark.parametrize(
        ("key", "allowed", "words"),
        [
            ("OPENAI_API_KEY", False, "not authorized to perform: secretsmanager:GetSecretValue"),
            ("MISSING", True, "did not contain json key MISSING"),
        ],
    )
    def test_a_task_without_its_secret_does_not_start(
        self, ecs: Ecs, secret: str, key: str, allowed: bool, words: str
    ) -> None:
        may = {"Action": "secretsmanager:GetSecretValue", "Resource": secret}
        definition = self.definition(ecs, "without", f"{secret}:{key}::", *([may] * allowed))

        arn = ecs.run(definition)
        ecs.clock.advance(1)

        task = ecs.task(arn)
        assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "TaskFailedToStart")
        assert task["stoppedReason"].startswith("ResourceInitializationError: ")
        assert words in task["stoppedReason"]


class TestLogs:
    def test_a_container_has_a_stream_of_its_own(self, ecs: Ecs, aws: Clients) -> None:
        arn = ecs.run(ecs.definition())
        ecs.clock.advance(1)

        streams = aws("logs").describe_log_streams(logGroupName="/ecs/ray")["logStreams"]
        assert [one["logStreamName"] for one in streams] == [f"ray/ray/{id_of(arn)}"]
        assert runtime.plans()[0].containers[0].log == ("/ecs/ray", f"ray/ray/{id_of(arn)}")

    @pytest.mark.parametrize("group", ["/ecs/none", "/ecs/ray"])
    def test_a_task_without_its_log_does_not_start(self, ecs: Ecs, group: str) -> None:
        options = {"awslogs-group": group, "awslogs-stream-prefix": "ray"}
        logs = {"logDriver": "awslogs", "options": options}
        containers = [{"name": "ray", "image": IMAGE, "logConfiguration": logs}]
        role = ecs.execution if group == "/ecs/none" else ecs.role("silent")

        arn = ecs.run(ecs.register("silent", containers, executionRoleArn=role))
        ecs.clock.advance(1)

        task = ecs.task(arn)
        assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "TaskFailedToStart")
        assert "failed to create Cloudwatch log stream" in task["stoppedReason"]


def test_a_container_learns_its_endpoints_and_its_overrides(ecs: Ecs) -> None:
    role = ecs.role("task")
    environment = [{"name": "MODE", "value": "default"}, {"name": "LEVEL", "value": "info"}]
    containers = [{"name": "ray", "image": IMAGE, "environment": environment, "command": ["a"]}]
    definition = ecs.register("told", containers, taskRoleArn=role)
    special = [{"name": "MODE", "value": "special"}]
    changed = {"name": "ray", "command": ["b", "c"], "environment": special}

    arn = ecs.run(definition, overrides={"containerOverrides": [changed]})
    ecs.clock.advance(1)

    (plan,) = runtime.plans()
    (container,) = plan.containers
    found = container.environment
    assert container.command == ("b", "c")
    assert (found["MODE"], found["LEVEL"]) == ("special", "info")
    assert found["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] == f"/v2/credentials/{id_of(arn)}"
    assert found["ECS_CONTAINER_METADATA_URI_V4"].startswith("http://169.254.170.2/v4/")
    assert (plan.cpus, plan.memory_mib) == (1.0, 2048)


class TestPermissions:
    """A policy that names clusters, definitions and roles is enforced as it stands."""

    ARN = "arn:aws:ecs:us-east-1:123456789012"

    def acting(self, ecs: Ecs, *allowed: dict[str, Any]) -> Any:
        """Return the API of ECS as a role that may do this alone."""
        ecs.role("acts", *allowed)
        return boto3.client("ecs", region_name="us-east-1", **iam.role_credentials("acts"))

    def test_a_task_is_run_only_of_the_definition_that_is_named(self, ecs: Ecs) -> None:
        one, other = ecs.definition("one"), ecs.definition("other")
        may: dict[str, Any] = {
            "Action": "ecs:RunTask",
            "Resource": f"{self.ARN}:task-definition/one:*",
        }
        may["Condition"] = {"ArnEquals": {"ecs:cluster": f"{self.ARN}:cluster/c"}}
        api = self.acting(ecs, may)
        ecs.api.create_cluster(clusterName="d")
        run: dict[str, Any] = {"launchType": "FARGATE", "networkConfiguration": ecs.network}

        with iam.enforced():
            api.run_task(cluster="c", taskDefinition=one, **run)
            for cluster, definition in (("c", other), ("d", one)):
                with pytest.raises(ClientError, match="not authorized to perform: ecs:RunTask"):
                    api.run_task(cluster=cluster, taskDefinition=definition, **run)

    def test_a_service_is_changed_only_where_that_is_allowed(self, ecs: Ecs) -> None:
        for name in ("one", "other"):
            ecs.service(ecs.definition(), name=name)
        may = {"Action": "ecs:UpdateService", "Resource": f"{self.ARN}:service/c/one"}
        api = self.acting(ecs, may)

        with iam.enforced():
            api.update_service(cluster="c", service="one", desiredCount=2)
            with pytest.raises(ClientError, match="service/c/other"):
                api.update_service(cluster="c", service="other", desiredCount=2)

    def test_roles_are_passed_only_by_who_may_pass_them(self, ecs: Ecs) -> None:
        task, secret = ecs.role("of-a-task"), ecs.role("of-an-admin")
        passing: dict[str, Any] = {"Action": "iam:PassRole", "Resource": [task, ecs.execution]}
        passing["Condition"] = {"StringEquals": {"iam:PassedToService": TASKS}}
        api = self.acting(ecs, {"Action": "ecs:RegisterTaskDefinition", "Resource": "*"}, passing)
        wanted: dict[str, Any] = {
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": ecs.execution,
            "containerDefinitions": [{"name": "one", "image": IMAGE}],
        }

        with iam.enforced():
            api.register_task_definition(family="mine", taskRoleArn=task, **wanted)
            with pytest.raises(ClientError, match="iam:PassRole"):
                api.register_task_definition(family="mine", taskRoleArn=secret, **wanted)


@pytest.mark.parametrize(
    ("parameters", "resource"),
    [
        ({"vectorBucketName": "v"}, "bucket/v"),
        ({"vectorBucketName": "v", "indexName": "i"}, "bucket/v/index/i"),
    ],
)
def test_vectors_are_named_by_bucket_and_index(parameters: dict[str, str], resource: str) -> None:
    arn = f"arn:aws:s3vectors:us-east-1:123456789012:{resource}"
    where = ("123456789012", "us-east-1")

    assert vectors(where, "QueryVectors", parameters) == [(arn, {})]
    assert vectors(where, "QueryVectors", {"indexArn": arn}) == [(arn, {})]
    assert vectors(where, "ListVectorBuckets", {}) == []
