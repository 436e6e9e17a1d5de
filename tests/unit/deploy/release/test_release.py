"""Releases: named by their content."""

from hashlib import sha256

import pytest

from deploy.release.release import differences, release_from
from deploy.release.settings import Access, NodeImage, Volume
from tests.unit.deploy.builders import a_group, a_release


def test_the_same_content_is_the_same_release() -> None:
    assert a_release().id == a_release().id
    assert len(a_release().id) == 16


@pytest.mark.parametrize(
    "other",
    [a_release(head="ami-2"), a_release(worker="ami-2"), a_release(groups=(a_group(max=4),))],
)
def test_other_images_or_settings_are_another_release(other: object) -> None:
    assert getattr(other, "id", "") != a_release().id


def test_a_stored_release_is_read_back() -> None:
    release = a_release(tags=(("project", "raykiln"),))

    assert release_from(release.to_json()) == release


def test_a_volume_without_a_rate_is_stored_as_before_there_were_any() -> None:
    plain, rated = a_release(), a_release(head_volume=Volume(20, initialization_rate=300))

    assert "initialization_rate" not in plain.to_json()
    assert rated.id != plain.id
    assert release_from(rated.to_json()) == rated


def test_differences_show_old_and_new_values() -> None:
    (first, *_) = differences(a_release(), a_release(head="ami-2"))

    assert first == "head.ami_id: ami-head → ami-2"


def test_differences_of_access_are_named_for_heads_and_for_each_group() -> None:
    access = Access(s3_read=("lake/*", "raw/*"), efs=(("fs-1", "/shared"),))

    assert differences(a_release(), a_release(head_access=access)) == (
        "settings.head_access.efs.fs-1: None → /shared",
        "settings.head_access.s3_read:  → lake/*, raw/*",
    )
    assert differences(a_release(), a_release(groups=(a_group(access=access),))) == (
        "groups.worker.access.efs.fs-1: None → /shared",
        "groups.worker.access.s3_read:  → lake/*, raw/*",
    )


# As it was stored before there were groups of workers, with the id of that text.
STORED = """{
  "head": {
    "ami_id": "ami-head",
    "digest": "d1",
    "ray_version": "2.60.0",
    "root_device": "/dev/xvda"
  },
  "settings": {
    "autoscaler_override": "{}",
    "head_type": "m6i.large",
    "idle_timeout_minutes": 5,
    "tags": [
      [
        "project",
        "raykiln"
      ]
    ],
    "volume_gib": 20,
    "worker_cpus": 2,
    "worker_type": "m6i.large",
    "workers_max": 3,
    "workers_min": 1
  },
  "worker": {
    "ami_id": "ami-worker",
    "digest": "d2",
    "ray_version": "2.60.0",
    "root_device": "/dev/xvda"
  }
}"""


def test_a_release_from_before_groups_is_read_as_one_and_keeps_its_text_and_id() -> None:
    release = release_from(STORED)

    assert release.to_json() == STORED
    assert release.id == sha256(STORED.encode()).hexdigest()[:16]
    assert release.settings.groups[0] == a_group(
        image=NodeImage("ami-worker", "d2", "2.60.0", "/dev/xvda")
    )
    assert release_from(release.to_json()) == release


def test_a_group_is_read_back_as_it_was_stored() -> None:
    group = a_group(instance_types=("a.x", "b.x"), resources=(("d", 1),), labels=(("k", "v"),))

    assert release_from(a_release(groups=(group,)).to_json()).settings.groups == (group,)


def test_the_upgrade_to_groups_differs_in_nothing_but_the_images() -> None:
    found = {words.partition(": ")[0] for words in differences(release_from(STORED), a_release())}

    assert found == {"head.digest", "groups.worker.image.digest"}
