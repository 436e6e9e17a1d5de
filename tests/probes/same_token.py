"""A launch that is sent twice with one client token launches once.

botocore sends a launch again when its answer is lost, with the same token.
"""

from tests.probes.place import INSTANCE_TYPE, Place

SOURCE = "https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html"
ASSUMED = "one instance"


def probe(place: Place) -> str:
    launched = set()
    for _ in range(2):
        answer = place.clients("ec2").run_instances(
            ImageId=place.image_id,
            InstanceType=INSTANCE_TYPE,
            MinCount=1,
            MaxCount=1,
            ClientToken=place.name,
            TagSpecifications=place.tagged("instance"),
        )
        launched.add(answer["Instances"][0]["InstanceId"])
    for instance in launched:
        place.ends(instance)
    return "one instance" if len(launched) == 1 else f"{len(launched)} instances"
