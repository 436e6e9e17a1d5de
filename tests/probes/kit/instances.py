"""Instances of a probe: of the smallest type that the account's region offers for its image.

What an account may demand of each launch they have: tokens for the metadata service, and tags.
"""

from dataclasses import dataclass
from typing import Any

from common.errors import Refused
from common.waiting import Seen
from tests.probes.kit.place import Place

SMALLEST = {
    "x86_64": ("t3.nano", "t3a.nano", "t2.nano"),
    "arm64": ("t4g.nano", "t4g.micro", "m6g.medium"),
}
TOKENS = {"HttpTokens": "required"}


@dataclass(frozen=True)
class Slot:
    """An instance type, and a default subnet, which is public, in a zone that offers it."""

    instance_type: str
    subnet_id: str
    vpc_id: str


def find_slot(place: Place) -> Slot:
    """Return where instances can be launched; raises Refused where that is nowhere."""
    ec2 = place.clients("ec2")
    default = [{"Name": "default-for-az", "Values": ["true"]}]
    subnets = ec2.describe_subnets(Filters=default)["Subnets"]
    if not subnets:
        raise Refused(
            "the region has no default subnet, in which this probe makes what it asks with",
            hint="aws ec2 create-default-vpc, or create-default-subnet, in that region",
        )
    (image,) = ec2.describe_images(ImageIds=[place.image_id])["Images"]
    types = SMALLEST[image["Architecture"]]
    offers = ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": list(types)}],
    )["InstanceTypeOfferings"]
    offered = {(offer["InstanceType"], offer["Location"]) for offer in offers}
    for kind in types:
        for subnet in sorted(subnets, key=lambda one: str(one["AvailabilityZone"])):
            if (kind, subnet["AvailabilityZone"]) in offered:
                return Slot(kind, subnet["SubnetId"], subnet["VpcId"])
    raise Refused(
        f"no zone with a default subnet offers {' or '.join(types)}",
        hint="aws ec2 create-default-subnet --availability-zone, in a zone that does",
    )


def template_data(place: Place, slot: Slot) -> dict[str, Any]:
    """Return what every version of a launch template says."""
    return {
        "ImageId": place.image_id,
        "InstanceType": slot.instance_type,
        "MetadataOptions": TOKENS,
    }


def template(place: Place, slot: Slot, **more: Any) -> str:
    """Create a launch template, with ``more`` LaunchTemplateData, and return its id."""
    ec2 = place.clients("ec2")
    made = ec2.create_launch_template(
        LaunchTemplateName=place.name,
        LaunchTemplateData=template_data(place, slot) | more,
        TagSpecifications=place.tagged("launch-template"),
    )["LaunchTemplate"]["LaunchTemplateId"]
    place.afterwards(
        f"launch template {made}", lambda: ec2.delete_launch_template(LaunchTemplateId=made)
    )
    return str(made)


def request(place: Place, slot: Slot) -> dict[str, Any]:
    """Return the parameters of RunInstances for one instance."""
    return {
        **{"ImageId": place.image_id, "InstanceType": slot.instance_type},
        **{"SubnetId": slot.subnet_id, "MetadataOptions": TOKENS},
        **{"MinCount": 1, "MaxCount": 1},
        "TagSpecifications": place.tagged("instance", "volume"),
    }


def launch(place: Place, **more: Any) -> str:
    """Launch an instance, which is terminated at the end; return its id.

    ``more`` comes in place of RunInstances' parameters, or beside them.
    """
    wanted = request(place, find_slot(place)) | more
    made = place.clients("ec2").run_instances(**wanted)["Instances"][0]["InstanceId"]
    ends(place, made)
    return str(made)


def launch_public(place: Place, port: int) -> str:
    """Launch an instance with a port open to all, and return its id once it answers there."""
    ec2, slot = place.clients("ec2"), find_slot(place)
    group = security_group(place, "public", slot.vpc_id)
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
    )
    instance = launch(place, SubnetId=slot.subnet_id, SecurityGroupIds=[group])

    def look() -> Seen[bool]:
        found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
        address = str(found[0].get("PublicIpAddress", ""))
        answers = bool(address) and place.hears(address, port)
        return Seen(answers or None, f"{address or 'no address'} is silent")

    place.until(f"an answer of {instance}", look)
    return instance


def ends(place: Place, instance_id: str) -> None:
    """Have an instance terminated at the end, and its end waited for."""
    ec2 = place.clients("ec2")

    def ended() -> Seen[bool]:
        found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        state = found[0]["Instances"][0]["State"]["Name"] if found else "terminated"
        return Seen(state == "terminated" or None, state)

    place.afterwards(
        f"instance {instance_id}",
        lambda: ec2.terminate_instances(InstanceIds=[instance_id]),
        gone=ended,
    )


def security_group(place: Place, name: str, vpc_id: str) -> str:
    """Create a security group, and return its id."""
    ec2 = place.clients("ec2")
    made = ec2.create_security_group(
        GroupName=f"{place.name}-{name}",
        Description="probe",
        VpcId=vpc_id,
        TagSpecifications=place.tagged("security-group"),
    )["GroupId"]
    place.afterwards(f"security group {made}", lambda: ec2.delete_security_group(GroupId=made))
    return str(made)
