"""Delete all that a run of the suite has created, whatever became of it, and name what is left.

It can be run again. Changes AWS.
"""

from collections.abc import Iterator
from typing import Any

from bake.channels import ROOT
from bake.leftovers import LIVE_STATES, Leftovers, remove_leftovers
from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError
from common.progress import Progress
from common.waiting import Clock
from deploy.account.account_setup import remove_account
from deploy.account.desired_account import stack_name
from deploy.foundation.stack import find_stack, nodes_stack_name
from deploy.rollout.prepare import prepare_destroy
from deploy.verify.alarm_delivery import queues
from tests.cloud.suite_run import TAG, SuiteRun

# Of EC2: what DescribeX is called, its list, and the id of one.
KINDS = (
    ("images", "Images", "ImageId"),
    ("snapshots", "Snapshots", "SnapshotId"),
    ("volumes", "Volumes", "VolumeId"),
    ("key_pairs", "KeyPairs", "KeyName"),
    ("security_groups", "SecurityGroups", "GroupId"),
    ("launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("addresses", "Addresses", "AllocationId"),
    ("vpcs", "Vpcs", "VpcId"),
)
# Of other services, what has the run's name in its own: the service, the operation that lists it,
# the list, and the key of a name, if there is one.
NAMED = (
    ("s3", "list_buckets", "Buckets", "Name"),
    ("dynamodb", "list_tables", "TableNames", ""),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("ssm", "describe_parameters", "Parameters", "Name"),
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"),
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName"),
    ("route53", "list_hosted_zones", "HostedZones", "Name"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sqs", "list_queues", "QueueUrls", ""),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
)
TAGS_AT_ONCE = 20  # of load balancing, DescribeTags


def sweep(run: SuiteRun, clients: Clients, *, clock: Clock, progress: Progress) -> tuple[str, ...]:
    """Delete it; return what is left, and why, a line each."""
    environment = run.environment()
    left: list[str] = []

    def cluster() -> None:
        found = prepare_destroy(environment, clients, clock=clock)
        if not found.plan.is_empty:
            found.run_locked(progress, break_lock=True)
        delete_queues(clients, environment.topic)

    def images() -> None:
        progress.begin("images")
        remove_leftovers(clients, leftovers(clients, run.id), clock, progress.say)
        delete_images(clients, run.id)
        delete_channel(clients, run.name)
        progress.end("deleted")

    def account() -> None:
        remove_account(clients, environment, clock=clock, progress=progress)

    for what, delete in (("cluster", cluster), ("images", images), ("account", account)):
        try:
            delete()
        except PipelineError as error:  # the rest must go all the same
            left.append(f"{what}: {error}")
    return (*left, *found_of(clients, environment, run.id))


def tagged(run_id: str) -> list[dict[str, Any]]:
    """Return EC2's filter for what has a run's tag."""
    return [{"Name": f"tag:{TAG}", "Values": [run_id]}]


def leftovers(clients: Clients, run_id: str) -> Leftovers:
    """Return what is left of the run's bakes; those of others are not the run's to remove."""
    with translated("looking for what bakes left"):
        ec2, ours = clients("ec2"), tagged(run_id)
        live = [*ours, {"Name": "instance-state-name", "Values": LIVE_STATES}]
        found = ec2.describe_instances(Filters=live)["Reservations"]
        groups = ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
        keys = ec2.describe_key_pairs(Filters=ours)["KeyPairs"]
    return Leftovers(
        tuple(one["InstanceId"] for each in found for one in each["Instances"]),
        tuple(group["GroupId"] for group in groups),
        tuple(key["KeyName"] for key in keys),
    )


def delete_images(clients: Clients, run_id: str) -> None:
    """Delete the run's images with their snapshots, and snapshots of images that never came."""
    ec2 = clients("ec2")
    with translated("deleting the images of the run"):
        for image in ec2.describe_images(Owners=["self"], Filters=tagged(run_id))["Images"]:
            ec2.deregister_image(ImageId=image["ImageId"], DeleteAssociatedSnapshots=True)
        left = ec2.describe_snapshots(OwnerIds=["self"], Filters=tagged(run_id))["Snapshots"]
        for snapshot in left:
            ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])


def delete_queues(clients: Clients, topic: str) -> None:
    """Delete the queues of alarm tests that were killed; their subscriptions go with the topic."""
    for url in queues(clients, topic):
        with translated(f"deleting the queue {url}"):
            clients("sqs").delete_queue(QueueUrl=url)


def delete_channel(clients: Clients, name: str) -> None:
    """Delete the parameters of an environment's channel."""
    ssm = clients("ssm")
    with translated(f"deleting the channel {ROOT}/{name}"):
        for page in ssm.get_paginator("get_parameters_by_path").paginate(Path=f"{ROOT}/{name}"):
            for parameter in page["Parameters"]:
                ssm.delete_parameter(Name=parameter["Name"])


def found_of(clients: Clients, environment: Environment, run_id: str) -> Iterator[str]:
    """Yield what AWS still has of the run; what is in a VPC goes before it does."""
    with translated("looking for what is left of the run"):
        ec2, ours = clients("ec2"), tagged(run_id)
        live = [*ours, {"Name": "instance-state-name", "Values": LIVE_STATES}]
        for reservation in ec2.describe_instances(Filters=live)["Reservations"]:
            yield from (f"instance {one['InstanceId']}" for one in reservation["Instances"])
        for kind, key, name in KINDS:
            found = getattr(ec2, f"describe_{kind}")(Filters=ours)[key]
            yield from (f"{key} {one[name]}" for one in found)
        yield from named(clients, environment.name)
        yield from target_groups(clients, run_id)
    for name in (environment.stack, nodes_stack_name(environment), stack_name(environment)):
        if find_stack(clients, name):
            yield f"stack {name}"


def named(clients: Clients, name: str) -> Iterator[str]:
    """Yield what has the run's name in its own."""
    for service, operation, key, of in NAMED:
        for page in clients(service).get_paginator(operation).paginate():
            names = (str(one[of] if of else one) for one in page.get(key, []))
            yield from (f"{key} {one}" for one in names if name in one)


def target_groups(clients: Clients, run_id: str) -> Iterator[str]:
    """Yield the target groups with the run's tag: CloudFormation makes up their names."""
    elbv2, tag = clients("elbv2"), {"Key": TAG, "Value": run_id}
    pages = elbv2.get_paginator("describe_target_groups").paginate()
    arns = [group["TargetGroupArn"] for page in pages for group in page["TargetGroups"]]
    for first in range(0, len(arns), TAGS_AT_ONCE):
        some = arns[first : first + TAGS_AT_ONCE]
        for one in elbv2.describe_tags(ResourceArns=some)["TagDescriptions"]:
            if tag in one["Tags"]:
                yield f"TargetGroups {one['ResourceArn']}"
