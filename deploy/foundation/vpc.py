"""The ranges of a VPC. Reads AWS only."""

from common.clients import Clients, translated


def vpc_ranges(clients: Clients, vpc_id: str) -> tuple[str, ...]:
    """Return the IPv4 ranges of a VPC, sorted."""
    with translated(f"reading the ranges of {vpc_id}"):
        (vpc,) = clients("ec2").describe_vpcs(VpcIds=[vpc_id])["Vpcs"]
    return tuple(
        sorted(
            block["CidrBlock"]
            for block in vpc["CidrBlockAssociationSet"]
            if block["CidrBlockState"]["State"] == "associated"
        )
    )
