"""An instance has the tags of its launch template and of the request, and the request's value wins.

Workers are found by tags that come from both: the template's of their group, the autoscaler's own.
"""

from tests.probes.kit.instances import find_slot, launch, template
from tests.probes.kit.place import Place

SOURCE = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html"
ASSUMED = "both=request, request=yes, template=yes"


def probe(place: Place) -> str:
    ec2, slot = place.clients("ec2"), find_slot(place)
    both = [{"Key": "template", "Value": "yes"}, {"Key": "both", "Value": "template"}]
    made = template(place, slot, TagSpecifications=[{"ResourceType": "instance", "Tags": both}])
    asked = [{"Key": "request", "Value": "yes"}, {"Key": "both", "Value": "request"}]
    instance = launch(
        place,
        LaunchTemplate={"LaunchTemplateId": made},
        TagSpecifications=[{"ResourceType": "instance", "Tags": place.tags + asked}],
    )
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance]}])["Tags"]
    tags = {tag["Key"]: tag["Value"] for tag in found}
    return ", ".join(f"{key}={tags.get(key)}" for key in ("both", "request", "template"))
