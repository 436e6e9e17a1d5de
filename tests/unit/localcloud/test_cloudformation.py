"""CloudFormation: change sets, the states of stacks, and that each resource really exists."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches.cloudformation.resources import Place
from tests.unit.localcloud.fakes import FakeClock

Clients = Callable[[str], Any]

EVERYTHING = (Path(__file__).parent / "everything.yaml").read_text()
DONE_SECONDS = 100  # in which any of these stacks is done


class Stacks:
    """What an operator does with stacks, including the waiting."""

    def __init__(self, aws: Clients, clock: FakeClock) -> None:
        self.api, self.clock = aws("cloudformation"), clock
        self.made = 0

    def change_set(self, kind: str, body: Any, name: str = "test", **more: Any) -> dict[str, Any]:
        self.made += 1
        parameters = more.pop("parameters", {})
        made = self.api.create_change_set(
            StackName=name,
            ChangeSetName=f"change-{self.made}",
            ChangeSetType=kind,
            TemplateBody=body if isinstance(body, str) else json.dumps(body),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            **{"Capabilities": ["CAPABILITY_IAM"], **more},
        )
        return dict(self.api.describe_change_set(ChangeSetName=made["Id"]))

    def apply(self, kind: str, body: Any, **more: Any) -> dict[str, Any]:
        change_set = self.change_set(kind, body, **more)
        assert change_set["Status"] == "CREATE_COMPLETE", change_set.get("StatusReason")
        self.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
        self.clock.advance(DONE_SECONDS)
        return self.stack(change_set["StackId"])

    def create(self, body: Any, **more: Any) -> dict[str, Any]:
        return self.apply("CREATE", body, **more)

    def update(self, body: Any, **more: Any) -> dict[str, Any]:
        return self.apply("UPDATE", body, **more)

    def delete(self, stack: dict[str, Any], **more: Any) -> dict[str, Any]:
        self.api.delete_stack(StackName=stack["StackName"], **more)
        self.clock.advance(DONE_SECONDS)
        return self.stack(stack["StackId"])

    def stack(self, name: str) -> dict[str, Any]:
        return dict(self.api.describe_stacks(StackName=name)["Stacks"][0])

    def reason(self, stack: dict[str, Any], logical_id: str, status: str) -> str:
        events = self.api.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
        found = [
            event["ResourceStatusReason"]
            for event in events
            if (event["LogicalResourceId"], event["ResourceStatus"]) == (logical_id, status)
        ]
        assert found, [(e["LogicalResourceId"], e["ResourceStatus"]) for e in events]
        return str(found[0])

    def physical(self, stack: dict[str, Any], logical_id: str) -> str:
        found = self.api.describe_stack_resource(
            StackName=stack["StackId"], LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


@pytest.fixture
def stacks(aws: Clients, clock: FakeClock) -> Stacks:
    return Stacks(aws, clock)


def a_template(**resources: Any) -> dict[str, Any]:
    return {"Resources": resources}


def a_topic(name: str = "alarms", **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}, **more}


def a_log_group(name: str = "/ray", days: int = 7, **more: Any) -> dict[str, Any]:
    properties = {"LogGroupName": name, "RetentionInDays": days}
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties, **more}


LISTINGS = {
    "autoscaling": {"describe_auto_scaling_groups": "AutoScalingGroups"},
    "cloudwatch": {"describe_alarms": "MetricAlarms", "list_dashboards": "DashboardEntries"},
    "dynamodb": {"list_tables": "TableNames"},
    "ec2": {
        "describe_addresses": "Addresses",
        "describe_internet_gateways": "InternetGateways",
        "describe_network_acls": "NetworkAcls",
        "describe_network_interfaces": "NetworkInterfaces",
        "describe_route_tables": "RouteTables",
        "describe_security_groups": "SecurityGroups",
        "describe_subnets": "Subnets",
        "describe_vpc_endpoints": "VpcEndpoints",
        "describe_vpcs": "Vpcs",
    },
    "elbv2": {"describe_load_balancers": "LoadBalancers", "describe_target_groups": "TargetGroups"},
    "iam": {"list_instance_profiles": "InstanceProfiles", "list_roles": "Roles"},
    "logs": {"describe_log_groups": "logGroups"},
    "route53": {"list_hosted_zones": "HostedZones"},
    "s3": {"list_buckets": "Buckets"},
    "lambda": {"list_functions": "Functions"},
    "ecr": {"describe_repositories": "repositories"},
    "ecs": {"list_task_definitions": "taskDefinitionArns"},
    "s3vectors": {"list_vector_buckets": "vectorBuckets"},
    "secretsmanager": {"list_secrets": "SecretList"},
    "servicediscovery": {"list_namespaces": "Namespaces", "list_services": "Services"},
    "sns": {"list_subscriptions": "Subscriptions", "list_topics": "Topics"},
}


def everything_there(aws: Clients) -> dict[str, int]:
    return {
        call: len(getattr(aws(service), call)()[key])
        for service, calls in LISTINGS.items()
        for call, key in calls.items()
    }


def test_a_stack_of_every_type_is_created_and_deleted_without_a_trace(
    aws: Clients, stacks: Stacks
) -> None:
    before = everything_there(aws)

    stack = stacks.create(EVERYTHING)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    during = everything_there(aws)
    gone = stacks.delete(stack)

    assert gone["StackStatus"] == "DELETE_COMPLETE"
    assert {call for call in before if during[call] == before[call]} == {
        "describe_auto_scaling_groups"
    }
    assert everything_there(aws) == before


def test_each_service_has_what_the_template_describes(aws: Clients, stacks: Stacks) -> None:
    stack = stacks.create(EVERYTHING, Tags=[{"Key": "team", "Value": "ray"}])
    name = {key: stacks.physical(stack, key) for key in ("Vpc", "Subnet", "Group", "Bucket")}
    ec2, s3, elbv2 = aws("ec2"), aws("s3"), aws("elbv2")

    (subnet,) = ec2.describe_subnets(SubnetIds=[name["Subnet"]])["Subnets"]
    assert (subnet["CidrBlock"], subnet["AvailabilityZone"]) == ("10.77.1.0/24", "us-east-1a")
    assert {t["Key"]: t["Value"] for t in subnet["Tags"]} == {"Name": "test-a", "team": "ray"}
    (group,) = ec2.describe_security_groups(GroupIds=[name["Group"]])["SecurityGroups"]
    egress = [(rule["IpProtocol"], rule.get("FromPort")) for rule in group["IpPermissionsEgress"]]
    assert sorted(egress) == [("tcp", 0), ("tcp", 443)]
    assert {rule["FromPort"] for rule in group["IpPermissions"]} == {0, 6379}

    bucket = {"Bucket": name["Bucket"]}
    assert s3.get_bucket_versioning(**bucket)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 7
    assert s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"]["BlockPublicAcls"]
    assert "aws:SecureTransport" in s3.get_bucket_policy(**bucket)["Policy"]

    table = aws("dynamodb").describe_table(TableName="everything")["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSEDescription"]["Status"] == "ENABLED"
    backups = aws("dynamodb").describe_continuous_backups(TableName="everything")
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"

    (balancer,) = elbv2.describe_load_balancers(Names=["everything"])["LoadBalancers"]
    assert (balancer["Type"], balancer["Scheme"]) == ("network", "internal")
    assert (balancer["SecurityGroups"], balancer["State"]["Code"]) == ([name["Group"]], "active")
    (targets,) = elbv2.describe_target_groups()["TargetGroups"]
    assert (targets["HealthCheckPath"], targets["HealthyThresholdCount"]) == ("/leader", 2)
    told = elbv2.describe_target_group_attributes(TargetGroupArn=targets["TargetGroupArn"])
    attributes = {one["Key"]: one["Value"] for one in told["Attributes"]}
    assert attributes["preserve_client_ip.enabled"] == "false"

    zone = stacks.physical(stack, "Zone")
    records = aws("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (alias,) = [record["AliasTarget"] for record in records if record["Type"] == "A"]
    assert alias["DNSName"].rstrip(".") == balancer["DNSName"]
    (logs,) = aws("logs").describe_log_groups()["logGroups"]
    assert logs["retentionInDays"] == 7

    function = aws("lambda").get_function(FunctionName="everything")
    told = function["Configuration"]
    assert (told["Handler"], told["Timeout"], told["MemorySize"]) == ("index.handler", 7, 256)
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 1}
    assert function["Tags"] == {"team": "ray"}
    policy = json.loads(aws("lambda").get_policy(FunctionName="everything")["Policy"])
    assert {one["Principal"]["Service"] for one in policy["Statement"]} == {
        "lambda.alarms.cloudwatch.amazonaws.com",
        "s3.amazonaws.com",
    }
    assert told["DeadLetterConfig"]["TargetArn"].startswith("arn:aws:sqs:us-east-1:")
    config = aws("lambda").get_function_event_invoke_config(FunctionName="everything")
    assert config["MaximumRetryAttempts"] == 1
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "by-status"
    notified = s3.get_bucket_notification_configuration(Bucket="documents-123456789012")
    (one,) = notified["LambdaFunctionConfigurations"]
    assert one["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "input/"}]


def test_a_function_s_code_and_settings_change_in_place(aws: Clients, stacks: Stacks) -> None:
    stack = stacks.create(EVERYTHING)
    code = "def handler(event, context): ..."
    before = aws("lambda").get_function_configuration(FunctionName="everything")

    stacks.update(EVERYTHING.replace(code, "def handler(event, context): 1"))
    between = aws("lambda").get_function_configuration(FunctionName="everything")
    stacks.update(EVERYTHING.replace("ReservedConcurrentExecutions: 1", "Description: it"))

    after = aws("lambda").get_function(FunctionName="everything")
    assert "Concurrency" not in after
    assert after["Configuration"]["Description"] == "it"
    assert after["Configuration"]["CodeSha256"] == before["CodeSha256"] != between["CodeSha256"]
    assert stacks.physical(stack, "Function") == "everything"


def test_a_function_needs_a_role_that_lambda_may_assume(stacks: Stacks) -> None:
    body = EVERYTHING.replace("lambda.amazonaws.com}", "ec2.amazonaws.com}")

    stack = stacks.create(body)

    assert "cannot be assumed by Lambda" in stacks.reason(stack, "Function", "CREATE_FAILED")


def test_the_services_of_a_pipeline_have_what_the_template_describes(
    aws: Clients, stacks: Stacks
) -> None:
    stack = stacks.create(EVERYTHING)
    name = {key: stacks.physical(stack, key) for key in ("Waiting", "DeadLetters", "Secret")}

    asked = {"QueueUrl": name["Waiting"], "AttributeNames": ["All"]}
    queue = aws("sqs").get_queue_attributes(**asked)["Attributes"]
    dead = name["DeadLetters"].rpartition("/")[2]
    assert queue["VisibilityTimeout"] == "60"
    assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"].endswith(f":{dead}")
    secret = aws("secretsmanager").get_secret_value(SecretId=name["Secret"])["SecretString"]
    assert json.loads(secret)["user"] == "ray"
    assert len(json.loads(secret)["key"]) == 24
    repository = aws("ecr").describe_repositories(repositoryNames=["everything"])["repositories"]
    assert repository[0]["imageTagMutability"] == "IMMUTABLE"
    assert aws("ecr").get_lifecycle_policy(repositoryName="everything")["lifecyclePolicyText"]

    ecs = aws("ecs")
    (cluster,) = ecs.describe_clusters(clusters=["everything"])["clusters"]
    assert cluster["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    definition = ecs.describe_task_definition(taskDefinition="everything")["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    assert container["image"].endswith(".dkr.ecr.us-east-1.amazonaws.com/everything:v1")
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/raykiln/everything"
    assert container["dockerLabels"] == {"Team": "rays"}
    (service,) = ecs.describe_services(cluster="everything", services=["everything"])["services"]
    assert service["deploymentConfiguration"]["maximumPercent"] == 100
    assert service["capacityProviderStrategy"][0]["capacityProvider"] == "FARGATE_SPOT"
    policies = aws("application-autoscaling").describe_scaling_policies(ServiceNamespace="ecs")
    assert policies["ScalingPolicies"][0]["ResourceId"] == "service/everything/everything"
    index = {"vectorBucketName": "everything", "indexName": "everything"}
    assert aws("s3vectors").get_index(**index)["index"]["dimension"] == 384


def test_outputs_are_the_values_of_their_expressions(stacks: Stacks) -> None:
    stack = stacks.create(EVERYTHING)

    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    subnet = stacks.physical(stack, "Subnet")
    assert outputs == {
        "VpcId": stacks.physical(stack, "Vpc"),
        "Name": f"{subnet}/everything/${{literal}}",
    }


def test_an_update_changes_in_place_and_replaces_only_what_must_be(
    aws: Clients, stacks: Stacks
) -> None:
    stack = stacks.create(EVERYTHING)
    kept = {key: stacks.physical(stack, key) for key in ("Vpc", "Targets", "Logs", "Zone")}
    wanted = {"Days": "14", "Threshold": "3", "TopicName": "renamed", "Nat": "false"}

    planned = stacks.change_set("UPDATE", EVERYTHING, parameters=wanted)
    updated = stacks.update(EVERYTHING, parameters=wanted)

    changes = {
        change["ResourceChange"]["LogicalResourceId"]: (
            change["ResourceChange"]["Action"],
            change["ResourceChange"].get("Replacement"),
        )
        for change in planned["Changes"]
    }
    assert changes == {
        "Address": ("Remove", None),
        "Alarm": ("Modify", "False"),
        "Bucket": ("Modify", "False"),
        "Function": ("Modify", "False"),
        "Logs": ("Modify", "False"),
        "NatGateway": ("Remove", None),
        "Subscription": ("Modify", "Conditional"),
        "Targets": ("Modify", "False"),
        "Topic": ("Modify", "True"),
        "TopicPolicy": ("Modify", "False"),
    }
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert {key: stacks.physical(updated, key) for key in kept} == kept
    assert aws("ec2").describe_addresses()["Addresses"] == []
    assert aws("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 14
    (topic,) = aws("sns").list_topics()["Topics"]
    assert topic["TopicArn"].endswith(":renamed")
    named = {"AlarmNames": ["everything"]}
    (alarm,) = aws("cloudwatch").describe_alarms(**named)["MetricAlarms"]
    assert alarm["AlarmActions"] == [topic["TopicArn"]]


def test_a_change_set_without_changes_fails_in_awss_words(stacks: Stacks) -> None:
    stacks.create(a_template(Topic=a_topic()))

    found = stacks.change_set("UPDATE", a_template(Topic=a_topic()))

    assert (found["Status"], found["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert found["StatusReason"] == (
        "The submitted information didn't contain changes. "
        "Submit different information to create a change set."
    )
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        stacks.api.execute_change_set(ChangeSetName=found["ChangeSetId"])


def test_a_new_output_or_tag_is_a_change(stacks: Stacks) -> None:
    stacks.create(a_template(Topic=a_topic()))
    outputs = {"Arn": {"Value": {"Ref": "Topic"}}}

    told = stacks.change_set("UPDATE", {**a_template(Topic=a_topic()), "Outputs": outputs})
    tagged = stacks.change_set(
        "UPDATE", a_template(Topic=a_topic()), Tags=[{"Key": "a", "Value": "b"}]
    )

    assert (told["Status"], told["Changes"]) == ("CREATE_COMPLETE", [])
    (change,) = tagged["Changes"]
    assert change["ResourceChange"]["Scope"] == ["Tags"]


def test_the_waiters_of_boto_return(stacks: Stacks) -> None:
    found = stacks.change_set("CREATE", a_template(Topic=a_topic()))
    stacks.api.get_waiter("change_set_create_complete").wait(ChangeSetName=found["ChangeSetId"])
    assert stacks.stack("test")["StackStatus"] == "REVIEW_IN_PROGRESS"

    stacks.api.execute_change_set(ChangeSetName=found["ChangeSetId"])
    assert stacks.stack("test")["StackStatus"] == "CREATE_IN_PROGRESS"
    stacks.clock.advance(DONE_SECONDS)
    stacks.api.get_waiter("stack_create_complete").wait(StackName="test")

    stacks.api.delete_stack(StackName="test")
    stacks.clock.advance(DONE_SECONDS)
    stacks.api.get_waiter("stack_delete_complete").wait(StackName="test")


def test_a_failed_create_is_rolled_back_and_says_why(aws: Clients, stacks: Stacks) -> None:
    aws("sns").create_topic(Name="x")
    bad = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "NOT a bucket"}}
    stack = stacks.create(
        a_template(Logs=a_log_group(), Bucket={**bad, "DependsOn": "Logs"}, Topic=a_topic())
    )

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Invalid" in stacks.reason(stack, "Bucket", "CREATE_FAILED")
    why = stacks.reason(stack, "test", "ROLLBACK_IN_PROGRESS")
    assert why.startswith("The following resource(s) failed to create: [Bucket]. ")
    assert aws("logs").describe_log_groups()["logGroups"] == []
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        stacks.change_set("UPDATE", a_template(Topic=a_topic()))
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


def test_a_half_created_resource_is_removed_too(aws: Clients, stacks: Stacks) -> None:
    rule = {"Status": "Enabled", "NoncurrentVersionTransitions": []}
    properties = {"BucketName": "half", "LifecycleConfiguration": {"Rules": [rule]}}
    stack = stacks.create(a_template(Bucket={"Type": "AWS::S3::Bucket", "Properties": properties}))

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "NoncurrentVersionTransitions" in stacks.reason(stack, "Bucket", "CREATE_FAILED")
    assert aws("s3").list_buckets()["Buckets"] == []


def test_a_failed_update_restores_everything(aws: Clients, stacks: Stacks) -> None:
    stack = stacks.create(a_template(Logs=a_log_group(), Topic=a_topic(), Old=a_topic("old")))
    bad = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "NOT a bucket"}}

    after = stacks.update(
        a_template(
            Logs=a_log_group(days=30),
            Topic=a_topic("renamed"),
            New=a_topic("new"),
            Bucket={**bad, "DependsOn": ["Logs", "Topic", "New"]},
        )
    )

    assert after["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Invalid" in stacks.reason(stack, "Bucket", "CREATE_FAILED")
    assert aws("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    topics = {t["TopicArn"].rpartition(":")[2] for t in aws("sns").list_topics()["Topics"]}
    assert topics == {"alarms", "old"}
    again = stacks.update(a_template(Logs=a_log_group(days=30), Topic=a_topic()))
    assert again["StackStatus"] == "UPDATE_COMPLETE"


def test_a_failed_delete_is_reported_and_can_be_retried(aws: Clients, stacks: Stacks) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "full"}}
    stack = stacks.create(a_template(Bucket=bucket, Topic=a_topic()))
    aws("s3").put_object(Bucket="full", Key="k", Body=b"x")

    failed = stacks.delete(stack)

    assert failed["StackStatus"] == "DELETE_FAILED"
    assert failed["StackStatusReason"] == ("The following resource(s) failed to delete: [Bucket]. ")
    assert "BucketNotEmpty" in stacks.reason(stack, "Bucket", "DELETE_FAILED")
    assert aws("sns").list_topics()["Topics"] == []
    assert stacks.delete(failed, RetainResources=["Bucket"])["StackStatus"] == "DELETE_COMPLETE"
    assert [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]] == ["full"]


def test_retained_resources_stay(aws: Clients, stacks: Stacks) -> None:
    stack = stacks.create(a_template(Logs=a_log_group(DeletionPolicy="Retain"), Topic=a_topic()))

    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"

    assert len(aws("logs").describe_log_groups()["logGroups"]) == 1
    assert aws("sns").list_topics()["Topics"] == []


def test_a_replaced_resource_may_be_retained(aws: Clients, stacks: Stacks) -> None:
    stacks.create(a_template(Topic=a_topic("one", UpdateReplacePolicy="Retain")))

    stacks.update(a_template(Topic=a_topic("two", UpdateReplacePolicy="Retain")))

    assert len(aws("sns").list_topics()["Topics"]) == 2


def test_a_protected_stack_is_not_deleted(stacks: Stacks) -> None:
    stack = stacks.create(a_template(Topic=a_topic()))
    stacks.api.update_termination_protection(StackName="test", EnableTerminationProtection=True)

    with pytest.raises(ClientError, match="while TerminationProtection is enabled"):
        stacks.delete(stack)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("Resources: [", "YAML not well-formed"),
        ({"Description": "nothing"}, "At least one Resources member must be defined"),
        (
            a_template(Q={"Type": "AWS::Batch::JobQueue"}),
            "Unrecognized resource types: [AWS::Batch::JobQueue]",
        ),
        (a_template(T=a_topic(Proprties={})), "Invalid template resource property 'Proprties'"),
        (
            a_template(T={"Type": "AWS::SNS::Topic", "Properties": {"FifoTopic": True}}),
            "has no property ['FifoTopic'] of AWS::SNS::Topic",
        ),
        (a_template(T=a_topic({"Ref": "Missing"})), "Unresolved resource dependencies [Missing]"),  # type: ignore[arg-type]
        (a_template(T=a_topic({"Fn::Transform": {}})), "does not have Fn::Transform"),  # type: ignore[arg-type]
        (
            a_template(A=a_topic(DependsOn="B"), B=a_topic(DependsOn="A")),
            "Circular dependency between resources: [A, B]",
        ),
        (
            {
                **a_template(A=a_topic(DependsOn="B"), B=a_topic(Condition="Never")),
                "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
            },
            "A depends on B, which is not created",
        ),
        (
            {**a_template(T=a_topic()), "Parameters": {"P": {"Type": "String"}}},
            "Parameters: [P] must have values",
        ),
        (
            {
                **a_template(T=a_topic()),
                "Parameters": {"P": {"Type": "String", "Default": "x", "AllowedValues": ["y"]}},
            },
            "must be one of AllowedValues",
        ),
    ],
)
def test_an_invalid_template_is_refused(stacks: Stacks, body: Any, told: str) -> None:
    with pytest.raises(ClientError) as refused:
        stacks.change_set("CREATE", body)

    assert told in refused.value.response["Error"]["Message"]
    assert stacks.api.describe_stacks()["Stacks"] == []


def test_roles_need_the_capability(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_IAM\]"):
        stacks.change_set("CREATE", EVERYTHING, Capabilities=[])


def test_an_existing_stack_is_not_created_again(stacks: Stacks) -> None:
    stacks.create(a_template(Topic=a_topic()))

    with pytest.raises(ClientError, match="AlreadyExistsException"):
        stacks.change_set("CREATE", a_template(Topic=a_topic()))
    with pytest.raises(ClientError, match="does not exist"):
        stacks.change_set("UPDATE", a_template(Topic=a_topic()), name="other")


def test_stacks_without_change_sets_work_too(stacks: Stacks) -> None:
    body = json.dumps(a_template(Topic=a_topic()))
    stacks.api.create_stack(StackName="plain", TemplateBody=body)
    stacks.clock.advance(DONE_SECONDS)
    assert stacks.stack("plain")["StackStatus"] == "CREATE_COMPLETE"

    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.api.update_stack(StackName="plain", TemplateBody=body)


def test_a_missing_stack_is_reported_as_on_aws(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match="Stack with id missing does not exist"):
        stacks.stack("missing")

    assert stacks.api.delete_stack(StackName="missing")


def test_a_network_is_not_deleted_under_a_running_instance(aws: Clients, stacks: Stacks) -> None:
    ec2, stack = aws("ec2"), stacks.create(EVERYTHING)
    ami = ec2.register_image(Name="base", RootDeviceName="/dev/xvda", Architecture="x86_64")[
        "ImageId"
    ]
    made = ec2.run_instances(
        ImageId=ami,
        MinCount=1,
        MaxCount=1,
        SubnetId=stacks.physical(stack, "Subnet"),
        SecurityGroupIds=[stacks.physical(stack, "Group")],
    )
    stacks.clock.advance(10)

    failed = stacks.delete(stack)

    assert failed["StackStatus"] == "DELETE_FAILED"
    assert "has a dependent object" in stacks.reason(stack, "Group", "DELETE_FAILED")
    assert "has dependencies" in stacks.reason(stack, "Subnet", "DELETE_FAILED")
    ec2.terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
    stacks.clock.advance(10)
    assert stacks.delete(failed)["StackStatus"] == "DELETE_COMPLETE"


def test_deleting_what_is_still_in_use_is_retried_for_a_while(aws: Clients, stacks: Stacks) -> None:
    ec2, stack = aws("ec2"), stacks.create(EVERYTHING)
    ami = ec2.register_image(Name="base", RootDeviceName="/dev/xvda", Architecture="x86_64")[
        "ImageId"
    ]
    made = ec2.run_instances(
        ImageId=ami, MinCount=1, MaxCount=1, SubnetId=stacks.physical(stack, "Subnet")
    )
    stacks.clock.advance(10)

    stacks.api.delete_stack(StackName="test")
    stacks.clock.advance(5)
    ec2.terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
    stacks.clock.advance(DONE_SECONDS)

    assert stacks.stack(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_a_template_with_an_alias_is_refused(aws: Clients) -> None:
    body = "Resources: {A: &a {Type: AWS::SNS::Topic}, B: *a}"

    with pytest.raises(ClientError, match="aliases are not allowed"):
        aws("cloudformation").validate_template(TemplateBody=body)


def test_a_generated_name_is_cut_off_without_two_hyphens_in_a_row() -> None:
    place = Place("ray-documents-prod", "", "TargetGroup", (), "us-east-1", "123456789012")

    found = place.name(32)

    assert re.fullmatch(r"ray-documents-prod-[A-Z0-9]{12}", found)
