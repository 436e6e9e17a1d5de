"""What an environment chooses, and what becomes of the stack; updates that keep or replace."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.environment import environment_from
from common.errors import PipelineError, Refused
from deploy.documents.body import template_body
from deploy.documents.desired_stack import parameters
from deploy.foundation.stack import Foundation
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.documents.pipeline import IMAGE, STACK, Pipeline, with_documents

CLUSTER = Foundation(
    vpc_id="vpc-1",
    private_subnet_ids=("subnet-1", "subnet-2"),
    head_security_group_id="",
    worker_security_group_id="",
    head_instance_profile_arn="",
    worker_instance_profile_arn="",
    bucket_name="",
    lease_table_name="",
    load_balancer_arn="",
    load_balancer_dns_name="",
    target_group_arns=(),
    topic_arn="",
    head_name="",
    endpoint_security_group_id="sg-endpoints",
)
INTERFACES = {
    *("EcrApiEndpoint", "EcrEndpoint", "SecretsEndpoint", "QueueEndpoint", "VectorsEndpoint"),
    *("LogsEndpoint", "MonitoringEndpoint", "SsmMessagesEndpoint"),
}
OF_NAT = {"Nat", "NatAddress", "NatRoute"}


def test_without_an_image_there_are_no_tasks_yet(pipeline: Pipeline) -> None:
    stack = pipeline.apply()

    kinds = set(pipeline.resources().values())
    assert not kinds & {"AWS::ECS::TaskDefinition", "AWS::ECS::Service"}
    assert "RayHeadServiceName" not in stack.outputs
    assert stack.outputs["ECRRepositoryUri"].endswith(f".amazonaws.com/{STACK}")
    assert len(pipeline.resources()) == 63


def test_with_an_image_there_are_more_resources_than_the_deployment_guide_s_forty(
    pipeline: Pipeline,
) -> None:
    pipeline.apply(image=IMAGE)

    assert len(pipeline.resources()) == 70


def test_another_image_replaces_task_definitions_and_nothing_else(pipeline: Pipeline) -> None:
    pipeline.apply(image=IMAGE)

    plan = pipeline.plan(with_documents(), image=IMAGE.replace("0" * 64, "1" * 64))

    assert {(change.action, change.name) for change in plan.changes} == {
        ("replace", "RayHeadTaskDefinition"),
        ("replace", "RayWorkerTaskDefinition"),
        ("change", "RayHeadService"),
        ("change", "RayWorkerService"),
    }
    assert plan.losses == ()


def test_a_stack_that_is_up_to_date_has_an_empty_plan(pipeline: Pipeline) -> None:
    pipeline.apply(image=IMAGE)

    assert pipeline.plan(with_documents(), image=IMAGE).is_empty


def counts(pipeline: Pipeline) -> dict[str, int]:
    """Return how many tasks run of each service."""
    names = [f"{STACK}-ray-head", f"{STACK}-ray-worker"]
    found = pipeline.found("ecs", "describe_services", cluster=STACK, services=names)["services"]
    return {one["serviceName"].rpartition("-")[2]: one["runningCount"] for one in found}


def test_a_pause_stops_all_tasks_and_their_alarms_and_its_end_starts_them(
    pipeline: Pipeline,
) -> None:
    three = with_documents(worker={"min": 3})
    pipeline.apply(three, image=IMAGE)
    pipeline.clock.advance(60)
    assert counts(pipeline) == {"head": 1, "worker": 3}

    pipeline.apply(three, image=IMAGE, paused=True)
    pipeline.clock.advance(60)
    assert counts(pipeline) == {"head": 0, "worker": 0}
    alarms = pipeline.found("cloudwatch", "describe_alarms", AlarmNamePrefix=STACK)
    assert not any(one["ActionsEnabled"] for one in alarms["MetricAlarms"])

    pipeline.apply(three, image=IMAGE)
    pipeline.clock.advance(60)
    assert counts(pipeline) == {"head": 1, "worker": 3}


def test_an_update_keeps_the_workers_that_scaling_has_added(pipeline: Pipeline) -> None:
    pipeline.apply(image=IMAGE)
    worker = {"cluster": STACK, "service": f"{STACK}-ray-worker"}
    pipeline.found("ecs", "update_service", **worker, desiredCount=4)

    pipeline.apply(image=IMAGE.replace("0" * 64, "1" * 64))
    pipeline.clock.advance(60)

    assert counts(pipeline) == {"head": 1, "worker": 4}


def test_workers_may_all_go_and_one_message_brings_the_first(pipeline: Pipeline) -> None:
    pipeline.apply(with_documents(worker={"min": 0}), image=IMAGE)
    worker = {"cluster": STACK, "service": f"{STACK}-ray-worker"}
    pipeline.found("ecs", "update_service", **worker, desiredCount=0)
    pipeline.clock.advance(60)
    assert counts(pipeline)["worker"] == 0

    metric = {"MetricName": "BacklogWithoutWorkers", "Value": 1.0}
    metric["Dimensions"] = [{"Name": "Environment", "Value": "dev"}]
    pipeline.found("cloudwatch", "put_metric_data", Namespace="RayDocuments", MetricData=[metric])
    pipeline.clock.advance(120)

    assert counts(pipeline)["worker"] == 1


def test_workers_are_on_spot_by_weight(pipeline: Pipeline) -> None:
    pipeline.apply(with_documents(worker={"spot_percent": 80}), image=IMAGE)

    names = [f"{STACK}-ray-worker"]
    found = pipeline.found("ecs", "describe_services", cluster=STACK, services=names)["services"][0]
    assert {
        one["capacityProvider"]: one["weight"] for one in found["capacityProviderStrategy"]
    } == {"FARGATE": 20, "FARGATE_SPOT": 80}


def test_endpoints_take_the_place_of_a_nat(pipeline: Pipeline) -> None:
    pipeline.apply(with_documents(nat=False, endpoints=True))
    made = pipeline.resources()

    assert made.keys() & (INTERFACES | OF_NAT) == INTERFACES
    filters = [{"Name": "vpc-endpoint-type", "Values": ["Interface"]}]
    found = pipeline.found("ec2", "describe_vpc_endpoints", Filters=filters)["VpcEndpoints"]
    assert {one["ServiceName"].removeprefix("com.amazonaws.us-east-1.") for one in found} == {
        *("ecr.api", "ecr.dkr", "secretsmanager", "sqs", "s3vectors"),
        *("logs", "monitoring", "ssmmessages"),
    }


def test_an_existing_vpc_is_used_as_it_is(pipeline: Pipeline) -> None:
    vpc = pipeline.found("ec2", "create_vpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = pipeline.found("ec2", "create_subnet", VpcId=vpc, CidrBlock="10.9.0.0/24")
    group = pipeline.found(
        "ec2", "create_security_group", GroupName="endpoints", Description="x", VpcId=vpc
    )["GroupId"]
    cluster = Foundation(
        **{
            **vars(CLUSTER),
            "vpc_id": vpc,
            "private_subnet_ids": (subnet["Subnet"]["SubnetId"],),
            "endpoint_security_group_id": group,
        }
    )
    environment = an_environment(
        documents={"network": "cluster"},
        network={"operator_cidrs": ["10.77.0.1/32"], "endpoints": True},
    )

    stack = pipeline.apply(environment, cluster=cluster)

    assert stack.outputs["VpcId"] == vpc
    assert stack.outputs["PrivateSubnetIds"] == subnet["Subnet"]["SubnetId"]
    assert "PublicSubnetId" not in stack.outputs
    network = {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint"}
    assert not set(pipeline.resources().values()) & network
    (opened,) = pipeline.found("ec2", "describe_security_groups", GroupIds=[group])[
        "SecurityGroups"
    ]
    (rule,) = opened["IpPermissions"]
    assert (rule["FromPort"], rule["UserIdGroupPairs"][0]["GroupId"]) == (
        443,
        stack.outputs["RayClusterSecurityGroupId"],
    )


def of_cluster(endpoints: bool | tuple[str, ...], documents_endpoints: bool) -> dict[str, str]:
    environment = an_environment(
        documents={"network": "cluster", "endpoints": documents_endpoints},
        network={"operator_cidrs": ["10.77.0.1/32"], "endpoints": endpoints},
    )
    return parameters(environment, cluster=CLUSTER)


@pytest.mark.parametrize(
    ("endpoints", "documents_endpoints", "expected"),
    [
        (True, True, ("missing", "sg-endpoints")),
        (True, False, ("false", "sg-endpoints")),
        (False, True, ("true", "sg-endpoints")),
        (False, False, ("false", "sg-endpoints")),
        (("ssmmessages",), True, ("true", "sg-endpoints")),
        (("logs", "monitoring", "ssmmessages"), True, ("missing", "sg-endpoints")),
    ],
)
def test_in_the_cluster_s_vpc_only_missing_endpoints_are_made(
    endpoints: bool | tuple[str, ...], documents_endpoints: bool, expected: tuple[str, str]
) -> None:
    found = of_cluster(endpoints, documents_endpoints)

    assert (found["VpcEndpoints"], found["EndpointSecurityGroupId"]) == expected
    assert (found["ExistingVpcId"], found["ExistingSubnetIds"]) == ("vpc-1", "subnet-1,subnet-2")


def injected(pipeline: Pipeline, role: str) -> dict[str, str]:
    family = f"{STACK}-ray-{role}"
    found = pipeline.found("ecs", "describe_task_definition", taskDefinition=family)
    (one,) = found["taskDefinition"]["containerDefinitions"]
    return {secret["name"]: secret["valueFrom"] for secret in one["secrets"]}


def test_keys_are_injected_where_they_are_used_and_may_exist_already(pipeline: Pipeline) -> None:
    arns = {
        name: str(
            pipeline.found(
                "secretsmanager", "create_secret", Name=name, SecretString=json.dumps({name: "x"})
            )["ARN"]
        )
        for name in ("OPENAI_API_KEY", "PINECONE_API_KEY")
    }
    documents: dict[str, Any] = {
        "embeddings": "openai",
        "index": "pinecone",
        "pinecone_host": "documents.example.com",
        "openai_secret_arn": arns["OPENAI_API_KEY"],
        "pinecone_secret_arn": arns["PINECONE_API_KEY"],
    }
    stack = pipeline.apply(with_documents(**documents), image=IMAGE)

    for role in ("head", "worker"):
        found = injected(pipeline, role)
        assert found.items() >= {name: f"{arn}:{name}::" for name, arn in arns.items()}.items()
    made = pipeline.resources()
    assert not made.keys() & {"OpenAISecret", "PineconeSecret", "VectorBucket", "VectorIndex"}
    assert stack.outputs["OpenAIApiKeySecretArn"] == arns["OPENAI_API_KEY"]
    assert "VectorBucketName" not in stack.outputs


def test_other_embeddings_need_another_index_and_the_plan_says_what_is_lost(
    pipeline: Pipeline,
) -> None:
    pipeline.apply()

    changed = with_documents(embeddings="openai")
    plan = pipeline.plan(changed)
    assert [change.name for change in plan.losses] == ["VectorIndex"]

    pipeline.apply(changed)
    named = {"vectorBucketName": STACK, "indexName": "documents-openai"}
    assert pipeline.found("s3vectors", "get_index", **named)["index"]["dimension"] == 1536


def test_whoever_is_named_is_told_of_alarms(pipeline: Pipeline) -> None:
    stack = pipeline.apply(with_documents(email="ops@example.com"))

    topic = {"TopicArn": stack.outputs["SNSTopicArn"]}
    (one,) = pipeline.found("sns", "list_subscriptions_by_topic", **topic)["Subscriptions"]
    assert (one["Protocol"], one["Endpoint"]) == ("email", "ops@example.com")


def test_what_the_template_cannot_express_is_refused() -> None:
    with pytest.raises(Refused, match="makes no VPC"):
        parameters(with_documents(cidr="10.0.0.0/27"))
    with pytest.raises(Refused, match="is not deployed"):
        parameters(with_documents(network="cluster"))
    five = [f"10.{n}.0.0/16" for n in range(5)]
    with pytest.raises(Refused, match="at most 4"):
        parameters(an_environment(network={"operator_cidrs": five}))


def test_the_bucket_waits_until_s3_may_invoke_the_function(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 looks at the function's policy when it is given the notification."""
    hasty = template_body().replace("DependsOn: FunctionPermission, ", "")
    assert hasty != template_body()
    monkeypatch.setattr("deploy.documents.desired_stack.template_body", lambda runs_on: hasty)

    with pytest.raises(
        PipelineError, match=r"Bucket.*Unable to validate the following destination"
    ):
        pipeline.apply()


def test_the_longest_names_are_within_aws_s_limits() -> None:
    environment = environment_from(
        an_environment().model_dump(exclude={"name", "images_require", "images_scan", "images_osv"})
        | {"region": "ap-southeast-1"}
        | {"workers": {"instance_type": "m6i.large", "min": 1, "max": 3}},
        Path(f"{'a' * 21}.toml"),
    )
    stem = f"{environment.documents_stack}-"

    # docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    assert len(environment.documents_bucket) == 63
    # docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    assert len(f"{stem}s3-event-handler") <= 64
    # docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
    assert len(f"{stem}failed-events") <= 80
