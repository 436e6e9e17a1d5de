"""Two bakes of the same give the same files, and one that does not is named."""

from pathlib import Path

from tests.cloud.harness import Cloud
from tests.cloud.test_bake import NOTHING, base_with_an_archive, checked_out
from tests.marks import THOROUGH_ONLY

pytestmark = THOROUGH_ONLY

NOISY = "#!/usr/bin/env bash\ndate +%s%N >/opt/noise\n"


def test_two_bakes_give_the_same_files_and_each_exception_is_needed(
    cloud: Cloud, tmp_path: Path
) -> None:
    checkout = checked_out(cloud, tmp_path)

    code, words = checkout.invoke("images.compare", "--strict")

    assert code == 0, words
    assert words.count(": 0 paths differ, beside ") == 2
    assert cloud.aws.ec2.describe_images(Owners=["self"])["Images"] == []
    assert checkout.left() == NOTHING


def test_two_bakes_with_all_that_a_person_may_add_give_the_same_files(
    cloud: Cloud, tmp_path: Path
) -> None:
    checkout = checked_out(cloud, tmp_path)
    checkout.three_images(base_with_an_archive(cloud))

    code, words = checkout.invoke("images.compare", "--image", "apps")

    assert code == 0, words
    assert "worker apps: 0 paths differ, beside " in words
    assert checkout.left() == NOTHING


def test_what_a_provisioner_makes_of_the_clock_is_named(cloud: Cloud, tmp_path: Path) -> None:
    checkout = checked_out(cloud, tmp_path)
    checkout.provisioner("60-ssm-agent.sh", NOISY)

    code, words = checkout.invoke("images.compare", "--role", "worker")

    assert code == 2, words
    assert "worker: 1 paths differ" in words
    assert "worker: /opt/noise: content " in words
    assert checkout.left() == NOTHING
    images = cloud.aws.ec2.describe_images(Owners=["self"])["Images"]
    assert len(images) == 2
    for image in images:
        cloud.aws.ec2.deregister_image(ImageId=image["ImageId"], DeleteAssociatedSnapshots=True)
