"""A dry run of an allowed launch is answered by the error DryRunOperation, and launches nothing."""

from tests.probes.place import INSTANCE_TYPE, Place, answer_to

SOURCE = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html"
ASSUMED = "DryRunOperation, and 0 instances"


def probe(place: Place) -> str:
    ec2 = place.clients("ec2")
    answer = answer_to(
        lambda: ec2.run_instances(
            ImageId=place.image_id,
            InstanceType=INSTANCE_TYPE,
            MinCount=1,
            MaxCount=1,
            DryRun=True,
            TagSpecifications=place.tagged("instance"),
        )
    )
    mine = [{"Name": "tag:Name", "Values": [place.name]}]
    found = ec2.describe_instances(Filters=mine)["Reservations"]
    return f"{answer}, and {len(found)} instances"
