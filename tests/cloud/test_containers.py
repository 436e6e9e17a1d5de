"""Images and tasks for real: built, pushed, pulled, run, limited, stopped, replaced, removed."""

import base64
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import botocore
import pytest

from localcloud import control, session
from localcloud.cgroups import ROOT
from localcloud.containers.base import ensure_base
from localcloud.network import namespaces
from tests.cloud.harness import Cloud, eventually, running_cloud

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = Path(__file__).with_name("image")
PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
KEPT = (
    *("_retry.json", "endpoints.json", "partitions.json", "s3", "sdk-default-configuration.json"),
    "sts",
)
GROUP = "/ecs/probe"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
AGENT: list[dict[str, Any]] = [
    {"Action": "ecr:GetAuthorizationToken", "Resource": "*"},
    {"Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": "*"},
    {"Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"},
    {"Action": "secretsmanager:GetSecretValue", "Resource": "*"},
]


def operate(*command: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command inside the VPC, as the operator."""
    return subprocess.run(
        session.operator_command(list(command), inside=True),
        input=text,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )


def left_out(folder: str, names: list[str]) -> set[str]:
    """Return what an image does not need of a folder: caches, and the models of other services."""
    if Path(folder).name == "data":
        return {name for name in names if name.removesuffix(".gz") not in KEPT}
    return {"__pycache__"}


def build(folder: Path, tag: str) -> None:
    """Build the image of this test from its Containerfile."""
    site = Path(botocore.__file__).parents[1]
    shutil.copytree(IMAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "packages").mkdir()
    for name in PACKAGES:
        if (site / name).is_dir():
            shutil.copytree(site / name, folder / "packages" / name, ignore=left_out)
        else:
            shutil.copy(site / name, folder / "packages")
    done = operate("buildah", "build", "--quiet", "--timestamp", "0", "-t", tag, str(folder))
    assert done.returncode == 0, done.stderr


def log_in(cloud: Cloud) -> None:
    data = cloud.aws.ecr.get_authorization_token()["authorizationData"][0]
    password = base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]
    done = operate("buildah", "login", "-u", "AWS", "--password-stdin", REGISTRY, text=password)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def image(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image in ECR, by digest."""
    return pushed(cloud, tmp_path_factory.mktemp("context") / "image")


def pushed(cloud: Cloud, folder: Path) -> str:
    ensure_base(cloud.place, lambda words: None)
    cloud.aws.ecr.create_repository(repositoryName="probe", imageTagMutability="IMMUTABLE")
    build(folder, f"{REGISTRY}/probe:v1")
    log_in(cloud)
    done = operate("buildah", "push", f"{REGISTRY}/probe:v1")
    assert done.returncode == 0, done.stderr
    found = cloud.aws.ecr.describe_images(repositoryName="probe")["imageDetails"]
    assert [one["imageTags"] for one in found] == [["v1"]]
    assert 10_000_000 < found[0]["imageSizeInBytes"] < 400_000_000
    return f"{REGISTRY}/probe@{found[0]['imageDigest']}"


class Site:
    """A cluster with its roles, its secret, its security group and its log group."""

    def __init__(self, cloud: Cloud, image: str) -> None:
        self.cloud, self.aws, self.image = cloud, cloud.aws, image
        self.aws.ecs.create_cluster(clusterName="probe")
        self.execution = self.role("execution", AGENT)
        listing = {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::of-the-task"}
        self.task_role = self.role("task", [listing])
        self.aws.logs.create_log_group(logGroupName=GROUP)
        self.aws.s3.create_bucket(Bucket="of-the-task")
        text = json.dumps({"KEY": "sk-live"})
        made = self.aws.secretsmanager.create_secret(Name="probe", SecretString=text)
        self.secret = made["ARN"]
        subnet = self.aws.ec2.describe_subnets()["Subnets"][0]
        self.group = cloud.group("probe-tasks", vpc=subnet["VpcId"])
        vpc = {"subnets": [subnet["SubnetId"]], "securityGroups": [self.group]}
        self.network = {"awsvpcConfiguration": vpc}
        self.vpc = subnet["VpcId"]

    def role(self, name: str, allowed: list[dict[str, Any]]) -> str:
        trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        made = self.aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        statements = [{"Effect": "Allow", **one} for one in allowed]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.aws.iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=document)
        return str(made["Role"]["Arn"])

    def open(self) -> None:
        """Let the operator reach the port of the application."""
        ranges = [{"CidrIp": "172.31.0.1/32"}, {"CidrIp": "10.77.0.1/32"}]
        rule = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": ranges}
        self.aws.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])

    def definition(self, mode: str, **container: Any) -> str:
        options = {"awslogs-group": GROUP, "awslogs-region": "us-east-1"}
        options["awslogs-stream-prefix"] = "app"
        one = {
            "name": "app",
            "image": self.image,
            "command": [mode],
            "stopTimeout": 2,
            "secrets": [{"name": "KEY", "valueFrom": f"{self.secret}:KEY::"}],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **container,
        }
        made = self.aws.ecs.register_task_definition(
            family=mode,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            executionRoleArn=self.execution,
            taskRoleArn=self.task_role,
            containerDefinitions=[one],
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def run(self, definition: str) -> str:
        made = self.aws.ecs.run_task(
            cluster="probe",
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration=self.network,
        )
        return str(made["tasks"][0]["taskArn"])

    def task(self, arn: str) -> dict[str, Any]:
        return dict(self.aws.ecs.describe_tasks(cluster="probe", tasks=[arn])["tasks"][0])

    def until(self, arn: str, status: str) -> dict[str, Any]:
        eventually(f"{arn} {status}", lambda: self.task(arn)["lastStatus"] in (status, "STOPPED"))
        task = self.task(arn)
        assert task["lastStatus"] == status, task.get("stoppedReason")
        return task

    def stop(self, arn: str) -> dict[str, Any]:
        self.aws.ecs.stop_task(cluster="probe", task=arn)
        return self.until(arn, "STOPPED")

    def printed(self, arn: str) -> list[str]:
        stream = f"app/app/{arn.rpartition('/')[2]}"
        found = self.aws.logs.get_log_events(
            logGroupName=GROUP, logStreamName=stream, startFromHead=True
        )
        return [event["message"] for event in found["events"]]

    def tasks(self, service: str, desired: str = "RUNNING") -> list[dict[str, Any]]:
        found = self.aws.ecs.list_tasks(cluster="probe", serviceName=service, desiredStatus=desired)
        return [self.task(arn) for arn in found["taskArns"]]

    def described(self, service: str) -> dict[str, Any]:
        found = self.aws.ecs.describe_services(cluster="probe", services=[service])
        return dict(found["services"][0])

    def is_steady(self, service: str) -> bool:
        found = self.described(service)
        return "steady state" in found["events"][0]["message"] if found["events"] else False


def address_of(task: dict[str, Any]) -> str:
    details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
    return str(details["privateIPv4Address"])


def fetched(address: str, path: str) -> Any:
    done = operate("curl", "-sS", "-m", "20", f"http://{address}:8080{path}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def left_of(name: str) -> list[str]:
    """Return everything on the host that carries a name: groups, namespaces, mounts."""
    groups = [str(path) for top in ROOT.iterdir() for path in top.rglob(f"*{name}*")]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    spaces = [path.name for path in Path("/run/netns").iterdir() if name in path.name]
    return [*groups, *spaces, *(line for line in mounts if name in line)]


@pytest.fixture(scope="module")
def site(cloud: Cloud, image: str) -> Site:
    return Site(cloud, image)


def test_an_immutable_tag_and_an_unknown_repository_are_refused(image: str, tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text(f"FROM {REGISTRY}/probe:v1\nLABEL other=yes\n")
    done = operate("buildah", "build", "--quiet", "-t", "localhost/other", str(tmp_path))
    assert done.returncode == 0, done.stderr

    said = operate("buildah", "push", "localhost/other", f"docker://{REGISTRY}/probe:v1").stderr
    assert "cannot be overwritten because the tag is immutable" in said
    said = operate("buildah", "push", "localhost/other", f"docker://{REGISTRY}/none:v1").stderr
    assert "name unknown: The repository with name 'none' does not exist" in said
    same = operate("buildah", "push", f"{REGISTRY}/probe:v1")
    assert same.returncode == 0, same.stderr


def test_a_task_has_its_address_its_role_its_secret_and_its_limits(site: Site) -> None:
    arn = site.run(site.definition("serve"))
    task = site.until(arn, "RUNNING")
    task_id, address = arn.rpartition("/")[2], address_of(task)
    assert task["containers"][0]["imageDigest"] == site.image.partition("@")[2]

    assert site.aws.dial(address, 8080) == "TimeoutError"
    site.open()
    eventually("the open port", lambda: site.aws.dial(address, 8080).startswith("from "))
    found = fetched(address, "/facts")

    assert found["uid"] == 1000
    assert found["memory"] // 2**20 == 512
    assert found["environment"]["KEY"] == "sk-live"
    assert found["environment"]["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"
    assert found["who"] == f"arn:aws:sts::123456789012:assumed-role/task/{task_id}"
    assert (found["list"], found["put"]) == ("", "AccessDenied")
    assert (found["others"], found["instance"]) == (404, 403)
    assert found["task"]["TaskARN"] == arn
    assert found["task"]["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert found["processes"] == ["1"]
    (pid,) = operate("pgrep", "-f", "/app.py serve").stdout.split()[-1:]
    secrets = [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"sk-live" in read(p)]
    assert secrets == []
    assert int(pid) > 1
    assert "serve begins" in site.printed(arn)
    inside = control.shell_command(task_id, ["cat", "/etc/hostname"])
    said = subprocess.run(inside, capture_output=True, text=True, check=True).stdout
    assert said == f"ip-{address.replace('.', '-')}\n"

    stopped = site.stop(arn)
    assert stopped["containers"][0]["exitCode"] == 0
    assert site.printed(arn)[-1] == "leaving"
    assert left_of(task_id[:12]) == []


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has exited
        return b""


def test_who_ignores_sigterm_is_killed_after_its_stop_timeout(site: Site) -> None:
    arn = site.run(site.definition("ignore"))
    site.until(arn, "RUNNING")

    stopped = site.stop(arn)

    assert stopped["containers"][0]["exitCode"] == 137
    took = seconds(stopped["stoppedAt"]) - seconds(stopped["stoppingAt"])
    assert 2 <= took < 6


def seconds(stamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(stamp).timestamp()


def test_who_takes_too_much_memory_is_killed(site: Site) -> None:
    stopped = site.until(site.run(site.definition("eat")), "STOPPED")

    (container,) = stopped["containers"]
    assert container["exitCode"] == 137
    assert container["reason"].startswith("OutOfMemoryError")
    assert stopped["stopCode"] == "EssentialContainerExited"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"image": f"{REGISTRY}/probe:none"}, "CannotPullContainerError"),
        ({"image": "images.example.com/debian:12"}, "CannotPullContainerError"),
        ({"entryPoint": ["/no/such/program"]}, "CannotStartContainerError"),
    ],
)
def test_what_cannot_start_says_why(site: Site, changed: dict[str, Any], words: str) -> None:
    stopped = site.until(site.run(site.definition("serve", **changed)), "STOPPED")

    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"].startswith(words)
    assert "exitCode" not in stopped["containers"][0]


def test_a_service_replaces_and_is_found_by_name_and_rolls_back(site: Site) -> None:
    site.aws.servicediscovery.create_private_dns_namespace(Name="probe.local", Vpc=site.vpc)
    (space,) = site.aws.servicediscovery.list_namespaces()["Namespaces"]
    registry = site.aws.servicediscovery.create_service(
        Name="app",
        NamespaceId=space["Id"],
        DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]},
    )["Service"]
    site.aws.ecs.create_service(
        cluster="probe",
        serviceName="app",
        taskDefinition=site.definition("serve"),
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration=site.network,
        serviceRegistries=[{"registryArn": registry["Arn"]}],
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )
    eventually("a steady service", lambda: site.is_steady("app"))
    (first,) = site.tasks("app")
    assert site.aws.resolve("app.probe.local") == [address_of(first)]

    os.kill(pid_of(site.cloud, first), signal.SIGKILL)
    eventually("another task", lambda: site.task(first["taskArn"])["lastStatus"] == "STOPPED")
    assert site.task(first["taskArn"])["containers"][0]["exitCode"] == 137
    eventually("a steady service again", lambda: site.is_steady("app"))
    (second,) = site.tasks("app")
    eventually("its address", lambda: site.aws.resolve("app.probe.local") == [address_of(second)])

    good = site.described("app")["taskDefinition"]
    update = {"cluster": "probe", "service": "app"}
    site.aws.ecs.update_service(**update, taskDefinition=site.definition("fail"))
    eventually("the rollback", lambda: site.described("app")["taskDefinition"] == good)
    eventually("the end of it", lambda: site.is_steady("app"))
    assert [task["taskArn"] for task in site.tasks("app")] == [second["taskArn"]]
    failed = site.tasks("app", "STOPPED")
    assert {t["containers"][0]["exitCode"] for t in failed} == {137, 3}

    site.aws.ecs.delete_service(cluster="probe", service="app", force=True)
    eventually("its end", lambda: site.described("app")["status"] == "INACTIVE")
    assert site.aws.resolve("app.probe.local") == []


def pid_of(cloud: Cloud, task: dict[str, Any]) -> int:
    task_id = task["taskArn"].rpartition("/")[2]
    return int((cloud.place.tasks / task_id / "app/pid").read_text())


def test_a_stopped_task_leaves_nothing(site: Site) -> None:
    assert [path.name for path in site.cloud.place.tasks.iterdir()] == ["images"]
    assert list((site.cloud.place.run / "runc").iterdir()) == []


def test_a_killed_cloud_leaves_nothing(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "home") as cloud:
        site = Site(cloud, pushed(cloud, tmp_path / "image"))
        site.until(site.run(site.definition("serve")), "RUNNING")
        name = cloud.place.name
        pid = control.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        control.down()

        assert left_of(name) == []
        assert namespaces(name) == []
