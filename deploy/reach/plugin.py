"""Find AWS's session-manager-plugin, which carries the data of a session. No AWS calls."""

import re
import shutil
import subprocess

from common.errors import PipelineError

PLUGIN = "session-manager-plugin"
INSTALL = (
    "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)
# The first that takes a session's token from the environment; older ones take it as an argument,
# where every user of the machine sees it (aws-cli, awscli/customizations/sessionmanager.py).
OLDEST = (1, 2, 498, 0)


class NotReached(PipelineError):
    """There is no way at the moment; a later attempt may succeed."""


def find_plugin() -> str:
    """Return the plugin's path; raises NotReached when it is missing or too old."""
    path = shutil.which(PLUGIN)
    if path is None:
        raise NotReached(
            f"this machine has no line into the VPC, and `{PLUGIN}` is not installed", hint=INSTALL
        )
    try:
        asked = [path, "--version"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotReached(f"`{path}` does not run: {error}", hint=INSTALL) from error
    words = done.stdout.strip()
    if not re.fullmatch(r"\d+(\.\d+){3}", words):
        raise NotReached(f"`{path} --version` printed {words!r}, not a version", hint=INSTALL)
    if tuple(map(int, words.split("."))) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise NotReached(f"`{path}` is {words}; {oldest} or later is needed", hint=INSTALL)
    return path
