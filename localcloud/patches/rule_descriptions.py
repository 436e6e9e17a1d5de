"""Which descriptions security groups and their rules may have.

Follows CreateSecurityGroup and IpRange of the EC2 API reference (docs.aws.amazon.com/AWSEC2/latest/
APIReference/API_CreateSecurityGroup.html, API_IpRange.html): up to 255 characters, no apostrophe
among them. moto takes any.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend

from localcloud.world import World

DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")
ALLOWED = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"


def _refuse(what: str) -> EC2ClientError:
    return EC2ClientError(
        "InvalidParameterValue",
        f"Invalid {what}. Valid descriptions are strings less than 256 characters from the "
        f"following set: {ALLOWED}",
    )


def _descriptions(arguments: list[Any]) -> Iterator[str]:
    """Yield the descriptions in the ranges, groups and prefix lists of a rule."""
    for peers in arguments:
        for peer in peers if isinstance(peers, list) else ():
            if isinstance(peer, dict) and peer.get("Description"):
                yield str(peer["Description"])


def _checked(authorize: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, *given: Any, **named: Any) -> Any:
        if not all(map(DESCRIPTION.fullmatch, _descriptions([*given, *named.values()]))):
            raise _refuse("rule description")
        return authorize(self, *given, **named)

    return checked


@cache
def install() -> None:
    """Check before moto makes groups and rules."""
    create = EC2Backend.create_security_group

    def create_security_group(
        self: Any, name: str, description: str, *more: Any, **named: Any
    ) -> Any:
        if not DESCRIPTION.fullmatch(description or ""):
            raise _refuse("security group description")
        return create(self, name, description, *more, **named)

    EC2Backend.create_security_group = create_security_group
    for direction in ("ingress", "egress"):
        method = f"authorize_security_group_{direction}"
        setattr(EC2Backend, method, _checked(getattr(EC2Backend, method)))


def attach(world: World) -> None:
    """Nothing happens here by itself."""
