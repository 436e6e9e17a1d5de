"""Find AWS's session-manager-plugin, which carries the data of a session. No AWS calls."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.clients import Clients
from common.errors import PipelineError

PLUGIN = "session-manager-plugin"
INSTALL = (
    "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)
# AWS supports no older one: docs.aws.amazon.com/systems-manager/latest/userguide/
# plugin-version-history.html. It signs what opens a data channel, as the caller, and takes the
# session's token from the environment: as an argument every user of the machine would see it.
OLDEST = (1, 2, 764, 0)
RESPONSE = "AWS_SSM_START_SESSION_RESPONSE"


class NotReached(PipelineError):
    """There is no way at the moment; a later attempt may succeed."""


@dataclass(frozen=True)
class PluginCall:
    """How the plugin is called for a session; the session's token is in the environment."""

    command: list[str]
    environment: Mapping[str, str] = field(repr=False)


def plugin_call(
    clients: Clients, plugin: str, request: Mapping[str, Any], session: Mapping[str, str]
) -> PluginCall:
    """Return how the plugin is called for a session that was started with ``request``.

    ``session`` has StartSession's SessionId, TokenValue and StreamUrl. As the AWS CLI calls it:
    github.com/aws/aws-cli, awscli/customizations/sessionmanager.py.
    """
    profile = os.environ.get("AWS_PROFILE", "")
    endpoint = clients("ssm").meta.endpoint_url
    command = [plugin, RESPONSE, clients.region, "StartSession", profile]
    added = {RESPONSE: json.dumps(dict(session))}
    return PluginCall([*command, json.dumps(dict(request)), endpoint], os.environ | added)


def find_plugin(purpose: str = "this machine has no line into the VPC") -> str:
    """Return the plugin's path; raises NotReached when it is missing or too old.

    ``purpose`` says what it is needed for, in the words of an error.
    """
    path = shutil.which(PLUGIN)
    if path is None:
        raise NotReached(f"{purpose}, and `{PLUGIN}` is not installed", hint=INSTALL)
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
