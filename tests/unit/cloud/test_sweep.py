"""The last look for what a run of the suite has left: by its name, and by its tag."""

from collections.abc import Iterator
from typing import Any

import pytest

from bake.leftovers import Leftovers
from bake.owner import TAG as OWNER
from tests.cloud.suite_run import TAG, SuiteRun, base_environment
from tests.cloud.sweep import delete_queues, found_of, leftovers
from tests.simulation.cloud import Cloud, simulated_cloud

RUN, OTHER = "3fa9c1", "000000"
TRUST = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with simulated_cloud() as found:
        yield found


def left(cloud: Cloud, run_id: str) -> set[str]:
    """Return what is found of a run."""
    environment = SuiteRun(base_environment(), run_id).environment()
    return set(found_of(cloud.clients, environment, run_id))


def leave(cloud: Cloud, run_id: str) -> set[str]:
    """Create one of each kind as a run does; return what the look must say."""
    environment = SuiteRun(base_environment(), run_id).environment()
    name, clients = environment.name, cloud.clients
    clients("s3").create_bucket(Bucket=environment.bucket)
    clients("dynamodb").create_table(
        TableName=environment.lease_table,
        KeySchema=[{"AttributeName": "cluster", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "cluster", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    clients("logs").create_log_group(logGroupName=f"/raykiln/{name}/jobs")
    clients("ssm").put_parameter(Name=environment.secret, Value="1", Type="String")
    clients("route53").create_hosted_zone(Name=environment.dns.zone, CallerReference=run_id)
    topic = clients("sns").create_topic(Name=environment.topic)["TopicArn"]
    queue = clients("sqs").create_queue(QueueName=f"{environment.topic}-verify-0a1b2c3d")
    clients("iam").create_role(RoleName=f"raykiln-{name}-head", AssumeRolePolicyDocument=TRUST)
    clients("iam").create_instance_profile(InstanceProfileName=f"raykiln-{name}-head")
    group(cloud, environment.head_group)
    balancer, targets = balance(cloud, environment.load_balancer, run_id)
    return {
        f"Buckets {environment.bucket}",
        f"TableNames {environment.lease_table}",
        f"logGroups /raykiln/{name}/jobs",
        f"Parameters {environment.secret}",
        f"HostedZones {environment.dns.zone}.",
        f"Topics {topic}",
        f"QueueUrls {queue['QueueUrl']}",
        f"Roles raykiln-{name}-head",
        f"InstanceProfiles raykiln-{name}-head",
        f"AutoScalingGroups {environment.head_group}",
        f"LoadBalancers {balancer}",
        f"TargetGroups {targets}",
    }


def group(cloud: Cloud, name: str) -> None:
    ec2 = cloud.clients("ec2")
    data = {"ImageId": cloud.bake("head"), "InstanceType": "m6i.large"}
    template = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    cloud.clients("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=0,
        VPCZoneIdentifier=a_subnet(cloud)["SubnetId"],
        LaunchTemplate={
            "LaunchTemplateId": template["LaunchTemplate"]["LaunchTemplateId"],
            "Version": "1",
        },
    )


def balance(cloud: Cloud, name: str, run_id: str) -> tuple[str, str]:
    """Create a load balancer, and a target group whose name says nothing; return name and ARN."""
    elbv2, subnet = cloud.clients("elbv2"), a_subnet(cloud)
    elbv2.create_load_balancer(
        Name=name, Type="network", Scheme="internal", Subnets=[subnet["SubnetId"]]
    )
    made = elbv2.create_target_group(
        Name=f"rayki-GcsTa-{run_id[::-1]}",
        Protocol="TCP",
        Port=6379,
        VpcId=subnet["VpcId"],
        Tags=[{"Key": "test-run", "Value": run_id}],
    )
    return name, str(made["TargetGroups"][0]["TargetGroupArn"])


def a_subnet(cloud: Cloud) -> dict[str, Any]:
    return dict(cloud.clients("ec2").describe_subnets()["Subnets"][0])


def test_what_a_failed_delete_left_is_named_and_what_is_another_run_s_is_not(cloud: Cloud) -> None:
    assert left(cloud, RUN) == set()

    theirs, ours = leave(cloud, OTHER), leave(cloud, RUN)

    assert (left(cloud, RUN), left(cloud, OTHER)) == (ours, theirs)


def test_the_queues_of_killed_alarm_tests_of_the_run_alone_are_deleted(cloud: Cloud) -> None:
    theirs, ours = leave(cloud, OTHER), leave(cloud, RUN)

    delete_queues(cloud.clients, SuiteRun(base_environment(), RUN).environment().topic)

    queue = next(words for words in ours if words.startswith("QueueUrls "))
    assert (left(cloud, RUN), left(cloud, OTHER)) == (ours - {queue}, theirs)


def test_of_dead_bakes_in_the_account_only_the_run_s_own_are_removed(cloud: Cloud) -> None:
    ours, theirs = a_bake(cloud, RUN), a_bake(cloud, "")
    cloud.clock.sleep(7 * 3600.0)  # whoever baked must be dead

    found = leftovers(cloud.clients, RUN)

    assert found == ours
    assert theirs.count == 3


def a_bake(cloud: Cloud, run_id: str) -> Leftovers:
    """Create what a bake on another machine does; with a run's tag, or with none."""
    ec2, name = cloud.clients("ec2"), f"bake-{run_id}"
    tags = {OWNER: "other-host-00000000/1/1", **({TAG: run_id} if run_id else {})}

    def tagged(kind: str) -> list[Any]:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        return [{"ResourceType": kind, "Tags": pairs}]

    ec2.create_key_pair(KeyName=name, TagSpecifications=tagged("key-pair"))
    group = ec2.create_security_group(
        GroupName=name,
        Description="x",
        VpcId=a_subnet(cloud)["VpcId"],
        TagSpecifications=tagged("security-group"),
    )["GroupId"]
    (instance,) = ec2.run_instances(
        ImageId=cloud.bake("head"),
        InstanceType="m6i.large",
        MinCount=1,
        MaxCount=1,
        SubnetId=a_subnet(cloud)["SubnetId"],
        SecurityGroupIds=[group],
        TagSpecifications=tagged("instance"),
    )["Instances"]
    return Leftovers((instance["InstanceId"],), (group,), (name,))


def test_of_many_target_groups_each_is_looked_at(cloud: Cloud) -> None:
    elbv2, vpc = cloud.clients("elbv2"), a_subnet(cloud)["VpcId"]
    tags = [{"Key": "test-run", "Value": RUN}]
    for number in range(45):
        wanted: dict[str, Any] = {"Name": f"targets-{number}", "Protocol": "TCP", "Port": 1}
        elbv2.create_target_group(**wanted, VpcId=vpc, Tags=tags)

    assert len(left(cloud, RUN)) == 45
