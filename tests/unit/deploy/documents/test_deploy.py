"""Deploys of the document pipeline on the local cloud's services, in this process."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from common.environment import Environment
from common.errors import Refused, RolledBack, Unhealthy
from common.progress import Say, Silent
from deploy.documents.deploy import Deployment
from deploy.documents.destroy import Destruction
from deploy.documents.pause import change_pause
from deploy.documents.pipeline import Pipeline as Deployed
from deploy.documents.services import services_of
from deploy.foundation.stack import find_stack
from documents.control.claims import DONE
from localcloud.patches.ecs import records, runtime
from tests.unit.deploy.documents.pipeline import STACK, Pipeline, run_tasks, with_documents
from tests.unit.deploy.reach.plugins import install_plugin

URI = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{STACK}"


@dataclass
class Images:
    """A repository, and whoever builds for it: an image for each version of the checkout."""

    version: int = 1
    pushed: set[str] = field(default_factory=set)

    @property
    def words(self) -> str:
        return f"v{self.version}"

    @property
    def digest(self) -> str:
        return f"{URI}@sha256:{self.version:064d}"

    def find(self, uri: str) -> str:
        assert uri == URI
        return self.digest if self.words in self.pushed else ""

    def ensure(self, uri: str, progress: Say) -> str:
        self.pushed.add(self.words)
        return self.digest


def used(pipeline: Deployed, clients: Any, *, clock: Any, progress: Say) -> str:
    """Find that it is used, if its tasks run."""
    for service in services_of(clients, pipeline.outputs):
        if service.running < service.desired:
            raise Unhealthy(f"{service.name}: {service.running} tasks run")
    return "in use"


@dataclass
class Operator:
    """A person with a checkout, and what there is in AWS."""

    aws: Pipeline
    images: Images = field(default_factory=Images)
    environment: Environment = field(default_factory=with_documents)

    def deployment(self, force: bool = False) -> Deployment:
        given = (self.environment, self.aws.clients, self.aws.clock, self.images, force)
        return Deployment(*given, in_use=used, way=lambda *_: ())

    def deploy(self, force: bool = False, **given: Any) -> Deployed:
        deployment = self.deployment(force)
        return deployment.run(deployment.plan(), Silent(), **given)

    def pause(self, paused: bool) -> Deployed:
        aws = self.aws
        return change_pause(
            aws.clients,
            self.environment,
            paused,
            clock=aws.clock,
            progress=Silent(),
            in_use=used,
        )

    def destroy(self, keep_data: bool = False) -> None:
        destruction(self, keep_data).run(Silent())

    def running(self) -> dict[str, int]:
        """Return how many tasks of each service run."""
        stack = find_stack(self.aws.clients, STACK)
        assert stack
        found = services_of(self.aws.clients, stack.outputs)
        return {one.name.removeprefix(f"{STACK}-ray-"): one.running for one in found}

    def tasks(self) -> set[str]:
        cluster = {"cluster": STACK}
        return set(self.aws.found("ecs", "list_tasks", **cluster)["taskArns"])


def destruction(operator: Operator, keep_data: bool = False) -> Destruction:
    aws = operator.aws
    return Destruction(operator.environment, aws.clients, aws.clock, keep_data)


@pytest.fixture
def operator(pipeline: Pipeline) -> Operator:
    return Operator(pipeline)


def test_a_first_deploy_creates_builds_and_starts(operator: Operator) -> None:
    plan = operator.deployment().plan()

    assert plan.words == (
        f"create the stack {STACK}: {len(plan.stack.changes)} resources",
        "build and push the image v1",
        "start what answers and what reads documents",
    )
    assert find_stack(operator.aws.clients, STACK) is None

    deployed = operator.deploy()

    assert deployed.image == f"{URI}@sha256:{1:064d}"
    assert operator.running() == {"head": 1, "worker": 1}


def test_a_deploy_gives_the_stack_the_zones_that_it_has(operator: Operator) -> None:
    for _ in range(2):
        operator.deploy()
        stack = find_stack(operator.aws.clients, STACK)
        assert stack
        zones = [stack.parameters[name] for name in ("ZoneA", "ZoneB")]
        assert zones == ["us-east-1a", "us-east-1b"]


def test_what_is_deployed_is_not_deployed_again(operator: Operator) -> None:
    operator.deploy()
    tasks = operator.tasks()

    plan = operator.deployment().plan()

    assert plan.is_empty
    assert plan.words == ()
    operator.deploy()
    assert operator.tasks() == tasks


def test_a_new_image_replaces_head_and_workers(operator: Operator) -> None:
    operator.deploy()
    before = operator.tasks()
    operator.images.version = 2

    words = operator.deployment().plan().words

    assert "build and push the image v2" in words
    assert "replace the head: no answers for about a minute; documents wait" in words
    assert "replace the workers: each finishes the documents that it has" in words
    deployed = operator.deploy()
    assert deployed.image.endswith("2")
    assert operator.running() == {"head": 1, "worker": 1}
    assert not operator.tasks() & before


def test_force_replaces_tasks_that_have_not_changed(operator: Operator) -> None:
    operator.deploy()
    before = operator.tasks()

    plan = operator.deployment(force=True).plan()

    assert not plan.is_empty
    assert plan.words[0].startswith("replace the head")
    operator.deploy(force=True)
    assert operator.running() == {"head": 1, "worker": 1}
    assert not operator.tasks() & before


def test_a_bigger_worker_changes_nothing_of_the_head(operator: Operator) -> None:
    operator.deploy()
    operator.environment = with_documents(worker={"cpu": 2048, "memory": 8192})

    words = operator.deployment().plan().words

    assert words[-1] == "replace the workers: each finishes the documents that it has"
    assert not any(line.startswith("replace the head") for line in words)


def test_another_bucket_loses_data_and_is_refused(operator: Operator) -> None:
    operator.deploy()
    operator.environment = with_documents(bucket="another-bucket")
    plan = operator.deployment().plan()

    assert any("Bucket" in loss for loss in plan.losses)
    with pytest.raises(Refused, match="this would lose data"):
        operator.deploy()
    assert operator.aws.found("s3", "head_bucket", Bucket=deployed_bucket(operator))


def deployed_bucket(operator: Operator) -> str:
    stack = find_stack(operator.aws.clients, STACK)
    assert stack
    return stack.outputs["S3BucketName"]


def test_a_stack_that_changed_since_the_plan_is_refused(operator: Operator) -> None:
    operator.deploy()
    operator.environment = with_documents(email="someone@example.com")
    plan = operator.deployment().plan()
    operator.environment = with_documents(log_days=7)

    with pytest.raises(Refused, match="has changed since the plan was made"):
        operator.deployment().run(plan, Silent())


def test_keys_are_asked_for_once_and_stored(operator: Operator) -> None:
    operator.environment = with_documents(embeddings="openai")

    assert operator.deployment().plan().keys == ("OPENAI_API_KEY",)
    with pytest.raises(Refused, match="there is no value for OPENAI_API_KEY"):
        operator.deploy()
    assert find_stack(operator.aws.clients, STACK) is None

    deployed = operator.deploy(keys={"OPENAI_API_KEY": "sk-1"})

    arn = deployed.outputs["OpenAIApiKeySecretArn"]
    stored = operator.aws.found("secretsmanager", "get_secret_value", SecretId=arn)
    assert stored["SecretString"] == '{"OPENAI_API_KEY": "sk-1"}'
    assert operator.deployment().plan().keys == ()


def test_a_pause_stops_all_tasks_and_a_resume_starts_them(operator: Operator) -> None:
    operator.deploy()

    assert operator.pause(True).paused
    assert operator.running() == {"head": 0, "worker": 0}

    assert not operator.pause(False).paused
    assert operator.running() == {"head": 1, "worker": 1}


def test_a_pause_changes_nothing_else(operator: Operator) -> None:
    operator.deploy()
    operator.environment = with_documents(log_days=7)

    operator.pause(True)

    stack = find_stack(operator.aws.clients, STACK)
    assert stack
    assert stack.parameters["LogRetentionDays"] == "30"


def test_a_deploy_leaves_a_paused_pipeline_paused(operator: Operator) -> None:
    operator.deploy()
    operator.pause(True)
    operator.images.version = 2

    assert operator.deployment().plan().words[-1] == "the pipeline is paused, and stays so"
    deployed = operator.deploy()

    assert deployed.paused
    assert deployed.image.endswith("2")
    assert operator.running() == {"head": 0, "worker": 0}


def put(operator: Operator, key: str, body: bytes = b"a document") -> None:
    bucket = deployed_bucket(operator)
    operator.aws.clients("s3").put_object(Bucket=bucket, Key=key, Body=body)


def record(operator: Operator) -> None:
    item = {"id": {"S": "object/b/input/a.txt"}, "status": {"S": DONE}}
    item |= {"updated_at": {"S": "2026-01-01"}}
    operator.aws.clients("dynamodb").put_item(TableName=f"{STACK}-control", Item=item)


def test_a_destroy_says_what_is_lost_and_leaves_nothing(operator: Operator) -> None:
    operator.deploy()
    put(operator, "input/a.txt")
    put(operator, "input/a.txt", b"its second version")
    record(operator)

    words = destruction(operator).words()

    assert words[0] == f"delete the stack {STACK} (UPDATE_COMPLETE), and for good:"
    assert "  documents in the tables: 1 DONE; with their audit and metrics" in words
    assert "  objects in the bucket: 2 versions, 0.0 MiB" in words
    operator.destroy()
    assert left(operator) == []
    operator.destroy()


def left(operator: Operator) -> list[str]:
    """Return what there is of the pipeline."""
    aws = operator.aws
    stack = find_stack(aws.clients, STACK)
    return [
        *([stack.status] if stack else []),
        *(
            one["Name"]
            for one in aws.found("s3", "list_buckets")["Buckets"]
            if STACK in one["Name"]
        ),
        *(n for n in aws.found("dynamodb", "list_tables")["TableNames"] if STACK in n),
        *(r["repositoryName"] for r in aws.found("ecr", "describe_repositories")["repositories"]),
        *(
            one["clusterName"]
            for one in aws.found("ecs", "describe_clusters", clusters=[STACK])["clusters"]
            if one["status"] == "ACTIVE"
        ),
        *(g["logGroupName"] for g in aws.found("logs", "describe_log_groups")["logGroups"]),
    ]


def test_kept_data_is_the_bucket_with_an_export_of_the_tables(operator: Operator) -> None:
    operator.deploy()
    put(operator, "input/a.txt")
    record(operator)
    bucket = deployed_bucket(operator)

    assert any(
        "stays, with the tables in export/" in w for w in destruction(operator, True).words()
    )
    operator.destroy(keep_data=True)

    assert left(operator) == [bucket]
    listed = operator.aws.found("s3", "list_objects_v2", Bucket=bucket)["Contents"]
    assert [one["Key"] for one in listed] == [
        f"export/{STACK}-audit.jsonl.gz",
        f"export/{STACK}-control.jsonl.gz",
        f"export/{STACK}-metrics.jsonl.gz",
        "input/a.txt",
    ]


def failing(version: int) -> Callable[[], None]:
    """Return what plays ECS's agents where tasks of that image end at once."""
    image, ended = f"sha256:{version:064d}", set[str]()

    def play() -> None:
        for plan in runtime.plans():
            is_new = records.tasks()[plan.task_id].last_status == "PENDING"
            for container in plan.containers:
                if image in container.image and is_new and plan.task_id not in ended:
                    ended.add(plan.task_id)
                    log_line(container.name, plan.task_id, "there is no RAY_AUTH_TOKEN")
                    runtime.container_started(plan.task_id, container.name, "abc", image)
                    runtime.running(plan.task_id)
                    runtime.container_exited(plan.task_id, container.name, 1, "")
        run_tasks()

    return play


def log_line(container: str, task_id: str, words: str) -> None:
    logs = boto3.client("logs", "us-east-1")
    where = {
        "logGroupName": f"/ecs/{STACK}-{container}",
        "logStreamName": f"ray/{container}/{task_id}",
    }
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(**where)
    logs.put_log_events(
        **where, logEvents=[{"timestamp": int(time.time() * 1000), "message": words}]
    )


def test_an_image_whose_tasks_end_is_rolled_back_and_says_why(operator: Operator) -> None:
    operator.deploy()
    operator.images.version = 2
    operator.aws.clock.listeners.remove(run_tasks)
    operator.aws.clock.listeners.append(failing(2))

    with pytest.raises(RolledBack) as failure:
        operator.deploy()

    words = str(failure.value)
    assert "ended as UPDATE_ROLLBACK_COMPLETE" in words
    assert "RayHeadService" in words
    assert f"of {STACK}-ray-head stopped: Essential container in task exited" in words
    assert "; ray-head exited with " in words
    assert "| there is no RAY_AUTH_TOKEN" in words
    assert operator.running() == {"head": 1, "worker": 1}
    stack = find_stack(operator.aws.clients, STACK)
    assert stack
    assert stack.parameters["RayDockerImageUri"].endswith("1")


def test_a_deploy_into_a_new_vpc_needs_a_way_there(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    given = (with_documents(), pipeline.clients, pipeline.clock, Images())

    with pytest.raises(Refused, match="`session-manager-plugin` is not installed") as caught:
        Deployment(*given).plan()
    install_plugin(tmp_path)

    assert "install-plugin.html" in caught.value.hint
    assert Deployment(*given).plan().words[0].startswith(f"create the stack {STACK}")
