"""What an image may be given: environment variables, packages, and paths of the repository."""

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from common.image_environment import environment_file
from common.image_settings import ImageSettings


def settings(**values: object) -> ImageSettings:
    return ImageSettings.model_validate({"base_id": "ami-1", **values})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("RAY_ADDRESS", "Raykiln sets it"),
        ("RAYKILN_ROLE", "Raykiln sets it"),
        ("AWS_DEFAULT_REGION", "region and credentials are those of the instance and its role"),
        ("AWS_SECRET_ACCESS_KEY", "region and credentials are those of the instance"),
        ("HTTPS_PROXY", "the head lease's and Ray's own calls would go through it"),
        ("http_proxy", "the head lease's and Ray's own calls would go through it"),
        ("PATH", "systemd sets it"),
        ("PYTHONPATH", "install packages by `requirements`"),
        ("NOTIFY_SOCKET", "systemd sets it"),
        ("WATCHDOG_USEC", "systemd sets it"),
        ("HF_TOKEN", "fetch secrets at run time"),
        ("WANDB_API_KEY", "fetch secrets at run time"),
        ("DB_PASSWORD", "fetch secrets at run time"),
    ],
)
def test_a_variable_that_is_raykilns_or_a_secret_is_refused_with_its_reason(
    name: str, reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        settings(env={name: "x"})


@pytest.mark.parametrize("value", ["AKIA" + "IOSFODNN7EXAMPLE", "two\nlines", "a\tb"])
def test_a_value_that_is_a_key_of_aws_or_more_than_a_line_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        settings(env={"VALUE": value})


def test_all_variables_that_are_refused_are_named() -> None:
    with pytest.raises(ValidationError, match=r"RAY_A: .*; PATH: "):
        settings(env={"RAY_A": "1", "PATH": "/bin"})


@pytest.mark.parametrize(
    "name", ["HF_HOME", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "LD_PRELOAD", "RAYON_THREADS"]
)
def test_other_variables_are_a_persons_own(name: str) -> None:
    assert settings(env={name: "é $x"}).env == {name: "é $x"}


@pytest.mark.parametrize("path", ["/etc/units", "../units", "a/../../b", "a//b", "./a", "a/"])
@pytest.mark.parametrize("key", ["requirements", "provisioners", "units", "tests"])
def test_a_path_is_one_below_the_repository(key: str, path: str) -> None:
    with pytest.raises(ValidationError, match="no path below the repository"):
        settings(**{key: path})


@pytest.mark.parametrize("packages", [["vim-"], ["-y"], ["a=1"], ["Vim"], ["a", "a"], ["x*"]])
def test_a_package_is_a_name_that_installs(packages: list[str]) -> None:
    with pytest.raises(ValidationError):
        settings(packages=packages)


def test_names_of_real_packages_are_accepted() -> None:
    names = ("libgl1", "g++", "libstdc++6", "python3.11-dev", "0ad")

    assert settings(packages=names).packages == names


def test_a_shell_reads_back_what_the_file_says(tmp_path: Path) -> None:
    """systemd's quoting within double quotes is the shell's (systemd.exec(5))."""
    value = "a \"quoted\" $HOME \\ `word` 'x' #y"
    file = tmp_path / "image.env"
    file.write_text(environment_file({"B": value, "A": ""}))

    done = subprocess.run(
        ["sh", "-c", f". {file}; printf '%s' \"$B\""], capture_output=True, text=True, check=True
    )

    assert done.stdout == value
    assert file.read_text().startswith('A=""\n')
