"""An instance has the tags of its launch template and of the request, and the request's value wins.

Workers are found by tags that come from both: the template's of their group, the autoscaler's own.
"""

from tests.probes.place import Place

SOURCE = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html"
ASSUMED = "both=request, request=yes, template=yes"


def probe(place: Place) -> str:
    ec2 = place.clients("ec2")
    both = [{"Key": "template", "Value": "yes"}, {"Key": "both", "Value": "template"}]
    template = place.template(TagSpecifications=[{"ResourceType": "instance", "Tags": both}])
    asked = [{"Key": "request", "Value": "yes"}, {"Key": "both", "Value": "request"}]
    instance = ec2.run_instances(
        LaunchTemplate={"LaunchTemplateId": template},
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": place.tags + asked}],
    )["Instances"][0]["InstanceId"]
    place.ends(instance)
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance]}])["Tags"]
    tags = {tag["Key"]: tag["Value"] for tag in found}
    return ", ".join(f"{key}={tags.get(key)}" for key in ("both", "request", "template"))
