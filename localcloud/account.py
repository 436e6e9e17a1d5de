"""The one account and region of the local cloud."""

from typing import Any

ACCOUNT = "123456789012"
REGION = "us-east-1"


def ec2_backend() -> Any:
    """Return moto's EC2 of this account and region."""
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT][REGION]
