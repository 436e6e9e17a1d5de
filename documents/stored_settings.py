"""The settings of a pipeline on a cluster: a parameter that its stack writes. Touches AWS.

A task of ECS is given its variables and secrets; a worker of a cluster is there before the pipeline
is. So each process there reads what ``DOCUMENTS_PARAMETER`` names, in Parameter Store, and the
secrets that it refers to, in Secrets Manager. Neither is written to disk.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients, error_code
from documents.errors import Unavailable
from documents.log import JsonLog

PARAMETER = "DOCUMENTS_PARAMETER"
REGION = "AWS_REGION"
EVERY = 5.0  # seconds between two looks


@dataclass(frozen=True)
class StoredSettings:
    """What the stack says; ``version`` grows with each change. ``secrets`` are their ARNs."""

    version: int
    group: str
    target_group: str
    paused: bool
    variables: Mapping[str, str]
    secrets: Mapping[str, str]


def read_stored(clients: Clients, name: str) -> StoredSettings | None:
    """Return what is stored, or None where there is no such parameter; raises Unavailable.

    Before the pipeline is deployed its role may not read the parameter, which is Unavailable too:
    a refusal may also be one of a role that was changed a moment ago.
    """
    try:
        found = clients("ssm").get_parameter(Name=name)["Parameter"]
    except ClientError as error:
        if error_code(error) == "ParameterNotFound":
            return None
        raise Unavailable(f"Parameter Store: {error}") from error
    except BotoCoreError as error:
        raise Unavailable(f"Parameter Store: {error}") from error
    value = json.loads(found["Value"])
    return StoredSettings(version=int(found["Version"]), **value)


def await_stored(
    clients: Clients, name: str, over: Event, log: JsonLog, every: float = EVERY
) -> bool:
    """Wait until there are settings, and say why there are none; False if ``over`` is set first.

    The reason is in AWS's words: "no identity-based policy allows" it until the pipeline is
    deployed, and anything else, as a permissions boundary, would keep it waiting afterwards
    (docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
    """
    last = ""
    while reason := _missing(clients, name):
        if reason != last:
            log("waiting", parameter=name, reason=reason)
        last = reason
        if over.wait(every):
            return False
    return True


def _missing(clients: Clients, name: str) -> str:
    """Return why there are no settings; empty: there are."""
    try:
        return "" if read_stored(clients, name) else f"there is no parameter {name}"
    except Unavailable as error:
        return str(error)


def completed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with what is stored, if it names a parameter; its own values win.

    Raises Unavailable while there are no settings, or a secret has no value.
    """
    name = environ.get(PARAMETER, "")
    if not name:
        return dict(environ)
    clients = Clients(environ[REGION])
    stored = read_stored(clients, name)
    if stored is None:
        raise Unavailable(f"there is no parameter {name}")
    secrets = {key: _secret(clients, arn, key) for key, arn in stored.secrets.items() if arn}
    return {**stored.variables, "DOCUMENTS_GROUP": stored.group, **secrets, **environ}


def _secret(clients: Clients, arn: str, key: str) -> str:
    try:
        found: dict[str, Any] = clients("secretsmanager").get_secret_value(SecretId=arn)
        return str(json.loads(found["SecretString"])[key])
    except (ClientError, BotoCoreError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"the secret {arn}: {error}") from error
