"""The base image's SSM agent is enabled, and one that needs another endpoint is refused."""

import os
import subprocess
from pathlib import Path

import pytest

from bake.files import PROVISIONERS
from common.checkout import REPOSITORY

FOLDER = REPOSITORY / PROVISIONERS
SNAP, PACKAGE = "snap.amazon-ssm-agent.amazon-ssm-agent.service", "amazon-ssm-agent.service"
SYSTEMCTL = """
case "$1" in
  cat) [ "$2" = "${UNIT}" ] ;;
  *) echo "systemctl $*" >>"${DONE}" ;;
esac"""


class Base:
    """A base image with one unit of an agent, which says one thing of its version."""

    def __init__(self, folder: Path, unit: str, says: str) -> None:
        self.done, self._unit = folder / "done", unit
        self._folder = folder
        self._tool("systemctl", SYSTEMCTL)
        if says:
            self._tool("amazon-ssm-agent", f'[ "$*" = -version ] && echo "{says}"')

    def _tool(self, name: str, script: str) -> None:
        tool = self._folder / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    def provisioned(self, *, required: bool = True) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {
            "PATH": f"{self._folder}:/usr/bin:/bin",
            "PROVISIONER_LIB": str(FOLDER / "lib.sh"),
            "SSM_AGENT_REQUIRED": str(required).lower(),
            "UNIT": self._unit,
            "DONE": str(self.done),
        }
        return subprocess.run(
            ["bash", str(FOLDER / "60-ssm-agent.sh")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.mark.parametrize("unit", [SNAP, PACKAGE])
@pytest.mark.parametrize("version", ["3.3.40.0", "3.3.4624.0", "4.0.0.0"])
def test_an_agent_that_needs_ssmmessages_alone_is_enabled(
    tmp_path: Path, unit: str, version: str
) -> None:
    base = Base(tmp_path, unit, f"SSM Agent version: {version}")

    done = base.provisioned()

    assert (done.returncode, done.stderr) == (0, "")
    assert base.done.read_text() == f"systemctl --quiet enable {unit}\n"


@pytest.mark.parametrize("version", ["3.3.14.0", "3.2.2303.0", "2.3.1000.0"])
def test_an_older_agent_is_refused_where_one_is_required(tmp_path: Path, version: str) -> None:
    base = Base(tmp_path, PACKAGE, f"SSM Agent version: {version}")

    refused, taken = base.provisioned(), base.provisioned(required=False)

    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"FAILED the base image's SSM agent is {version}, older than 3.3.40.0: choose a newer base "
        "image"
    ]
    assert (taken.returncode, taken.stderr) == (0, "")


@pytest.mark.parametrize("says", ["", "Command-line Usage:"])
def test_an_agent_without_a_version_is_refused(tmp_path: Path, says: str) -> None:
    done = Base(tmp_path, PACKAGE, says).provisioned()

    assert done.returncode == 1
    assert "FAILED the base image's SSM agent does not say its version" in done.stderr


def test_a_base_image_without_an_agent_is_refused_where_one_is_required(tmp_path: Path) -> None:
    base = Base(tmp_path, "none", "")

    refused, taken = base.provisioned(), base.provisioned(required=False)

    assert refused.returncode == 1
    assert "FAILED the base image has no SSM agent: choose one that has it" in refused.stderr
    assert taken.returncode == 0
    assert not base.done.exists()
