"""How a group launches one instance: where, from which version, and what follows a failure.

Follows https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html (even
spread over Availability Zones, the next zone when one has no capacity),
ec2-auto-scaling-tagging.html (the group's tags win over the template's) and ts-as-capacity.html
(failures as activities). AWS does not say how long it waits after failures; here the wait doubles
from RETRY_FIRST to RETRY_LAST. moto launches all in one subnet, with a part of the template, and
reports the template's default version.
"""

from typing import Any

from botocore.exceptions import ClientError

from localcloud import world
from localcloud.patches import internal
from localcloud.patches.autoscaling.activities import begin, finish
from localcloud.patches.autoscaling.notifications import LAUNCH_ERROR, publish
from localcloud.patches.autoscaling.records import Member, members, record

RETRY_FIRST, RETRY_LAST = 10.0, 300.0
GROUP_TAG = "aws:autoscaling:groupName"
STARTING = "Launching a new EC2 instance"


def launch(group: Any, cause: str) -> bool:
    """Launch one instance into the emptiest zone with capacity; say whether there was one."""
    activity = begin(group, STARTING, cause)
    error = "The group has no subnet to launch into."
    for subnet in subnets_by_load(group):
        try:
            instance = _run_instance(group, subnet)
        except ClientError as refused:
            error = refused.response["Error"]["Message"]
            if refused.response["Error"]["Code"] != "InsufficientInstanceCapacity":
                break
        else:
            activity.description = f"{STARTING}: {instance.id}"
            _join(group, instance, activity)
            return True
    finish(activity, "Failed", f"{error} Launching EC2 instance failed.")
    publish(group, LAUNCH_ERROR, activity)
    back_off(group)
    return False


def back_off(group: Any) -> None:
    """Wait before the next launch, longer after each failure in a row."""
    kept = record(group)
    wait = min(RETRY_FIRST * 2**kept.launch_failures, RETRY_LAST)
    kept.launch_failures += 1
    kept.retry_at = world.now() + wait


def subnets_by_load(group: Any) -> list[Any]:
    """Return the group's subnets, those of the zone with the fewest instances first."""
    ids = [part for part in (group.vpc_zone_identifier or "").split(",") if part]
    subnets = [group.ec2_backend.get_subnet(subnet_id) for subnet_id in ids]
    if not subnets:
        default = group.ec2_backend.get_default_subnets()
        subnets = [default[zone] for zone in group.availability_zones if zone in default]
    counted = [member for member in members(group) if member.counts]

    def load(subnet: Any) -> tuple[int, int]:
        in_zone = [m for m in counted if m.availability_zone == subnet.availability_zone]
        return len(in_zone), sum(m.instance.subnet_id == subnet.id for m in in_zone)

    return sorted(subnets, key=load)


def _run_instance(group: Any, subnet: Any) -> Any:
    template = group.ec2_launch_template
    version = template.get_version(group.launch_template_version)
    tags = group.get_propagated_tags() | {GROUP_TAG: group.name}
    answer = internal.client("ec2").run_instances(
        MinCount=1,
        MaxCount=1,
        LaunchTemplate={"LaunchTemplateId": template.id, "Version": str(version.number)},
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
        **_place(version.data, subnet),
    )
    return group.ec2_backend.get_instance(answer["Instances"][0]["InstanceId"])


def _place(data: dict[str, Any], subnet: Any) -> dict[str, Any]:
    """A template with network interfaces has the subnet there, others at the instance."""
    interfaces = data.get("NetworkInterfaces", [])
    if not interfaces:
        return {"SubnetId": subnet.id}
    return {"NetworkInterfaces": [i | {"SubnetId": subnet.id} for i in interfaces]}


def _join(group: Any, instance: Any, activity: Any) -> None:
    template = group.ec2_launch_template
    version = template.get_version(group.launch_template_version)
    instance.autoscaling_group = group
    members(group).append(
        Member(
            instance=instance,
            auto_scaling_group=group,
            launch_template={
                "LaunchTemplateId": template.id,
                "LaunchTemplateName": template.name,
                "Version": str(version.number),
            },
            lifecycle_state="Pending",
            activity=activity,
            protected_from_scale_in=bool(group.new_instances_protected_from_scale_in),
        )
    )
