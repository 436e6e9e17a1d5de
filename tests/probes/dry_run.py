"""A dry run of an allowed launch is answered by the error DryRunOperation, and launches nothing."""

from tests.probes.kit.instances import find_slot, request
from tests.probes.kit.place import Place, answer_to

SOURCE = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html"
ASSUMED = "DryRunOperation, and 0 instances"


def probe(place: Place) -> str:
    ec2, wanted = place.clients("ec2"), request(place, find_slot(place))
    answer = answer_to(lambda: ec2.run_instances(**wanted, DryRun=True))
    mine = [{"Name": "tag:Name", "Values": [place.name]}]
    found = ec2.describe_instances(Filters=mine)["Reservations"]
    return f"{answer}, and {len(found)} instances"
