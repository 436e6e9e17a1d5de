"""The cluster's secrets: Ray's token, and the password of the Redis that keeps its state. Touches
AWS (SSM).

Each is a SecureString. They are created by the operator's machine, the token is replaced only by a
rotation, and neither is shown or logged.
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-securestring.html
"""

import secrets
from dataclasses import dataclass

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.errors import Refused

BYTES = 32
TOKEN = "Ray's token, made by Raykiln; invoke token.rotate replaces it"  # noqa: S105 (a description)
PASSWORD = "The password of the Redis that keeps Ray's state"  # noqa: S105 (a description)


@dataclass(frozen=True)
class Secret:
    """The secret's name and version, never its value."""

    name: str
    version: int


def find_secret(clients: Clients, name: str) -> Secret | None:
    """Return the secret's name and version; its value is not decrypted.

    Raises Refused when the parameter exists but is not encrypted.
    """
    with translated(f"reading the secret {name}"):
        try:
            found = clients("ssm").get_parameter(Name=name)["Parameter"]
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return None
            raise
    if found["Type"] != "SecureString":
        raise Refused(
            f"the parameter {name} is a {found['Type']}, not a SecureString",
            hint=f"delete it (aws ssm delete-parameter --name {name}) and deploy again",
        )
    return Secret(name, int(found["Version"]))


def ensure_secret(
    clients: Clients, name: str, tags: dict[str, str], description: str = TOKEN, source: str = ""
) -> Secret:
    """Create the secret if it is missing; an existing one is not changed.

    Its value is that of the secret ``source``, or generated without one.
    """
    found = find_secret(clients, name)
    if found is None:
        value = secret_value(clients, source) if source else secrets.token_hex(BYTES)
        _create(clients, name, tags, description, value)
        found = find_secret(clients, name)
    if found is None:
        raise Refused(f"the secret {name} was created but cannot be read", hint="deploy again")
    return found


def secret_value(clients: Clients, name: str, hint: str = "deploy again") -> str:
    """Return the value of a secret; raises Refused, with the hint, when there is none."""
    with translated(f"reading the secret {name}"):
        try:
            found = clients("ssm").get_parameter(Name=name, WithDecryption=True)
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise
            raise Refused(f"there is no secret {name}", hint=hint) from error
    return str(found["Parameter"]["Value"])


def _create(
    clients: Clients, name: str, tags: dict[str, str], description: str, value: str
) -> None:
    with translated(f"creating the secret {name}"):
        try:
            clients("ssm").put_parameter(
                Name=name,
                Description=description,
                Value=value,
                Type="SecureString",
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )
        except ClientError as error:
            # Another deployer created it meanwhile: use theirs.
            if error_code(error) != "ParameterAlreadyExists":
                raise


def replace_secret(clients: Clients, name: str) -> None:
    """Give the secret another value, as its next version.

    Nodes take it when they next start Ray. Tags stay:
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    """
    with translated(f"replacing the secret {name}"):
        clients("ssm").put_parameter(
            Name=name, Value=secrets.token_hex(BYTES), Type="SecureString", Overwrite=True
        )


def remove_secret(clients: Clients, name: str) -> None:
    """Delete the secret, if it exists."""
    with translated(f"deleting the secret {name}"):
        try:
            clients("ssm").delete_parameter(Name=name)
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise
