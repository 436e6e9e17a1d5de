"""Find the subnet for build instances and image tests. Reads AWS (EC2)."""

from dataclasses import dataclass

from common.clients import Clients, translated
from common.errors import Refused
from common.image_settings import ImageSettings


@dataclass(frozen=True)
class Subnet:
    """A subnet and its VPC."""

    subnet_id: str
    vpc_id: str


def resolve_subnet(clients: Clients, settings: ImageSettings, place: str = "image") -> Subnet:
    """Return the configured subnet, or a default subnet of the default VPC.

    ``place`` is the table of the settings.

    Raises Refused when it does not exist, and when the configured one assigns public addresses:
    Packer before 1.8 cannot launch an instance there without one.
    """
    named = settings.build_subnet_id
    filters = {"subnet-id": named} if named else {"default-for-az": "true"}
    with translated("looking for a subnet to bake in"):
        found = clients("ec2").describe_subnets(
            Filters=[{"Name": name, "Values": [value]} for name, value in filters.items()]
        )["Subnets"]
    if not found:
        raise Refused(
            f"there is no subnet {named}" if named else "there is no default VPC with a subnet",
            hint=f"correct [{place}] build_subnet_id in the environment's file",
        )
    first = min(found, key=lambda subnet: str(subnet["AvailabilityZone"]))
    if named and first["MapPublicIpOnLaunch"]:
        raise Refused(
            f"{named} gives its instances public addresses",
            hint=f"set [{place}] build_subnet_id to a private subnet",
        )
    return Subnet(first["SubnetId"], first["VpcId"])
