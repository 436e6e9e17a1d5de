"""What making or copying an image, and sharing a snapshot, need of IAM.

Follows CreateImage, CopyImage and ModifySnapshotAttribute in "Actions, resources, and condition
keys for Amazon EC2" (https://docs.aws.amazon.com/service-authorization/latest/reference/
list_amazonec2.html) and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/copy-ami-permissions.html: a copy needs
permission on the image that is copied, on its snapshots, on what is made of them, and on the tags.
"""

from collections.abc import Iterator
from typing import Any

from moto.ec2.models import ec2_backends

from localcloud.patches.iam.resources_launch import Names, Tree, request_tags

Named = tuple[str, str, dict[str, Any]]  # action, ARN, condition keys
KINDS = ("image", "snapshot")


def copied(namer: Names, parameters: Tree) -> Iterator[Named]:
    """Yield what CopyImage reads and makes."""
    source, region = str(parameters.get("SourceImageId")), parameters.get("SourceRegion")
    found = next(
        (b[region].amis[source] for b in ec2_backends.values() if source in b[region].amis), None
    )
    yield "ec2:CopyImage", f"arn:aws:ec2:{region}::image/{source}", {"ec2:ImageID": source}
    if found is not None:
        yield "ec2:CopyImage", f"arn:aws:ec2:{region}::snapshot/{found.ebs_snapshot.id}", {}
    yield from made("CopyImage", namer, parameters)


def made(action: str, namer: Names, parameters: Tree) -> Iterator[Named]:
    """Yield the image and the snapshots that an action makes, and their tags."""
    given = {kind: list[Tree]() for kind in KINDS}
    for spec in parameters.get("TagSpecifications") or []:
        given[spec["ResourceType"]] += spec.get("Tags") or []
    for kind, tags in given.items():
        yield f"ec2:{action}", namer.arn(kind, "*"), request_tags(tags)
        if tags:
            keys = {**request_tags(tags), "ec2:CreateAction": action}
            yield "ec2:CreateTags", namer.arn(kind, "*"), keys


def shared_with(action: str, parameters: Tree) -> dict[str, Any]:
    """Return the keys that say with whom a snapshot is to be shared, or no more."""
    if action != "ModifySnapshotAttribute":
        return {}
    verb = "Add" if parameters.get("OperationType") == "add" else "Remove"
    found = {"userId": parameters.get("UserIds"), "group": parameters.get("GroupNames")}
    for kind, items in (parameters.get("CreateVolumePermission") or {}).items():
        for one in items:
            verb = kind
            found["userId" if "UserId" in one else "group"] = list(one.values())
    return {f"ec2:{verb}/{key}": tuple(value) for key, value in found.items() if value}
