"""The users of an image: those of the base image, and ray."""

from typing import Any

from tests.image.conftest import Expected

NOLOGIN = {"/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false", "/bin/sync"}


def test_ray_is_the_only_user_added(facts: dict[str, Any], base: dict[str, Any]) -> None:
    assert facts["users"] == {**base["users"], "ray": "/usr/sbin/nologin"}


def test_only_root_and_the_images_user_can_log_in(
    facts: dict[str, Any], expected: Expected
) -> None:
    able = {name for name, shell in facts["users"].items() if shell not in NOLOGIN}

    assert able == {"root", expected.user}


def test_only_the_images_user_is_a_person(machine: Any, expected: Expected) -> None:
    lines = machine.check_output("getent passwd").splitlines()
    persons = {line.split(":")[0] for line in lines if 1000 <= int(line.split(":")[2]) < 60000}

    assert persons == {expected.user}


def test_no_user_has_a_password(machine: Any) -> None:
    hashes = [line.split(":")[:2] for line in machine.check_output("getent shadow").splitlines()]

    assert [name for name, secret in hashes if not secret.startswith(("!", "*"))] == []


def test_ray_has_a_home_that_only_it_can_enter(machine: Any) -> None:
    assert machine.check_output("stat -c '%U:%G %a' /var/lib/ray") == "ray:ray 750"
