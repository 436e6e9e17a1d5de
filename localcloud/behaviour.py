"""How the local cloud behaves: idealized, or with AWS's delays.

``LIKE_AWS`` adds to a failover what AWS itself adds to it. A new target of a network load balancer
gets traffic 180 to 300 s after its registration, says AWS support; a group notices a lost instance
at its next health check; a load balancer takes minutes to be provisioned. With no healthy target a
network load balancer sends traffic to those that failed their checks, and leaves their connections
open ("fails open",
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html);
the idealized one refuses new connections and closes existing ones.
"""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Behaviour:
    """Delays are in seconds."""

    registration: float = 0.0  # from a target's registration to its first health check
    provisioning: float = 0.0  # of a load balancer
    group_health: float = 0.0  # between two health checks of a group
    service_metrics: float = 5.0  # between two reports of the services' own metrics
    fail_open: bool = False


VARIABLE = "RAYKILN_BEHAVIOUR"
IDEALIZED = Behaviour()
LIKE_AWS = Behaviour(
    registration=180.0,
    provisioning=150.0,
    group_health=60.0,
    service_metrics=60.0,
    fail_open=True,
)


def parse(setting: str) -> Behaviour:
    """Return what ``RAYKILN_BEHAVIOUR`` sets: ``idealized`` (the default), ``aws``, or some fields.

    For example ``registration=60,fail_open=1``; raises ValueError on anything else.
    """
    known = {"": IDEALIZED, "idealized": IDEALIZED, "aws": LIKE_AWS}
    if setting in known:
        return known[setting]
    pairs = dict(part.split("=", 1) for part in setting.split(",") if "=" in part)
    names = {field.name for field in fields(Behaviour)}
    if len(pairs) != len(setting.split(",")) or not pairs.keys() <= names:
        raise ValueError(
            f"{VARIABLE}={setting}: use idealized, aws, or some of {', '.join(sorted(names))}"
        )
    opens = bool(float(pairs.pop("fail_open", "0")))
    return replace(
        IDEALIZED, fail_open=opens, **{name: float(value) for name, value in pairs.items()}
    )


_installed: list[Behaviour] = [IDEALIZED]


def install(behaviour: Behaviour) -> None:
    """Use this behaviour from now on."""
    _installed[:] = [behaviour]


def current() -> Behaviour:
    """Return the behaviour in use."""
    return _installed[0]
