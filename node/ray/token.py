"""Fetch Ray's token, and the password of its Redis, from SSM before Ray starts; autoscaler_file.py
fetches the rest. Reads AWS, writes /run/ray.

``NotFit`` is final: a retry on this instance cannot help. ``NotNow`` may pass (throttling,
network not up, permissions of a role made seconds ago:
docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html, eventual consistency).
"""

from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from node.clients import error_code
from node.identity import write_whole

FINAL = {"ParameterNotFound", "NoSuchKey", "NoSuchBucket"}


class NotFit(Exception):
    """A setting is missing or wrong; the message says which, and never its value."""


class NotNow(Exception):
    """AWS refused or did not answer, which may pass."""


def fetch_secret(ssm: Any, name: str, path: Path) -> None:
    """Write the value of the parameter ``name`` to a file, for our user and the folder's group: on
    a head the guard writes it, and Ray reads it.
    """
    answer = asked(f"parameter {name}", ssm.get_parameter, Name=name, WithDecryption=True)
    secret = str(answer["Parameter"]["Value"]).strip()
    if not secret:
        raise NotFit(f"parameter {name} is empty")
    write_whole(path, secret, 0o640)


def refresh_secret(ssm: Any, name: str, path: Path) -> str:
    """Fetch a secret again before a start; return a warning when the known one is kept.

    Raises NotNow while there is none and AWS does not answer, and NotFit.
    """
    try:
        fetch_secret(ssm, name, path)
    except NotNow as error:
        if not path.exists():
            raise
        return str(error)
    return ""


def asked(what: str, call: Any, **arguments: Any) -> dict[str, Any]:
    """Call AWS; translate its errors."""
    try:
        return dict(call(**arguments))
    except ClientError as error:
        code = error_code(error)
        kind = NotFit if code in FINAL else NotNow
        raise kind(f"{what}: AWS answered {code}") from error
    except BotoCoreError as error:
        raise NotNow(f"{what}: {error}") from error
