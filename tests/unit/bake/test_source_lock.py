"""A bake takes the base image that is locked, and none that is gone or another than it was."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bake import plan as plan_module
from bake.base_image import resolve_base_image
from bake.plan import plan_bake
from bake.source_lock import locked, moves, newest_lock, read_lock, write_lock
from common.clients import Clients
from common.errors import Refused
from localcloud.account import ec2_backend
from tests.unit.deploy.builders import an_environment

DEV = an_environment()
FILTER = ("debian-12-*", "136693071363", "x86_64")


@pytest.fixture
def dated(clients: Clients) -> Clients:
    """Three AMIs match; ami-2 is the newest."""
    for number, month in ((1, 3), (2, 9), (3, 6)):
        image = ec2_backend().amis[f"ami-{number}"]
        image.creation_date = datetime(2026, month, 1, tzinfo=UTC)
    return clients


def set_newest(ami_id: str) -> None:
    ec2_backend().amis[ami_id].creation_date = datetime(2026, 11, 1, tzinfo=UTC)


def base_of(clients: Clients, folder: Path, **image: Any) -> str:
    """Return the base that an image of the environment is baked from."""
    environment = an_environment(**image)
    lock = read_lock(environment, folder)
    entry = locked(lock, environment.image, environment.name)
    return resolve_base_image(clients, environment.image, "image", entry).ami_id


def test_what_is_locked_is_baked_from_though_a_newer_one_matches(
    dated: Clients, tmp_path: Path
) -> None:
    lock = newest_lock(dated, DEV)
    path = write_lock(lock, DEV, tmp_path)
    assert path == tmp_path / "dev.lock"
    assert read_lock(DEV, tmp_path) == lock
    assert [entry.id for entry in lock.values()] == ["ami-2"]

    set_newest("ami-3")

    assert base_of(dated, tmp_path) == "ami-2"
    assert base_of(dated, tmp_path / "without") == "ami-3"


def test_a_plan_of_a_bake_takes_what_is_locked(
    dated: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lock(newest_lock(dated, DEV), DEV, tmp_path)
    monkeypatch.setattr(
        plan_module, "read_lock", lambda environment: read_lock(environment, tmp_path)
    )
    set_newest("ami-3")

    assert {base.ami_id for base in plan_bake(dated, DEV).bases.values()} == {"ami-2"}


def test_a_move_says_what_moves(dated: Clients) -> None:
    old = newest_lock(dated, DEV)
    assert list(moves(old, old)) == []
    (line,) = moves(None, old)
    assert line.startswith("+ debian-12-* of 136693071363, x86_64: ami-2 (debian-12-")

    set_newest("ami-3")

    (line,) = moves(old, newest_lock(dated, DEV))
    assert line.startswith("~ debian-12-* of 136693071363, x86_64: ami-2 (debian-12-")
    assert " → ami-3 (debian-12-" in line
    assert line.endswith(", 2026-11-01)")
    (line,) = moves(old, {})
    assert line.startswith("- debian-12-*")


def test_one_that_was_deregistered_or_made_private_is_refused(
    dated: Clients, tmp_path: Path
) -> None:
    write_lock(newest_lock(dated, DEV), DEV, tmp_path)
    del ec2_backend().amis["ami-2"]

    with pytest.raises(Refused, match=r"the locked base image ami-2 .* was deregistered, or made"):
        base_of(dated, tmp_path)


def test_one_that_is_not_what_was_locked_is_refused(dated: Clients, tmp_path: Path) -> None:
    path = write_lock(newest_lock(dated, DEV), DEV, tmp_path)
    path.write_text(path.read_text().replace('id = "ami-2"', 'id = "ami-3"'))

    with pytest.raises(Refused, match=r"ami-3 is debian-12-.*; the lock has debian-12-"):
        base_of(dated, tmp_path)


def test_one_that_is_deprecated_is_known_as_that(dated: Clients) -> None:
    ends = datetime(2026, 12, 1, tzinfo=UTC)
    dated("ec2").enable_image_deprecation(ImageId="ami-2", DeprecateAt=ends)

    base = resolve_base_image(dated, DEV.image, "image", newest_lock(dated, DEV)[FILTER])

    assert not base.is_deprecated(datetime(2026, 11, 30, tzinfo=UTC))
    assert base.is_deprecated(datetime(2026, 12, 2, tzinfo=UTC))


def test_a_filter_that_the_lock_lacks_is_refused(dated: Clients, tmp_path: Path) -> None:
    write_lock(newest_lock(dated, DEV), DEV, tmp_path)
    other = {"base_name": "debian-13-*", "base_owner": "136693071363"}

    with pytest.raises(Refused, match=r"dev.lock has no base image for 'debian-13-\*'") as refused:
        base_of(dated, tmp_path, image=other)
    assert refused.value.hint == "invoke lock --env dev"
    assert base_of(dated, tmp_path, image={"base_id": "ami-1"}) == "ami-1"


def test_an_environment_whose_bases_are_ids_needs_no_lock(dated: Clients, tmp_path: Path) -> None:
    write_lock(newest_lock(dated, DEV), DEV, tmp_path)
    by_id = an_environment(image={"base_id": "ami-1"})

    path = write_lock(newest_lock(dated, by_id), by_id, tmp_path)

    assert not path.exists()


@pytest.mark.parametrize("text", ["", "base = 1", "[[base]]\nid = 'ami-1'", "x"])
def test_a_broken_lock_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "dev.lock").write_text(text)

    with pytest.raises(Refused, match=r"dev\.lock cannot be read"):
        read_lock(DEV, tmp_path)
