"""Where the local cloud is kinder than AWS, unless it is asked not to be: settings.

``LIKE_AWS`` puts into figures of a failover what AWS itself adds to them. A new target of a
network load balancer gets traffic 180 to 300 s after its registration, says AWS support; a group
sees a lost instance at its next health check; a load balancer takes minutes to be provisioned.
With no healthy target a network load balancer sends traffic to all of them and leaves their
connections alone ("fails open",
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html);
the kinder way is to refuse new connections and to close those there are.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviour:
    """Delays are in seconds."""

    registration: float = 0.0  # from a target's registration to its first health check
    provisioning: float = 0.0  # of a load balancer
    group_health: float = 0.0  # between two looks of a group at its instances' health
    fail_open: bool = False


KIND = Behaviour()
LIKE_AWS = Behaviour(registration=180.0, provisioning=150.0, group_health=60.0, fail_open=True)

_installed: list[Behaviour] = [KIND]


def install(behaviour: Behaviour) -> None:
    """Behave so from now on."""
    _installed[:] = [behaviour]


def current() -> Behaviour:
    """Return what is in force."""
    return _installed[0]
