"""The number of a deleted launch template version is not used again.

A release names the version that it serves; a number with another content would serve that.
"""

from tests.probes.place import INSTANCE_TYPE, Place

SOURCE = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/delete-launch-template.html"
ASSUMED = "version 2, and after its deletion version 3"


def probe(place: Place) -> str:
    ec2, template = place.clients("ec2"), place.template()

    def another() -> int:
        data = {"ImageId": place.image_id, "InstanceType": INSTANCE_TYPE}
        made = ec2.create_launch_template_version(
            LaunchTemplateId=template, LaunchTemplateData=data
        )
        return int(made["LaunchTemplateVersion"]["VersionNumber"])

    first = another()
    ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=[str(first)])
    return f"version {first}, and after its deletion version {another()}"
