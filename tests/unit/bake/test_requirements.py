"""A person's packages come beside Ray's, which keep their versions."""

import zipfile
from pathlib import Path

from bake.ray_lock import Pin, Target
from bake.requirements import added_pins, lock_mistakes, unmet_requirements

TARGET = Target("3.11", "x86_64")
HASH = "sha256:" + "a" * 64
RAYS = (Pin("requests", "2.34.2", (HASH,)), Pin("protobuf", "7.36.2", (HASH,)))


def lock(*lines: str) -> str:
    return "".join(f"{line} \\\n    --hash={HASH}\n    # via something\n" for line in lines)


def a_wheel(folder: Path, name: str, *needs: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        lines = "".join(f"Requires-Dist: {each}\n" for each in needs)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}"
        archive.writestr(f"{name}-1.0.dist-info/METADATA", metadata)


def test_a_package_that_ray_has_in_the_same_version_is_not_added() -> None:
    theirs = lock("requests==2.34.2", "torch==2.3.0+cu121", "old==1 ; python_version < '3.11'")

    assert list(lock_mistakes(theirs, TARGET, RAYS)) == []
    assert [(pin.name, pin.version) for pin in added_pins(theirs, TARGET, RAYS)] == [
        ("torch", "2.3.0+cu121")
    ]


def test_a_package_that_ray_has_in_another_version_is_a_mistake() -> None:
    assert list(lock_mistakes(lock("Requests==2.0"), TARGET, RAYS)) == [
        "requests==2.0, but Ray's own lock has 2.34.2"
    ]


def test_what_a_wheel_needs_must_be_in_the_image(tmp_path: Path) -> None:
    a_wheel(
        tmp_path,
        "one",
        "requests>=2.30",
        "protobuf<5",
        "absent",
        "windows-only; sys_platform == 'win32'",
        "extra-only; extra == 'all'",
    )
    pins = (*RAYS, Pin("one", "1.0", (HASH,)))

    assert list(unmet_requirements([tmp_path], pins, TARGET)) == [
        "one-1.0-py3-none-any.whl needs protobuf<5, but the image has protobuf 7.36.2",
        "one-1.0-py3-none-any.whl needs absent, which the lock does not hold",
    ]


def test_a_wheel_that_cannot_be_read_is_left_to_pip(tmp_path: Path) -> None:
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"no archive")

    assert list(unmet_requirements([tmp_path], RAYS, TARGET)) == []
