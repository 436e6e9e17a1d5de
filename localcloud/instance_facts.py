"""What moto knows of an instance, as the metadata service reports it. Reads moto.

Follows "Instance metadata categories" and "Instance identity documents" in the EC2 user guide.
"""

import base64
from datetime import UTC
from typing import Any

from localcloud.account import ec2_backends_in_use
from localcloud.patches import interruptions
from localcloud.patches.autoscaling import lateness, records
from localcloud.times import stamp


def find_instance(address: str) -> Any:
    """Return moto's instance with this address, unless it is terminated; else None."""
    for backend in ec2_backends_in_use():
        for instance in backend.all_instances():
            if instance.private_ip == address and instance.state != "terminated":
                return instance
    return None


def facts(instance: Any) -> dict[str, str]:
    """Return meta-data's categories, by path."""
    interface, subnet = instance.nics[0], instance.nics[0].subnet
    zone = instance.availability_zone
    name = instance.private_dns_name
    groups = instance.security_groups
    card = f"network/interfaces/macs/{interface.mac_address}"
    known = {
        "ami-id": instance.image_id,
        "ami-launch-index": str(instance.ami_launch_index),
        "hostname": name,
        "instance-action": "none",
        "instance-id": instance.id,
        "instance-life-cycle": "spot" if instance.lifecycle == "spot" else "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": name,
        "local-ipv4": instance.private_ip,
        "mac": interface.mac_address,
        "placement/availability-zone": zone,
        "placement/region": instance.ec2_backend.region_name,
        "profile": "default-hvm",
        "reservation-id": reservation_id(instance),
        "security-groups": "\n".join(group.name for group in groups),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
        f"{card}/device-number": "0",
        f"{card}/interface-id": interface.id,
        f"{card}/local-hostname": name,
        f"{card}/local-ipv4s": instance.private_ip,
        f"{card}/mac": interface.mac_address,
        f"{card}/owner-id": instance.ec2_backend.account_id,
        f"{card}/security-group-ids": "\n".join(group.id for group in groups),
        f"{card}/security-groups": "\n".join(group.name for group in groups),
        f"{card}/subnet-id": subnet.id,
        f"{card}/subnet-ipv4-cidr-block": subnet.cidr_block,
        f"{card}/vpc-id": subnet.vpc_id,
    }
    notices = interruptions.notice_of(instance) | interruptions.recommendation_of(instance)
    return known | notices | _target_state_of(instance) | _keys_of(instance) | tags_of(instance)


def _target_state_of(instance: Any) -> dict[str, str]:
    """Return the target lifecycle state of an instance in an Auto Scaling group.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
    """
    member = records.member_of(instance.id)
    if member is None:
        return {}
    return {
        "autoscaling/target-lifecycle-state": "Terminated" if member.is_terminating else "InService"
    }


def _keys_of(instance: Any) -> dict[str, str]:
    pair = instance.ec2_backend.key_pairs.get(instance.key_name) if instance.key_name else None
    if pair is None:
        return {}
    kind, key = pair.public_key.split()[:2]
    return {f"public-keys/0={pair.key_name}/openssh-key": f"{kind} {key} {pair.key_name}"}


def tags_of(instance: Any) -> dict[str, str]:
    """Return the tags in the metadata, as they are now: a Nitro instance needs no restart.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
    """
    if instance.metadata_options.instance_metadata_tags != "enabled":
        return {}
    tags, member = instance.ec2_backend.tags[instance.id], records.member_of(instance.id)
    late = lateness.late_tags(member) if member else frozenset()
    return {f"tags/instance/{key}": value for key, value in tags.items() if key not in late}


def identity(instance: Any) -> dict[str, Any]:
    """Return the instance identity document."""
    return {
        "accountId": instance.ec2_backend.account_id,
        "architecture": instance.architecture,
        "availabilityZone": instance.availability_zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "kernelId": None,
        "marketplaceProductCodes": None,
        "pendingTime": stamp(instance.launch_time.replace(tzinfo=UTC).timestamp()),
        "privateIp": instance.private_ip,
        "ramdiskId": None,
        "region": instance.ec2_backend.region_name,
        "version": "2017-09-30",
    }


def user_data(instance: Any) -> bytes:
    """Return the user data as it was given; empty if there is none."""
    return base64.b64decode(str(instance.user_data)) if instance.user_data else b""


def role_of(instance: Any) -> Any:
    """Return moto's role behind the instance's profile, or None."""
    from moto.iam.models import iam_backends

    arn = (instance.iam_instance_profile or {}).get("Arn")
    account = instance.ec2_backend.account_id
    for profile in iam_backends[account]["aws"].instance_profiles.values():
        if profile.arn == arn and profile.roles:
            return profile.roles[0]
    return None


def profile_of(instance: Any) -> dict[str, str]:
    profile = instance.iam_instance_profile
    return {
        "Code": "Success",
        "InstanceProfileArn": profile["Arn"],
        "InstanceProfileId": profile["Id"],
    }


def reservation_id(instance: Any) -> str:
    for reservation in instance.ec2_backend.reservations.values():
        if instance in reservation.instances:
            return str(reservation.id)
    return ""
