"""Images that are gone, or do not fit: refused before anything changes, and shown by status."""

import pytest

from common.errors import Refused
from localcloud.patches.internal import call
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.conftest import SHORT, Cluster

pytestmark = pytest.mark.slow


def test_a_rollback_to_a_release_whose_image_is_gone_is_refused(single: Cluster) -> None:
    gone = single.prepare().rollout.desired.release.settings.groups[0].image.ami_id
    single.cloud.bake("worker")
    single.deploy()
    call("ec2", "deregister_image", ImageId=gone)
    workers = single.worker_ids

    with pytest.raises(Refused, match=f"worker image {gone} does not exist any"):
        single.rollback()

    assert single.worker_ids == workers
    assert single.status().problems == ()


def test_a_plan_says_that_the_release_before_it_cannot_be_restored(single: Cluster) -> None:
    first = single.prepare().rollout.desired.release
    single.cloud.bake("worker")
    call("ec2", "deregister_image", ImageId=first.settings.groups[0].image.ami_id)

    words = [finding.words for finding in single.prepare().findings]

    assert (
        f"the worker image {first.settings.groups[0].image.ami_id} does not exist any more, or is "
        "disabled: "
        f"this deploy cannot be rolled back to {first.id}"
    ) in words


def test_status_names_an_image_of_the_served_release_that_is_gone(single: Cluster) -> None:
    ami_id = single.prepare().rollout.desired.release.head.ami_id
    call("ec2", "deregister_image", ImageId=ami_id)

    assert single.status().problems == (
        f"the head image {ami_id} does not exist any more, or is disabled",
    )


def test_workers_of_another_architecture_than_their_image_are_refused(single: Cluster) -> None:
    group = single.environment.workers["worker"]
    workers = {"worker": group.model_copy(update={"instance_types": ("m6g.large",)})}
    arm = Cluster(single.cloud, single.environment.model_copy(update={"workers": workers}))
    before = single.worker_ids

    with pytest.raises(Refused, match=r"m6g\.large is arm64, the image x86_64"):
        arm.deploy()

    assert single.worker_ids == before


def test_a_head_on_x86_64_has_workers_on_arm64_from_an_image_of_their_architecture(
    single: Cluster,
) -> None:
    """A newer image of the same role and name, but of the other architecture, is not chosen."""
    group = {"instance_types": ["m7g.large"], "min": 2, "max": 2, "image": "arm"}
    arm = {"architecture": "arm64", "build_instance_type": "m7g.large"}
    environment = an_environment(
        name="mixed", images={"arm": arm}, workers={"arm": group}, rollout=SHORT
    )
    mixed = Cluster(single.cloud, environment)
    image = single.cloud.bake("worker", "arm", architecture="arm64")
    single.cloud.bake("worker", "arm", architecture="x86_64")

    mixed.deploy()

    mixed.joined(2, 300)
    found = call("ec2", "describe_instances", InstanceIds=sorted(mixed.worker_ids))
    launched = [one for each in found["Reservations"] for one in each["Instances"]]
    assert [(one["ImageId"], one["InstanceType"], one["Architecture"]) for one in launched] == [
        (image, "m7g.large", "arm64")
    ] * 2
    (head,) = call("ec2", "describe_instances", InstanceIds=mixed.head_ids)["Reservations"]
    assert head["Instances"][0]["Architecture"] == "x86_64"
    assert mixed.failed_checks() == []
