"""Fetch what Ray needs before it starts: token from SSM, autoscaler YAML from S3. Reads AWS,
writes /run/ray.

``NotFit`` is final: trying again on this instance cannot help. ``NotNow`` may pass (throttling,
network not up, permissions of a role made seconds ago:
docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html, eventual consistency).
"""

import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from node.clients import error_code
from node.identity import Identity, write_whole

FINAL = {"ParameterNotFound", "NoSuchKey", "NoSuchBucket"}


class NotFit(Exception):
    """A setting is missing or wrong; the message says which and never what it contains."""


class NotNow(Exception):
    """AWS could not be asked."""


def fetch_token(ssm: Any, identity: Identity, path: Path) -> None:
    """Write the cluster's secret where Ray reads its token (RAY_AUTH_TOKEN_PATH), for our user
    only.
    """
    name = identity.secret
    answer = _asked(f"parameter {name}", ssm.get_parameter, Name=name, WithDecryption=True)
    token = str(answer["Parameter"]["Value"]).strip()
    if not token:
        raise NotFit(f"parameter {name} is empty")
    write_whole(path, token, 0o600)


def refresh_token(ssm: Any, identity: Identity, path: Path) -> str:
    """Fetch the token again before a start; keep what is known while AWS cannot be asked. Return
    a warning or "".
    """
    try:
        fetch_token(ssm, identity, path)
    except NotNow as error:
        if not path.exists():
            raise
        return str(error)
    return ""


def fetch_autoscaler(s3: Any, identity: Identity, path: Path) -> None:
    """Write the autoscaler's YAML after checking that it is whole, parses and is this cluster's."""
    place = urlsplit(identity.autoscaler)
    answer = _asked(
        identity.autoscaler, s3.get_object, Bucket=place.netloc, Key=place.path.lstrip("/")
    )
    content = answer["Body"].read()
    check_autoscaler(content, identity)
    write_whole(path, content.decode(), 0o644)


def check_autoscaler(content: bytes, identity: Identity) -> None:
    """Raise NotFit unless Ray's autoscaler v2 could work with this file.

    The key's name is the content's digest, so that a half-written or exchanged object is noticed.
    """
    where = identity.autoscaler
    named = re.fullmatch(r"([0-9a-f]{16})\.yaml", where.rpartition("/")[2])
    if named and hashlib.sha256(content).hexdigest()[:16] != named[1]:
        raise NotFit(f"{where}: its content is not what its name says")
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise NotFit(f"{where} does not parse: {_place(error)}") from error
    if not isinstance(found, dict):
        raise NotFit(f"{where} is not a mapping")
    wanted = {"cluster_name", "provider", "head_node_type", "available_node_types"}
    if missing := sorted(wanted - found.keys()):
        raise NotFit(f"{where} lacks {', '.join(missing)}")
    if found["cluster_name"] != identity.environment:
        raise NotFit(f"{where} is for {found['cluster_name']}, not {identity.environment}")
    if found["head_node_type"] != identity.node_type:
        raise NotFit(f"{where} does not call its head {identity.node_type}")


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "no YAML"


def _asked(what: str, call: Any, **arguments: Any) -> dict[str, Any]:
    """Call AWS; translate its errors once."""
    try:
        return dict(call(**arguments))
    except ClientError as error:
        code = error_code(error)
        kind = NotFit if code in FINAL else NotNow
        raise kind(f"{what}: AWS answered {code}") from error
    except BotoCoreError as error:
        raise NotNow(f"{what}: {error}") from error
