"""What a person adds to an image is in it: environment variables, units, packages."""

from hashlib import sha256
from typing import Any

from tests.image.conftest import Expected, entries


def test_rays_services_read_the_images_environment_before_ours(
    machine: Any, expected: Expected
) -> None:
    unit = f"ray-{expected.role}.service"
    files = machine.check_output(f"systemctl show --value --property EnvironmentFiles {unit}")

    assert [line.split()[0] for line in files.splitlines()] == [
        "/etc/raykiln/image.env",
        "/run/ray/node.env",
    ]


def test_the_environment_file_is_the_one_that_was_asked_for(
    machine: Any, expected: Expected
) -> None:
    found = machine.file("/etc/raykiln/image.env")

    assert found.content == (expected.additions / "image.env").read_bytes()
    assert (found.user, found.mode) == ("root", 0o644)


def test_the_added_units_are_there_and_enabled_where_they_say_so(
    machine: Any, facts: dict[str, Any], expected: Expected
) -> None:
    for path in (expected.additions / "units").iterdir():
        found = machine.check_output("sha256sum /etc/systemd/system/%s", path.name).split()[0]
        assert found == sha256(path.read_bytes()).hexdigest()
        wanted = "[Install]" in path.read_text().splitlines()
        assert (path.name in facts["enabled_units"]) == wanted, path.name


def test_the_added_packages_are_installed(facts: dict[str, Any], expected: Expected) -> None:
    wanted = entries(expected.additions / "packages.txt")
    installed = {name.partition(":")[0] for name in facts["debian_packages"]}

    assert wanted - installed == set()


def test_where_there_is_an_nvidia_gpu_its_driver_answers(facts: dict[str, Any]) -> None:
    assert len(facts["nvidia"]["answer"]) == facts["nvidia"]["gpus"]
