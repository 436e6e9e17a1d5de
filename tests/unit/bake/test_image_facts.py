"""The image tests hold any base image to what it had and ours: one thing more or less fails."""

import copy
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.checkout import REPOSITORY
from tests.image import test_clean, test_files, test_network, test_units, test_users
from tests.image.conftest import Expected, with_additions

Facts = dict[str, Any]
# As Ubuntu's: pip's wheel, a file of the login, a snap's unit, a key, a port and a failed unit.
BASE: Facts = {
    "enabled_units": ["apt-daily.timer", "snap-core22-1.mount", "ssh.service"],
    "failed_units": ["fwupd.service"],
    "users": {"root": ["0", "/bin/bash"], "ubuntu": ["1000", "/bin/bash"]},
    "open_ports": ["tcp/111", "tcp/22"],
    "privileged_files": ["/usr/bin/sudo"],
    "home_files": ["/home/ubuntu/.bash_logout", "/home/ubuntu/.cache/motd.legal-displayed"],
    "private_keys": ["/etc/ssh/ssh_host_rsa_key", "/etc/ssl/private/ssl-cert-snakeoil.key"],
    "wheels": ["/usr/share/python-wheels/pip-24.0-py3-none-any.whl"],
    "debian_packages": {"bash": "5.2"},
    "python_packages": {"six": "1.16.0"},
    "host_keys": {"ssh_host_rsa_key.pub": "0" * 64},
    "port_units": {"tcp/22": "ssh.service"},
}


COMPARING: tuple[Callable[..., None], ...] = (
    test_clean.test_the_only_private_keys_are_the_host_keys_and_the_base_images,
    test_clean.test_no_file_was_added_to_a_home,
    test_clean.test_no_wheel_was_added,
    test_files.test_no_setuid_or_setgid_file_was_added,
    test_files.test_no_debian_package_was_added_changed_or_removed,
    test_files.test_the_machines_own_python_has_the_packages_of_the_base_image,
    test_network.test_no_port_is_open_but_those_of_the_base_image_and_of_a_persons_own_services,
    test_units.test_beside_the_bases_units_exactly_the_roles_are_enabled,
    test_units.test_no_unit_fails_but_those_that_fail_in_the_base_image,
    test_users.test_ours_are_the_only_users_added,
    test_users.test_ours_are_system_users_that_cannot_log_in,
    test_users.test_the_images_user_is_there_to_log_in,
)


def expected(role: str) -> Expected:
    additions = REPOSITORY / "tests/cloud/apps"  # with a unit that has a port
    return Expected(role, "", "", "3.12", "ubuntu", False, REPOSITORY, additions, Path())


def an_image(role: str = "worker") -> Facts:
    """What an image of that base has, if all is right."""
    image = copy.deepcopy(BASE)
    image["enabled_units"] = ["snap-core22-1.mount", "ssh.service", *expected(role).units]
    image["users"]["ray"] = ["998", "/usr/sbin/nologin"]
    image["users"]["ray-autoscaler"] = ["997", "/usr/sbin/nologin"]
    image["host_keys"] = {"ssh_host_rsa_key.pub": "1" * 64}
    return image


def failures(image: Facts, role: str = "worker", base: Facts = BASE) -> set[str]:
    """Return the image tests that fail, of those that compare with the base image."""
    known: dict[str, Any] = {
        "facts": image,
        "base": base,
        "plain": BASE,
        "expected": expected(role),
    }
    failed = set()
    for test in COMPARING:
        try:
            test(**{name: known[name] for name in inspect.signature(test).parameters})
        except (AssertionError, KeyError):
            failed.add(test.__name__)
    return failed


@pytest.mark.parametrize("role", ["head", "worker"])
def test_what_the_base_image_has_and_ours_passes(role: str) -> None:
    assert failures(an_image(role), role) == set()


@pytest.mark.parametrize(
    ("fact", "extra"),
    [
        ("enabled_units", "ray-head.service"),
        ("failed_units", "ray-logs.service"),
        ("open_ports", "tcp/8265"),
        ("privileged_files", "/opt/ray/bin/helper"),
        ("home_files", "/home/ubuntu/notes"),
        ("private_keys", "/root/key.pem"),
        ("wheels", "/usr/share/python-wheels/ray.whl"),
    ],
)
def test_something_that_was_not_declared_fails_one_test(fact: str, extra: str) -> None:
    image = an_image()
    image[fact] = sorted([*image[fact], extra])

    assert len(failures(image)) == 1


@pytest.mark.parametrize("fact", ["debian_packages", "python_packages", "users"])
@pytest.mark.parametrize("value", [["1001", "/bin/bash"], "1.0"])
def test_a_package_or_user_that_was_not_declared_fails_one_test(fact: str, value: Any) -> None:
    image = an_image()
    image[fact]["extra"] = value

    assert len(failures(image)) == 1


@pytest.mark.parametrize(
    "fact", ["enabled_units", "open_ports", "privileged_files", "private_keys", "wheels"]
)
def test_what_the_base_image_had_and_is_gone_fails_one_test(fact: str) -> None:
    image = an_image()
    image[fact] = [each for each in image[fact] if each != BASE[fact][-1]]

    assert len(failures(image)) == 1


def test_a_package_of_another_version_fails_one_test() -> None:
    image = an_image()
    image["debian_packages"]["bash"] = "5.3"

    assert failures(image) == {"test_no_debian_package_was_added_changed_or_removed"}


def test_ray_must_not_log_in() -> None:
    image = an_image()
    image["users"]["ray"] = ["998", "/bin/bash"]

    assert failures(image) == {"test_ours_are_system_users_that_cannot_log_in"}


# What a person's package, provisioner and unit make of an image.
ADDED: dict[str, list[str]] = {
    "enabled_units": ["apps-web.service", "exporter.service"],
    "open_ports": ["tcp/9100"],
    "privileged_files": ["/usr/bin/fusermount3"],
    "home_files": ["/root/.vimrc"],
}


def with_theirs(facts: Facts) -> Facts:
    """Return an image's facts with what a person adds, and a package of theirs removed."""
    new = copy.deepcopy(facts)
    for fact, values in ADDED.items():
        new[fact] = sorted([*new[fact], *values])
    new["users"]["apps"] = ["997", "/usr/sbin/nologin"]
    new["debian_packages"] = {"bash": "5.2.1", "libgl1": "1.6"}
    del new["python_packages"]["six"]
    return new


def test_what_a_person_adds_is_theirs() -> None:
    before = an_image()
    base = with_additions(BASE, before, with_theirs(before))

    assert failures(with_theirs(before), base=base) == set()
    assert failures(with_theirs(before)) != set()


def test_beside_what_a_person_adds_everything_else_is_an_extra() -> None:
    before = an_image()
    base = with_additions(BASE, before, with_theirs(before))
    for fact, extra in (
        *(("enabled_units", "ray-head.service"), ("open_ports", "tcp/8265")),
        *(("privileged_files", "/opt/ray/bin/helper"), ("home_files", "/home/ubuntu/notes")),
    ):
        image = with_theirs(before)
        image[fact] = sorted([*image[fact], extra])

        assert len(failures(image, base=base)) == 1, fact


@pytest.mark.parametrize(
    ("fact", "extra"), [("failed_units", "exporter.service"), ("private_keys", "/etc/ssl/own.key")]
)
def test_a_unit_that_fails_and_a_private_key_are_refused_from_a_person_too(
    fact: str, extra: str
) -> None:
    before, after = an_image(), an_image()
    after[fact] = sorted([*after[fact], extra])

    assert len(failures(after, base=with_additions(BASE, before, after))) == 1


def test_a_port_of_an_added_unit_is_theirs_though_it_was_closed_during_the_bake() -> None:
    image = an_image()
    image["open_ports"] = sorted([*image["open_ports"], "tcp/9105"])
    assert len(failures(image)) == 1

    image["port_units"]["tcp/9105"] = "apps-web.service"

    assert failures(image) == set()
