"""How long AWS takes where the local cloud takes no time: settings, all zero unless asked for.

With ``LIKE_AWS`` the figures of a failover include what AWS itself adds. A new target of a network
load balancer gets traffic 180 to 300 s after its registration, says AWS support; a group sees a
lost instance at its next health check; a load balancer is provisioned in two to three minutes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Delays:
    """Seconds."""

    registration: float = 0.0  # from a target's registration to its first health check
    provisioning: float = 0.0  # of a load balancer
    group_health: float = 0.0  # between two looks of a group at the health of its instances


NONE = Delays()
LIKE_AWS = Delays(registration=180.0, provisioning=150.0, group_health=60.0)

_installed: list[Delays] = [NONE]


def install(delays: Delays) -> None:
    """Use these from now on."""
    _installed[:] = [delays]


def current() -> Delays:
    """Return what is in force."""
    return _installed[0]
