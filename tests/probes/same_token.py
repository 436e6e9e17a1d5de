"""A launch that is sent twice with one client token launches once.

botocore sends a launch again when its answer is lost, with the same token.
"""

from tests.probes.kit.instances import launch
from tests.probes.kit.place import Place

SOURCE = "https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html"
ASSUMED = "one instance"


def probe(place: Place) -> str:
    launched = {launch(place, ClientToken=place.name) for _ in range(2)}
    return "one instance" if len(launched) == 1 else f"{len(launched)} instances"
