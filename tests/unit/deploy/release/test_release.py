"""Releases: named by their content."""

import pytest

from deploy.release.release import differences, release_from
from tests.unit.deploy.builders import a_release


def test_the_same_content_is_the_same_release() -> None:
    assert a_release().id == a_release().id
    assert len(a_release().id) == 16


@pytest.mark.parametrize(
    "other",
    [a_release(head="ami-2"), a_release(worker="ami-2"), a_release(workers_max=4)],
)
def test_other_images_or_settings_are_another_release(other: object) -> None:
    assert getattr(other, "id", "") != a_release().id


def test_a_stored_release_is_read_back() -> None:
    release = a_release(tags=(("project", "raykiln"),))

    assert release_from(release.to_json()) == release


def test_differences_show_old_and_new_values() -> None:
    (first, *_) = differences(a_release(), a_release(head="ami-2"))

    assert first == "head.ami_id: ami-head → ami-2"
