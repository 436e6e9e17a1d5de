"""The lock covers every platform; an image gets the packages for its own."""

import pytest

from bake.files import LOCK
from bake.ray_lock import Target, pins_for, ray_version
from common.checkout import REPOSITORY
from common.errors import PipelineError

HASHES = ("sha256:" + "a" * 64, "sha256:" + "b" * 64)
A_LOCK = f"""
old==1.0 ; python_full_version < '3.11' \\
    --hash={HASHES[0]}
new==2.0 ; python_full_version >= '3.11' \\
    --hash={HASHES[0]} \\
    --hash={HASHES[1]}
windows-only==3.0 ; sys_platform == 'win32' \\
    --hash={HASHES[0]}
Ray==2.60.0 \\
    --hash={HASHES[0]}
"""


def names(python: str) -> list[str]:
    return [pin.name for pin in pins_for(A_LOCK, Target(python, "x86_64"))]


def test_markers_are_evaluated_for_the_image_and_not_for_this_python() -> None:
    assert names("3.10") == ["old", "ray"]
    assert names("3.12") == ["new", "ray"]


def test_a_pin_keeps_every_hash_that_its_files_may_have() -> None:
    (pin,) = (pin for pin in pins_for(A_LOCK, Target("3.11", "x86_64")) if pin.name == "new")

    assert str(pin) == f"new==2.0 --hash={HASHES[0]} --hash={HASHES[1]}"


def test_arm64_is_aarch64_on_linux() -> None:
    assert Target("3.11", "arm64").machine == "aarch64"


def test_a_lock_without_ray_is_refused() -> None:
    with pytest.raises(PipelineError, match="does not hold ray"):
        ray_version("", Target("3.11", "x86_64"))


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_the_real_lock_covers_every_image(python: str, architecture: str) -> None:
    target = Target(python, architecture)
    found = pins_for((REPOSITORY / LOCK).read_text(), target)

    assert ray_version((REPOSITORY / LOCK).read_text(), target) == "2.60.0"
    assert {"boto3", "pip", "pyyaml", "grpcio"} <= {pin.name for pin in found}
    assert all(pin.hashes for pin in found)
    assert len({pin.name for pin in found}) == len(found)


def test_markers_are_evaluated_for_the_image_s_python_and_processor() -> None:
    """PEP 508, "Environment Markers"."""
    assert Target("3.12", "arm64").markers() == {
        "implementation_name": "cpython",
        "implementation_version": "3.12.0",
        "os_name": "posix",
        "platform_machine": "aarch64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": "3.12.0",
        "python_version": "3.12",
        "sys_platform": "linux",
    }
