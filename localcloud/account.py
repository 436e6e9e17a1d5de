"""The account and region of the local cloud, and a second one of each.

Instances run in both accounts, in the first region; all else runs in the first account alone.
"""

from collections.abc import Iterator
from typing import Any

ACCOUNT = "123456789012"
REGION = "us-east-1"
# What is promoted to another account or region goes there.
SECOND_ACCOUNT = "210987654321"
SECOND_REGION = "eu-central-1"


def ec2_backend() -> Any:
    """Return moto's EC2 of this account and region."""
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT][REGION]


def ec2_backends_in_use() -> Iterator[Any]:
    """Yield moto's EC2 of every account and region that was ever asked for something."""
    from moto.ec2.models import ec2_backends

    for account in list(ec2_backends.values()):
        yield from list(account.values())
