"""The users of an image: those of the base image, and ours."""

from typing import Any

from tests.image.conftest import Expected

OURS = ("ray", "ray-autoscaler")
NOLOGIN = "/usr/sbin/nologin"
SYSTEM_IDS = range(100, 1000)  # Debian Policy, 9.2.2: allocated to system users


def test_ours_are_the_only_users_added(facts: dict[str, Any], base: dict[str, Any]) -> None:
    ours = {name: facts["users"][name] for name in OURS}

    assert facts["users"] == {**base["users"], **ours}


def test_ours_are_system_users_that_cannot_log_in(facts: dict[str, Any]) -> None:
    for number, shell in (facts["users"][name] for name in OURS):
        assert int(number) in SYSTEM_IDS
        assert shell == NOLOGIN


def test_the_images_user_is_there_to_log_in(facts: dict[str, Any], expected: Expected) -> None:
    assert facts["users"][expected.user][1] == "/bin/bash"


def test_no_user_has_a_password(machine: Any) -> None:
    hashes = [line.split(":")[:2] for line in machine.check_output("getent shadow").splitlines()]

    assert [name for name, secret in hashes if not secret.startswith(("!", "*"))] == []


def test_ray_has_a_home_that_only_it_can_enter(machine: Any) -> None:
    assert machine.check_output("stat -c '%U:%G %a' /var/lib/ray") == "ray:ray 750"
