"""A security group that a rule of another names is not deleted.

What a deploy or a bake leaves is removed in an order; a group that is in use stays until then.
"""

from typing import Any

from tests.probes.kit.instances import security_group
from tests.probes.kit.place import Place, answer_to

SOURCE = "https://docs.aws.amazon.com/vpc/latest/userguide/deleting-security-groups.html"
ASSUMED = "DependencyViolation, and once the rule is gone: done"


def probe(place: Place) -> str:
    ec2 = place.clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.255.255.0/28", TagSpecifications=place.tagged("vpc"))
    vpc_id = vpc["Vpc"]["VpcId"]
    place.afterwards(f"VPC {vpc_id}", lambda: ec2.delete_vpc(VpcId=vpc_id))

    named = security_group(place, "named", vpc_id)
    naming = security_group(place, "naming", vpc_id)
    port = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    rule: dict[str, Any] = {
        "GroupId": naming,
        "IpPermissions": [port | {"UserIdGroupPairs": [{"GroupId": named}]}],
    }
    ec2.authorize_security_group_ingress(**rule)
    first = answer_to(lambda: ec2.delete_security_group(GroupId=named))
    ec2.revoke_security_group_ingress(**rule)
    second = answer_to(lambda: ec2.delete_security_group(GroupId=named))
    return f"{first}, and once the rule is gone: {second}"
