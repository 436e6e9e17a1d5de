"""The document pipeline's stack, row by row, as the local cloud's services describe it."""

import json
from typing import Any

import pytest

from deploy.documents.body import template_body
from documents.control.tables import AUDIT, CONTROL, METRICS, TTL
from documents.providers.s3vectors_index import NON_FILTERABLE
from localcloud.patches.cloudformation.template import parse
from tests.unit.deploy.documents.pipeline import IMAGE, STACK, Pipeline

BUCKET = f"{STACK}-123456789012-us-east-1"
FUNCTION = f"{STACK}-s3-event-handler"
ARN = "arn:aws:{}:us-east-1:123456789012:{}".format
INDEX_KEYS = ("IndexName", "KeySchema", "Projection")


# --- Network ------------------------------------------------------------------------------------


def test_tasks_are_in_private_subnets_and_reach_out_through_a_nat(made: Pipeline) -> None:
    vpc, public = made.id_of("Vpc"), made.id_of("PublicSubnet")
    private = [made.id_of("PrivateSubnetA"), made.id_of("PrivateSubnetB")]
    found = made.found("ec2", "describe_subnets", SubnetIds=[public, *private])["Subnets"]
    ranges = {one["SubnetId"]: one["CidrBlock"] for one in found}
    zones = {one["SubnetId"]: one["AvailabilityZone"] for one in found}

    assert ranges == {
        public: "10.78.0.0/18",
        private[0]: "10.78.64.0/18",
        private[1]: "10.78.128.0/18",
    }
    assert len({zones[one] for one in private}) == 2
    assert not any(one["MapPublicIpOnLaunch"] for one in found)
    assert ways_out(made, public) == {"gateway": made.id_of("InternetGateway")}
    assert [ways_out(made, one) for one in private] == [{"nat": made.id_of("Nat")}] * 2
    (nat,) = made.found("ec2", "describe_nat_gateways")["NatGateways"]
    assert (nat["SubnetId"], nat["VpcId"]) == (public, vpc)
    assert nat["NatGatewayAddresses"][0]["PublicIp"] == made.id_of("NatAddress")


def ways_out(made: Pipeline, subnet: str) -> dict[str, str]:
    """Return where a subnet's default route leads."""
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    (table,) = made.found("ec2", "describe_route_tables", Filters=filters)["RouteTables"]
    (route,) = [r for r in table["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"]
    kinds = {"GatewayId": "gateway", "NatGatewayId": "nat"}
    return {kind: route[key] for key, kind in kinds.items() if key in route}


def test_buckets_and_tables_are_reached_without_the_nat(made: Pipeline) -> None:
    filters = [{"Name": "vpc-id", "Values": [made.id_of("Vpc")]}]
    found = made.found("ec2", "describe_vpc_endpoints", Filters=filters)["VpcEndpoints"]

    assert {(one["ServiceName"], one["VpcEndpointType"]) for one in found} == {
        ("com.amazonaws.us-east-1.s3", "Gateway"),
        ("com.amazonaws.us-east-1.dynamodb", "Gateway"),
    }


def rules(made: Pipeline, group: str, direction: str) -> set[tuple[Any, Any, str]]:
    """Return first port, last port and peer of each rule of a security group."""
    (found,) = made.found("ec2", "describe_security_groups", GroupIds=[made.id_of(group)])[
        "SecurityGroups"
    ]
    names = {made.id_of(one): one for one in ("RayClusterSecurityGroup", "HeadSecurityGroup")}
    return {
        (rule.get("FromPort"), rule.get("ToPort"), peer)
        for rule in found["IpPermissions" if direction == "in" else "IpPermissionsEgress"]
        for peer in (
            *(one["CidrIp"] for one in rule["IpRanges"]),
            *(names[one["GroupId"]] for one in rule["UserIdGroupPairs"]),
        )
    }


def test_only_tasks_reach_ray_and_only_operators_its_dashboard(made: Pipeline) -> None:
    cluster = "RayClusterSecurityGroup"
    among = {(6379, 6384, cluster), (10002, 10999, cluster), (52365, 52365, cluster)}

    assert rules(made, cluster, "in") == among
    assert rules(made, cluster, "out") == among | {(443, 443, "0.0.0.0/0")}
    assert rules(made, "HeadSecurityGroup", "in") == {
        (8265, 8265, "10.77.0.1/32"),
        (8000, 8000, "10.77.0.1/32"),
    }
    assert rules(made, "HeadSecurityGroup", "out") == {(443, 443, "127.0.0.1/32")}


# --- Storage ------------------------------------------------------------------------------------


def of_bucket(made: Pipeline, call: str) -> Any:
    return made.found("s3", call, Bucket=BUCKET)


def test_the_bucket_keeps_versions_encrypts_and_is_no_one_else_s(made: Pipeline) -> None:
    rule = of_bucket(made, "get_bucket_encryption")["ServerSideEncryptionConfiguration"]["Rules"][0]
    blocked = of_bucket(made, "get_public_access_block")["PublicAccessBlockConfiguration"]
    owners = of_bucket(made, "get_bucket_ownership_controls")["OwnershipControls"]["Rules"]

    assert of_bucket(made, "get_bucket_versioning")["Status"] == "Enabled"
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(blocked.values()) == {True}
    assert owners == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_the_bucket_is_reached_over_tls_alone(made: Pipeline) -> None:
    (statement,) = json.loads(of_bucket(made, "get_bucket_policy")["Policy"])["Statement"]

    assert (statement["Effect"], statement["Principal"], statement["Action"]) == (
        "Deny",
        "*",
        "s3:*",
    )
    assert statement["Resource"] == [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_lifecycle_makes_cheaper_and_deletes_no_document(made: Pipeline) -> None:
    found = of_bucket(made, "get_bucket_lifecycle_configuration")["Rules"]
    cheaper = {
        rule["Filter"]["Prefix"]: (
            rule["Transitions"][0]["Days"],
            rule["Transitions"][0]["StorageClass"],
        )
        for rule in found
        if "Transitions" in rule
    }

    assert cheaper == {
        "input/": (90, "STANDARD_IA"),
        "processed/": (30, "STANDARD_IA"),
        "failed/": (30, "STANDARD_IA"),
    }
    # What is left of a document that was deleted, once its versions are gone.
    gone = [rule["Expiration"] for rule in found if "Expiration" in rule]
    assert gone == [{"ExpiredObjectDeleteMarker": True}]
    (old,) = [r["NoncurrentVersionExpiration"] for r in found if "NoncurrentVersionExpiration" in r]
    (parts,) = [
        r["AbortIncompleteMultipartUpload"] for r in found if "AbortIncompleteMultipartUpload" in r
    ]
    assert (old["NoncurrentDays"], parts["DaysAfterInitiation"]) == (30, 7)


def test_s3_tells_the_function_of_what_comes_and_goes_below_input(made: Pipeline) -> None:
    found = of_bucket(made, "get_bucket_notification_configuration")["LambdaFunctionConfigurations"]

    assert sorted(one["Events"] for one in found) == [
        ["s3:ObjectCreated:*"],
        ["s3:ObjectRemoved:*"],
    ]
    assert {one["LambdaFunctionArn"] for one in found} == {ARN("lambda", f"function:{FUNCTION}")}
    rules = [one["Filter"]["Key"]["FilterRules"] for one in found]
    assert [[(r["Name"].lower(), r["Value"]) for r in one] for one in rules] == [
        [("prefix", "input/")]
    ] * 2


def test_the_tables_are_those_of_the_application(made: Pipeline) -> None:
    for name, wanted in (("control", CONTROL), ("audit", AUDIT), ("metrics", METRICS)):
        found = made.found("dynamodb", "describe_table", TableName=f"{STACK}-{name}")["Table"]
        indexes = [
            {key: one[key] for key in INDEX_KEYS} for one in found.get("GlobalSecondaryIndexes", [])
        ]

        assert found["KeySchema"] == wanted["KeySchema"]
        assert found["AttributeDefinitions"] == wanted["AttributeDefinitions"]
        assert indexes == wanted.get("GlobalSecondaryIndexes", [])
        assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert found["SSEDescription"]["Status"] == "ENABLED"


def test_each_table_expires_items_and_can_be_restored_to_a_moment(made: Pipeline) -> None:
    for name in ("control", "audit", "metrics"):
        table = {"TableName": f"{STACK}-{name}"}
        ttl = made.found("dynamodb", "describe_time_to_live", **table)["TimeToLiveDescription"]
        backups = made.found("dynamodb", "describe_continuous_backups", **table)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]

        assert ttl == {"AttributeName": TTL, "TimeToLiveStatus": "ENABLED"}
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


# --- Queue and function -------------------------------------------------------------------------


def attributes(made: Pipeline, queue: str) -> dict[str, str]:
    url = made.found("sqs", "get_queue_url", QueueName=queue)["QueueUrl"]
    asked = {"QueueUrl": url, "AttributeNames": ["All"]}
    return dict(made.found("sqs", "get_queue_attributes", **asked)["Attributes"])


def test_a_message_is_tried_twenty_times_before_it_is_a_dead_letter(made: Pipeline) -> None:
    redrive = json.loads(attributes(made, STACK)["RedrivePolicy"])

    assert redrive["maxReceiveCount"] == 20
    assert redrive["deadLetterTargetArn"] == ARN("sqs", f"{STACK}-dead-letters")


@pytest.mark.parametrize("queue", [STACK, f"{STACK}-dead-letters", f"{STACK}-failed-events"])
def test_messages_are_kept_for_two_weeks_encrypted_and_over_tls(made: Pipeline, queue: str) -> None:
    found = attributes(made, queue)
    (statement,) = json.loads(found["Policy"])["Statement"]

    assert found["MessageRetentionPeriod"] == "1209600"
    assert found["SqsManagedSseEnabled"] == "true"
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_function_knows_where_to_write_and_where_its_failures_go(made: Pipeline) -> None:
    found = made.found("lambda", "get_function", FunctionName=FUNCTION)["Configuration"]

    assert found["Environment"]["Variables"] == {
        "CONTROL_TABLE": f"{STACK}-control",
        "AUDIT_TABLE": f"{STACK}-audit",
        "QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/123456789012/{STACK}",
    }
    assert (found["Runtime"], found["Handler"]) == ("python3.13", "index.handler")
    template = made.found("cloudformation", "get_template", StackName=STACK)["TemplateBody"]
    assert "DeadLetterConfig: {TargetArn: !GetAtt FunctionDeadLetterQueue.Arn}" in template


def test_the_function_may_be_invoked_by_s3_for_this_bucket_alone(made: Pipeline) -> None:
    policy = json.loads(made.found("lambda", "get_policy", FunctionName=FUNCTION)["Policy"])
    (statement,) = policy["Statement"]

    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"AWS:SourceAccount": "123456789012"},
        "ArnLike": {"AWS:SourceArn": f"arn:aws:s3:::{BUCKET}"},
    }


# --- Registry and tasks -------------------------------------------------------------------------


def test_images_have_tags_that_stay_are_scanned_and_expire(made: Pipeline) -> None:
    (found,) = made.found("ecr", "describe_repositories")["repositories"]
    policy = made.found("ecr", "get_lifecycle_policy", repositoryName=STACK)["lifecyclePolicyText"]
    (rule,) = json.loads(policy)["rules"]

    assert found["repositoryName"] == STACK
    assert found["imageTagMutability"] == "IMMUTABLE"
    assert found["imageScanningConfiguration"] == {"scanOnPush": True}
    assert rule["selection"]["countNumber"] == 20
    assert rule["action"] == {"type": "expire"}


def container(made: Pipeline, role: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a task definition and its only container."""
    family = f"{STACK}-ray-{role}"
    found = made.found("ecs", "describe_task_definition", taskDefinition=family)["taskDefinition"]
    (one,) = found["containerDefinitions"]
    return found, one


@pytest.mark.parametrize("role", ["head", "worker"])
def test_a_task_runs_the_image_by_its_digest(made: Pipeline, role: str) -> None:
    definition, one = container(made, role)
    variables = {pair["name"]: pair["value"] for pair in one["environment"]}

    assert (one["name"], one["image"], one["command"]) == (f"ray-{role}", IMAGE, [role])
    assert (definition["cpu"], definition["memory"]) == ("1024", "4096")
    assert definition["requiresCompatibilities"] == ["FARGATE"]
    assert one["healthCheck"]["command"] == ["CMD", "python3", "-m", "documents.health", role]
    assert one["stopTimeout"] == 120
    assert one["logConfiguration"]["options"] == {
        "awslogs-group": f"/ecs/{STACK}-ray-{role}",
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "ray",
    }
    assert variables == {
        "ENVIRONMENT_NAME": "dev",
        "HEAD_NAME": f"head.{STACK}.internal",
        "RAY_AUTH_MODE": "token",
        "DOCUMENTS_REGION": "us-east-1",
        "DOCUMENTS_BUCKET": BUCKET,
        "DOCUMENTS_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/123456789012/{STACK}",
        "DOCUMENTS_CONTROL_TABLE": f"{STACK}-control",
        "DOCUMENTS_AUDIT_TABLE": f"{STACK}-audit",
        "DOCUMENTS_METRICS_TABLE": f"{STACK}-metrics",
        "DOCUMENTS_EMBEDDINGS": "local",
        "DOCUMENTS_INDEX": "s3vectors",
        "DOCUMENTS_ANSWERS": "extractive",
        "DOCUMENTS_TOKENS_PER_DAY": "",
        "DOCUMENTS_PINECONE_HOST": "",
        "DOCUMENTS_VECTOR_BUCKET": STACK,
        "DOCUMENTS_VECTOR_INDEX": "documents-local",
    }


def secrets(made: Pipeline, role: str) -> dict[str, str]:
    """Return the secret's name and key behind each variable of a container."""
    known = {
        one["ARN"]: one["Name"]
        for one in made.found("secretsmanager", "list_secrets")["SecretList"]
    }
    found = {}
    for one in container(made, role)[1]["secrets"]:
        arn, key = ":".join(one["valueFrom"].split(":")[:7]), one["valueFrom"].split(":")[7]
        found[one["name"]] = f"{known[arn]} {key}"
    return found


def test_secrets_are_injected_by_reference_and_the_answers_token_to_the_head(
    made: Pipeline,
) -> None:
    ray = {"RAY_AUTH_TOKEN": f"{STACK}-ray-token RAY_AUTH_TOKEN"}

    assert secrets(made, "worker") == ray
    assert secrets(made, "head") == ray | {"DOCUMENTS_TOKEN": f"{STACK}-token DOCUMENTS_TOKEN"}


def service(made: Pipeline, role: str) -> dict[str, Any]:
    name = f"{STACK}-ray-{role}"
    found = made.found("ecs", "describe_services", cluster=STACK, services=[name])["services"]
    return dict(found[0])


def test_there_is_one_head_and_never_two_at_a_time(made: Pipeline) -> None:
    found = service(made, "head")
    configuration = found["deploymentConfiguration"]

    assert (found["desiredCount"], found["runningCount"]) == (1, 1)
    assert configuration["minimumHealthyPercent"] == 0
    assert configuration["maximumPercent"] == 100
    assert [one["capacityProvider"] for one in found["capacityProviderStrategy"]] == ["FARGATE"]


@pytest.mark.parametrize("role", ["head", "worker"])
def test_a_service_rolls_back_what_does_not_start_and_takes_a_shell(
    made: Pipeline, role: str
) -> None:
    found = service(made, role)
    breaker = found["deploymentConfiguration"]["deploymentCircuitBreaker"]
    network = found["networkConfiguration"]["awsvpcConfiguration"]
    groups = [made.id_of("RayClusterSecurityGroup"), made.id_of("HeadSecurityGroup")]

    assert (breaker["enable"], breaker["rollback"]) == (True, True)
    assert found["enableExecuteCommand"] is True
    assert network["assignPublicIp"] == "DISABLED"
    assert network["subnets"] == [made.id_of("PrivateSubnetA"), made.id_of("PrivateSubnetB")]
    assert network["securityGroups"] == (groups if role == "head" else groups[:1])


def test_workers_find_the_head_by_name(made: Pipeline) -> None:
    (registry,) = service(made, "head")["serviceRegistries"]
    (space,) = made.found("servicediscovery", "list_namespaces")["Namespaces"]
    (found,) = made.found("servicediscovery", "list_services")["Services"]

    assert (space["Name"], space["Type"]) == (f"{STACK}.internal", "DNS_PRIVATE")
    assert registry["registryArn"] == found["Arn"]
    assert found["Name"] == "head"
    assert found["DnsConfig"]["DnsRecords"] == [{"Type": "A", "TTL": 5}]
    assert service(made, "worker").get("serviceRegistries", []) == []


def test_workers_follow_the_backlog_of_each(made: Pipeline) -> None:
    scaling = {"ServiceNamespace": "ecs"}
    (target,) = made.found("application-autoscaling", "describe_scalable_targets", **scaling)[
        "ScalableTargets"
    ]
    (policy,) = made.found("application-autoscaling", "describe_scaling_policies", **scaling)[
        "ScalingPolicies"
    ]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]

    assert target["ResourceId"] == f"service/{STACK}/{STACK}-ray-worker"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 10)
    assert tracking["TargetValue"] == 10
    assert tracking["CustomizedMetricSpecification"] == {
        "Namespace": "RayDocuments",
        "MetricName": "BacklogPerWorker",
        "Dimensions": [{"Name": "Environment", "Value": "dev"}],
        "Statistic": "Average",
    }


def test_every_log_group_forgets(made: Pipeline) -> None:
    found = made.found("logs", "describe_log_groups")["logGroups"]

    assert {one["logGroupName"]: one["retentionInDays"] for one in found} == {
        f"/ecs/{STACK}-ray-head": 30,
        f"/ecs/{STACK}-ray-worker": 30,
        f"/aws/lambda/{FUNCTION}": 30,
    }


# --- Secrets, vectors, monitoring ---------------------------------------------------------------


def test_keys_of_others_are_made_without_a_value_and_tokens_with_one(made: Pipeline) -> None:
    for name in ("openai-api-key", "pinecone-api-key"):
        asked = {"SecretId": f"{STACK}-{name}"}
        assert made.found("secretsmanager", "list_secret_version_ids", **asked)["Versions"] == []
    for name, key in (("token", "DOCUMENTS_TOKEN"), ("ray-token", "RAY_AUTH_TOKEN")):
        asked = {"SecretId": f"{STACK}-{name}"}
        value = made.found("secretsmanager", "get_secret_value", **asked)["SecretString"]
        assert [(one, len(token)) for one, token in json.loads(value).items()] == [(key, 48)]


def test_the_index_has_the_model_s_dimension_and_keeps_text_unfiltered(made: Pipeline) -> None:
    named = {"vectorBucketName": STACK, "indexName": "documents-local"}
    found = made.found("s3vectors", "get_index", **named)["index"]

    assert (found["dimension"], found["distanceMetric"]) == (384, "cosine")
    # moto does not tell it.
    declared = parse(template_body())["Resources"]["VectorIndex"]["Properties"]
    unfiltered = declared["MetadataConfiguration"]["NonFilterableMetadataKeys"]
    assert unfiltered == ["text", "heading"] == list(NON_FILTERABLE)


def test_alarms_watch_what_goes_wrong_and_tell_the_topic(made: Pipeline) -> None:
    found = made.found("cloudwatch", "describe_alarms", AlarmNamePrefix=STACK)["MetricAlarms"]
    watched = {
        one["AlarmName"].removeprefix(f"{STACK}-"): (
            one["Namespace"],
            one["MetricName"],
            one["Threshold"],
            one["TreatMissingData"],
        )
        for one in found
    }

    assert watched == {
        "failed-documents": ("RayDocuments", "FailedDocuments", 1, "missing"),
        "oldest-waiting": ("AWS/SQS", "ApproximateAgeOfOldestMessage", 1800, "notBreaching"),
        "no-worker": ("RayDocuments", "BacklogWithoutWorkers", 1, "breaching"),
        "function-errors": ("AWS/Lambda", "Errors", 1, "notBreaching"),
        "dead-letters": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 1, "notBreaching"),
        "failed-events": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 1, "notBreaching"),
        "head-restarts": ("RayDocuments", "HeadFailures", 3, "notBreaching"),
    }
    assert {tuple(one["AlarmActions"]) for one in found} == {(ARN("sns", STACK),)}
    assert all(one["ActionsEnabled"] for one in found)


def test_the_dashboard_shows_alarms_and_what_waits(made: Pipeline) -> None:
    body = made.found("cloudwatch", "get_dashboard", DashboardName=STACK)["DashboardBody"]
    widgets = [one["properties"] for one in json.loads(body)["widgets"]]

    assert [one["title"] for one in widgets] == [
        *("Alarms", "Waiting", "Workers", "Failed", "Function"),
    ]
    assert len(widgets[0]["alarms"]) == 6
