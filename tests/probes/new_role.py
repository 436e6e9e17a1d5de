"""A role can be assumed, and do what its policy says, soon after its stack is complete.

The tests in an account act as roles that they have made, and wait no longer for them.
"""

from botocore.exceptions import ClientError

from common.errors import Denied, TimedOut
from common.waiting import Seen
from tests.probes.kit.place import Place
from tests.probes.kit.stacks import create_stack, role

SOURCE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html"
LONGEST = 300
ASSUMED = f"within {LONGEST} s"
READS = {"Effect": "Allow", "Action": "ec2:DescribeAvailabilityZones", "Resource": "*"}


def probe(place: Place) -> str:
    made = create_stack(place, {"Role": role({"AWS": {"Ref": "AWS::AccountId"}}, READS)})
    name, begun = made["Role"], place.clock.now()
    arn = place.clients("iam").get_role(RoleName=name)["Role"]["Arn"]

    def look() -> Seen[float]:
        try:
            clients = place.clients.as_role(arn, place.clients.region, place.name)
            clients("ec2").describe_availability_zones()
        except (ClientError, Denied) as error:
            return Seen(None, str(error))
        return Seen(place.clock.now() - begun, "it answers")

    try:
        after = place.until(f"the role {name}", look)
    except TimedOut:
        return f"not within {LONGEST} s"
    place.notes.append(f"after {after:.0f} s")
    return f"{'within' if after <= LONGEST else 'not within'} {LONGEST} s"
