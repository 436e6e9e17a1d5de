"""What a load balancer knows of its targets. No AWS calls.

States, reasons and descriptions are those of TargetHealth in the Elastic Load Balancing API
reference, and of
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.elbv2.models import elbv2_backends


@dataclass(frozen=True)
class Health:
    """What DescribeTargetHealth says of a target."""

    state: str
    reason: str | None = None
    description: str | None = None


REGISTERING = Health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
HEALTHY = Health("healthy")
UNHEALTHY = Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
DRAINING = Health(
    "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
)
STOPPED = Health("unused", "Target.InvalidState", "Target is in the stopped state")
NOT_IN_USE = Health(
    "unused",
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
NOT_REGISTERED = Health(
    "unused", "Target.NotRegistered", "Target is not registered to the target group"
)


@dataclass
class Target:
    """One target, as the health checker keeps it; times are the world's."""

    id: str
    port: int
    registered: float
    health: Health = REGISTERING
    due: float = 0.0  # of the next check
    under_way: bool = False  # a check was begun and has not ended
    successes: int = 0  # in a row
    failures: int = 0  # in a row
    drains_until: float | None = None

    def start_over(self, now: float) -> None:
        self.registered, self.health, self.due = now, REGISTERING, 0.0
        self.under_way, self.successes, self.failures = False, 0, 0


def targets(target_group: Any) -> dict[str, Target]:
    """Return the target group's records by target id, those still draining included."""
    if not hasattr(target_group, "records"):
        target_group.records = {}
    found: dict[str, Target] = target_group.records
    return found


def backends() -> Iterator[Any]:
    for regions in list(elbv2_backends.values()):
        yield from list(regions.values())


def listeners_of(target_group: Any, backend: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each load balancer and listener that forwards to the target group by default."""
    for balancer in backend.load_balancers.values():
        for listener in balancer.listeners.values():
            if target_group.arn in forwards_to(listener, backend):
                yield balancer, listener


def forwards_to(listener: Any, backend: Any) -> list[str]:
    """Return the ARNs of the target groups a listener forwards to by default."""
    found: list[str] = []
    for action in listener.default_actions:
        if action.type == "forward":
            found += backend._get_target_group_arns_from(action_data=action.data)
    return found


def instance_of(target: Target, target_group: Any) -> Any:
    """Return the target's instance; None for an address, or when it is gone."""
    return target_group.ec2_backend.get_instance_by_id(target.id)


def runs(target: Target, target_group: Any) -> bool:
    """Say whether the target can have connections at all; an address always can."""
    if not target.id.startswith("i-"):
        return True
    instance = instance_of(target, target_group)
    return instance is not None and instance.state == "running"


def address_of(target: Target, target_group: Any) -> str:
    instance = instance_of(target, target_group)
    return str(instance.private_ip) if instance else target.id


def zone_of(target: Target, target_group: Any) -> str:
    instance = instance_of(target, target_group)
    return str(instance.placement.zone) if instance else "all"
