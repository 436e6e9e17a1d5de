"""The stack of a pipeline that runs on a group of the environment's own cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cfnlint import lint_file

from common.errors import Refused
from deploy.documents.body import template_body
from deploy.documents.desired_stack import parameters
from deploy.foundation.changes import apply_foundation, plan_foundation
from deploy.foundation.node_needs import Needs, NodeNeeds
from deploy.foundation.nodes_stack import widen_nodes
from deploy.foundation.stack import Foundation
from localcloud.patches.cloudformation.template import parse
from localcloud.patches.iam import enforced, role_credentials
from tests.unit.deploy.documents.pipeline import STACK, Pipeline, on_cluster
from tests.unit.deploy.documents.test_privileges import (
    ARNS,
    BUCKET,
    MATRIX,
    ask,
    is_refused,
)
from tests.unit.deploy.foundation.privileges import SESSION
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

pytestmark = pytest.mark.slow

ENVIRONMENT = on_cluster()
SETTINGS = f"/{STACK}/settings"
OF_DOCUMENTS = Needs(groups={"documents": NodeNeeds(runs_documents=True)})


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Pipeline, Foundation]]:
    """A cluster's stacks, and that of the documents, which the tests only look at."""
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        pipeline = Pipeline(clock)
        plan = plan_foundation(pipeline.clients, ENVIRONMENT, clock=clock)
        foundation = apply_foundation(pipeline.clients, ENVIRONMENT, plan, clock=clock)
        foundation = widen_nodes(
            pipeline.clients, ENVIRONMENT, foundation, Needs(), OF_DOCUMENTS, clock=clock
        )
        pipeline.apply(ENVIRONMENT, cluster=foundation)
        yield pipeline, foundation


def test_its_template_is_accepted_small_and_told_all_that_it_asks_for(tmp_path: Path) -> None:
    body = tmp_path / "body.yaml"
    body.write_text(template_body("ec2"))

    assert [str(match) for match in lint_file(body)] == []
    assert len(body.read_bytes()) <= 51_200


def test_without_a_cluster_there_is_nothing_to_run_on() -> None:
    with pytest.raises(Refused, match="the cluster that the documents run on is not deployed"):
        parameters(ENVIRONMENT)


def test_it_has_the_data_and_nothing_of_fargate(cluster: tuple[Pipeline, Foundation]) -> None:
    pipeline, _ = cluster
    types = set(pipeline.resources().values())

    assert {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue"} <= types
    assert {"AWS::Lambda::Function", "AWS::S3Vectors::Index", "AWS::CloudWatch::Alarm"} <= types
    services = {kind.split("::")[1] for kind in types}
    assert not services & {"ECS", "ECR", "ServiceDiscovery", "ApplicationAutoScaling"}
    assert not types & {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::VPCEndpoint"}


def test_the_settings_name_everything_and_hold_no_secret(
    cluster: tuple[Pipeline, Foundation],
) -> None:
    pipeline, _ = cluster
    found = json.loads(pipeline.found("ssm", "get_parameter", Name=SETTINGS)["Parameter"]["Value"])

    assert (found["group"], found["paused"]) == ("documents", False)
    variables = found["variables"]
    assert variables["ENVIRONMENT_NAME"] == "dev"
    assert variables["DOCUMENTS_BUCKET"] == BUCKET
    assert variables["DOCUMENTS_QUEUE_URL"].endswith(f"/{STACK}")
    assert variables["DOCUMENTS_VECTOR_INDEX"] == "documents-local"
    assert (variables["DOCUMENTS_WORKERS_MIN"], variables["DOCUMENTS_WORKERS_MAX"]) == ("1", "3")
    assert found["secrets"]["DOCUMENTS_TOKEN"].startswith("arn:aws:secretsmanager:")
    assert found["secrets"]["OPENAI_API_KEY"] == ""


def test_the_answers_are_at_the_stable_name_of_the_cluster(
    cluster: tuple[Pipeline, Foundation],
) -> None:
    pipeline, foundation = cluster
    listeners = pipeline.found(
        "elbv2", "describe_listeners", LoadBalancerArn=foundation.load_balancer_arn
    )["Listeners"]

    assert {one["Port"] for one in listeners} == {6379, 8000, 8265, 10001}
    balancer = foundation.load_balancer_security_group_id
    (group,) = pipeline.found("ec2", "describe_security_groups", GroupIds=[balancer])[
        "SecurityGroups"
    ]
    (opened,) = [one for one in group["IpPermissions"] if one["FromPort"] == 8000]
    assert [one["CidrIp"] for one in opened["IpRanges"]] == ["10.77.0.1/32"]


def test_only_the_role_of_its_group_gets_more(cluster: tuple[Pipeline, Foundation]) -> None:
    """It has what the tasks' roles have together, the secrets and the settings: no more."""
    pipeline, foundation = cluster
    for key in ("input/a", "failed/a"):
        pipeline.found("s3", "put_object", Bucket=BUCKET, Key=key, Body=b"x")
    pipeline.found("secretsmanager", "create_secret", Name="another", SecretString="x")
    secrets = pipeline.found("secretsmanager", "list_secrets")["SecretList"]
    ARNS.update({one["Name"]: one["ARN"] for one in secrets})
    ARNS.setdefault(f"{STACK}-ray-token", ARNS["another"])
    target = pipeline.id_of("TargetGroup")
    others = foundation.target_group_arns[0]
    matrix = {name: request for name, (request, _) in MATRIX.items()} | {
        "read the settings": ask("ssm", "get_parameter", Name=SETTINGS),
        "take part in the answers": ask(
            "elbv2", "deregister_targets", TargetGroupArn=target, Targets=[{"Id": "i-1"}]
        ),
        "take part in the head": ask(
            "elbv2", "deregister_targets", TargetGroupArn=others, Targets=[{"Id": "i-1"}]
        ),
        "change the settings": ask(
            "ssm", "put_parameter", Name=SETTINGS, Value="x", Overwrite=True
        ),
    }
    of_tasks = {name for name, (_, roles) in MATRIX.items() if roles & {"worker", "head"}}
    secrets_read = {"read the token", "read OpenAI's key", "read Pinecone's key"}

    def allowed(role: str) -> set[str]:
        keys = role_credentials(role)
        with enforced():
            return {
                name
                for name, request in matrix.items()
                if not is_refused(request, lambda service: SESSION.client(service, **keys))
            }

    of_any_worker = {"report metrics of others"}
    own = {"read the settings", "take part in the answers"}
    assert allowed(worker_role(pipeline)) == of_any_worker
    assert allowed(foundation.documents_role("documents")) == (
        of_any_worker | of_tasks | secrets_read | own
    )


def worker_role(pipeline: Pipeline) -> str:
    """Return the role that all other workers have."""
    found = pipeline.found(
        "cloudformation",
        "describe_stack_resource",
        StackName="raykiln-dev",
        LogicalResourceId="WorkerRole",
    )
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def test_the_parameters_are_those_of_the_template(cluster: tuple[Pipeline, Foundation]) -> None:
    _, foundation = cluster

    declared = set(parse(template_body("ec2"))["Parameters"])
    assert declared == set(parameters(ENVIRONMENT, cluster=foundation))
