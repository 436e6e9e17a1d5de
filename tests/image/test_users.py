"""The users of an image: those of the base image, and ray."""

from typing import Any

from tests.image.conftest import Expected

NOLOGIN = "/usr/sbin/nologin"
SYSTEM_IDS = range(100, 1000)  # Debian Policy, 9.2.2: allocated to system users


def test_ray_is_the_only_user_added(facts: dict[str, Any], base: dict[str, Any]) -> None:
    ray = facts["users"]["ray"]

    assert facts["users"] == {**base["users"], "ray": ray}


def test_ray_is_a_system_user_that_cannot_log_in(facts: dict[str, Any]) -> None:
    number, shell = facts["users"]["ray"]

    assert int(number) in SYSTEM_IDS
    assert shell == NOLOGIN


def test_the_images_user_is_there_to_log_in(facts: dict[str, Any], expected: Expected) -> None:
    assert facts["users"][expected.user][1] == "/bin/bash"


def test_no_user_has_a_password(machine: Any) -> None:
    hashes = [line.split(":")[:2] for line in machine.check_output("getent shadow").splitlines()]

    assert [name for name, secret in hashes if not secret.startswith(("!", "*"))] == []


def test_ray_has_a_home_that_only_it_can_enter(machine: Any) -> None:
    assert machine.check_output("stat -c '%U:%G %a' /var/lib/ray") == "ray:ray 750"
