"""Where the local cloud is kinder than AWS, unless it is asked not to be: settings.

``LIKE_AWS`` puts into figures of a failover what AWS itself adds to them. A new target of a
network load balancer gets traffic 180 to 300 s after its registration, says AWS support; a group
sees a lost instance at its next health check; a load balancer takes minutes to be provisioned.
With no healthy target a network load balancer sends traffic to all of them and leaves their
connections alone ("fails open",
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html);
the kinder way is to refuse new connections and to close those there are.
"""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Behaviour:
    """Delays are in seconds."""

    registration: float = 0.0  # from a target's registration to its first health check
    provisioning: float = 0.0  # of a load balancer
    group_health: float = 0.0  # between two looks of a group at its instances' health
    service_metrics: float = 5.0  # between two reports of what AWS's services measure themselves
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


def chosen(words: str) -> Behaviour:
    """Return what ``RAYKILN_BEHAVIOUR`` asks for: ``kind`` (or nothing), ``aws``, or a few fields.

    For example ``registration=60,fail_open=1``; raises ValueError on anything else.
    """
    known = {"": IDEALIZED, "kind": IDEALIZED, "aws": LIKE_AWS}
    if words in known:
        return known[words]
    pairs = dict(part.split("=", 1) for part in words.split(",") if "=" in part)
    names = {field.name for field in fields(Behaviour)}
    if len(pairs) != len(words.split(",")) or not pairs.keys() <= names:
        raise ValueError(f"{VARIABLE}={words}: kind, aws, or some of {', '.join(sorted(names))}")
    opens = bool(float(pairs.pop("fail_open", "0")))
    return replace(
        IDEALIZED, fail_open=opens, **{name: float(value) for name, value in pairs.items()}
    )


_installed: list[Behaviour] = [IDEALIZED]


def install(behaviour: Behaviour) -> None:
    """Behave so from now on."""
    _installed[:] = [behaviour]


def current() -> Behaviour:
    """Return what is in force."""
    return _installed[0]
