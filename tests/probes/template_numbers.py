"""The number of a deleted launch template version is not used again.

A release names the version that it serves; a number with another content would serve that.
"""

from tests.probes.kit.instances import find_slot, template, template_data
from tests.probes.kit.place import Place

SOURCE = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/delete-launch-template.html"
ASSUMED = "version 2, and after its deletion version 3"


def probe(place: Place) -> str:
    ec2, slot = place.clients("ec2"), find_slot(place)
    made = template(place, slot)

    def another() -> int:
        version = ec2.create_launch_template_version(
            LaunchTemplateId=made, LaunchTemplateData=template_data(place, slot)
        )["LaunchTemplateVersion"]
        return int(version["VersionNumber"])

    first = another()
    ec2.delete_launch_template_versions(LaunchTemplateId=made, Versions=[str(first)])
    return f"version {first}, and after its deletion version {another()}"
