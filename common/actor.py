"""Who runs this process: a user on a host, or a GitHub Actions run. No AWS, no secrets."""

import getpass
import os
import socket
from collections.abc import Mapping


def actor(environ: Mapping[str, str] = os.environ) -> str:
    """Return who runs this process: ``user@host``, or GitHub's actor and run.

    The variables are GitHub's: docs.github.com/actions/reference/workflows-and-actions/variables.
    """
    run = environ.get("GITHUB_RUN_ID")
    if run:
        return f"{environ.get('GITHUB_ACTOR') or 'GitHub'}, GitHub run {run}"
    return f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # a user without a name, as in a container
