"""What an image is baked from, and what a person adds to it. No AWS.

``[image]`` describes the image of every node. ``[images.NAME]`` is another one: the same, but for
the keys that it gives.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from common.image_environment import refusal
from common.table import Table, Text, like
from common.worker_groups import InstanceType

DEFAULT_IMAGE = ""  # the name of [image]
IMAGE_NAME = re.compile(r"[a-z][a-z0-9-]{0,20}")
# What may be attested of an image (bake/attestations.py).
ATTESTED = ("tests", "sbom", "provenance", "drills")
# From which severity on a vulnerability keeps an image from being deployed (bake/findings.py).
SCANS = ("none", "low", "medium", "high", "critical")
# The public database of vulnerabilities: https://google.github.io/osv.dev/api/
OSV = "https://api.osv.dev"
# What stands in [images] beside the images' names, and the key of the environment that it becomes.
BESIDE = {"require": "images_require", "scan": "images_scan", "osv": "images_osv"}
_BASE = ("base_id", "base_name", "base_owner")
_CHOSEN = ("head_id", "worker_id")
# Names of Debian packages: https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
# To apt-get(8) a hyphen at the end means: remove the package.
PackageName = Annotated[Text, like(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]", "libgl1")]
ImageId = Annotated[Text, like(r"(ami-[0-9a-z-]+)?", "ami-0123456789abcdef0")]
# Names that a shell and systemd's EnvironmentFile accept.
VariableName = Annotated[str, like(r"[A-Za-z_][A-Za-z0-9_]*", "HF_HOME")]


def _below_the_repository(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or value != (str(path) if value else ""):
        raise ValueError(f"{value!r} is no path below the repository, such as apps/train/units")
    return value


RepositoryPath = Annotated[Text, AfterValidator(_below_the_repository)]


class ImageSettings(Table):
    """One image, for heads and workers."""

    base_id: ImageId = ""
    base_name: Text = ""
    base_owner: Text = ""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    python: Literal["3.10", "3.11", "3.12", "3.13"] = "3.11"
    ssh_username: Annotated[Text, like(r"[a-z_][a-z0-9_-]{0,31}", "ubuntu")] = "admin"
    build_instance_type: InstanceType = "m6i.large"
    # Empty: the account's default VPC.
    build_subnet_id: Annotated[
        Text, like(r"(subnet-[0-9a-f]{8,17})?", "subnet-0123456789abcdef0")
    ] = ""
    volume_gib: int = Field(default=20, ge=8, le=1000)
    encrypted: bool = True
    ssm_agent_required: bool = True
    # Empty: the image of the environment's channel.
    head_id: ImageId = ""
    worker_id: ImageId = ""
    # A lock with hashes, whose packages are installed beside Ray. Paths are the repository's.
    requirements: RepositoryPath = ""
    # Of the base's package manager.
    packages: tuple[PackageName, ...] = ()
    # A folder of numbered scripts, run as root after ours and before the clean-up.
    provisioners: RepositoryPath = ""
    # A folder of testinfra tests, run beside ours.
    tests: RepositoryPath = ""
    # A folder of systemd units; those with an [Install] section are enabled.
    units: RepositoryPath = ""
    # The application of the document pipeline, and on heads what Ray Serve needs for it.
    documents: bool = False
    # Environment variables of Ray and its workers; never secrets, as images hold none.
    env: dict[VariableName, str] = Field(default={})

    @model_validator(mode="after")
    def _base_is_given_once(self) -> "ImageSettings":
        if bool(self.base_id) == bool(self.base_name):
            raise ValueError("give either base_id, or base_name with base_owner")
        if self.base_name and not self.base_owner:
            raise ValueError("base_owner is missing: base_name alone would match anyone's images")
        return self

    @model_validator(mode="after")
    def _documents_bring_their_requirements(self) -> "ImageSettings":
        if self.documents and self.requirements:
            raise ValueError("documents = true brings its own requirements: leave them empty")
        return self

    @field_validator("env")
    @classmethod
    def _variables_are_free(cls, env: dict[str, str]) -> dict[str, str]:
        if refused := [why for name, value in env.items() if (why := refusal(name, value))]:
            raise ValueError("; ".join(refused))
        return env

    @field_validator("packages")
    @classmethod
    def _packages_are_named_once(cls, packages: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(packages)) < len(packages):
            raise ValueError("a package is named twice")
        return packages


def completed_images(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file's content with each ``[images.NAME]`` completed by ``[image]``.

    What ``[images]`` has besides images becomes keys of the environment (``BESIDE``). Raises
    ValueError for names that no image may have.
    """
    common, named = content.get("image"), content.get("images")
    for name, key in BESIDE.items():
        if key in content:
            raise ValueError(f"{key}: write it as `{name}`, below [images]")
    if not isinstance(common, dict) or not isinstance(named, dict):
        return dict(content)
    beside = {BESIDE[name]: named[name] for name in BESIDE if name in named}
    _check_beside(named)
    named = {name: own for name, own in named.items() if name not in BESIDE}
    for name, own in named.items():
        if not IMAGE_NAME.fullmatch(name):
            raise ValueError(
                f"images.{name}: lower-case letters, digits and '-', 21 at most, "
                "beginning with a letter"
            )
        if not isinstance(own, dict):
            raise ValueError(f"images.{name}: a table is needed, [images.{name}]")
    return dict(content) | {
        "images": {name: _inherited(common, own) | own for name, own in named.items()},
        **beside,
    }


def _check_beside(named: Mapping[str, Any]) -> None:
    """Raise ValueError for a value of ``[images]`` that none of its keys may have."""
    required = named.get("require", [])
    if not isinstance(required, list) or not set(map(str, required)) <= set(ATTESTED):
        raise ValueError(f"images.require: a list of some of {', '.join(ATTESTED)}")
    if named.get("scan", SCANS[0]) not in SCANS:
        raise ValueError(f"images.scan: one of {', '.join(SCANS)}")
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", str(named.get("osv", OSV))):
        raise ValueError(f"images.osv: an address such as {OSV}")


def _inherited(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return what an image has of ``[image]``: not its base where it has one, nor chosen images."""
    left_out = {*_CHOSEN, *(_BASE if own.keys() & set(_BASE) else ())}
    return {key: value for key, value in common.items() if key not in left_out}
