"""Which Ray the heads of a cluster run: that of their images. Reads AWS only."""

from collections.abc import Iterable

from common.clients import Clients, translated
from deploy.cluster.instances import Instance
from deploy.release.release import Release


def ray_versions(
    clients: Clients, heads: Iterable[Instance], release: Release | None
) -> frozenset[str]:
    """Return the versions of Ray on these heads, as far as their images are there.

    That of the release that is served is known; heads of another one, whose rollout was not
    completed, are looked up.
    """
    known = {release.head.ami_id: release.head.ray_version} if release else {}
    used = {head.ami_id for head in heads}
    others = sorted(used - known.keys())
    if others:
        with translated("looking for the images of heads"):
            answer = clients("ec2").describe_images(
                Filters=[{"Name": "image-id", "Values": others}], IncludeDisabled=True
            )
        tags = ((e["ImageId"], t) for e in answer["Images"] for t in e.get("Tags", []))
        known |= {ami: t["Value"] for ami, t in tags if t["Key"] == "raykiln:ray-version"}
    return frozenset(known[ami_id] for ami_id in used & known.keys())
