"""Where each network load balancer forwards connections now. Reads, and changes nothing.

Follows
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html
(healthy targets get traffic, in the node's own zone unless zones are crossed; with none healthy
those that failed their checks do, if the behaviour in use fails open, and those that are being
registered do not) and edit-target-group-attributes.html (what becomes of connections).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud import behaviour
from localcloud.patches.elbv2.balancers import addresses, crosses_zones, is_network
from localcloud.patches.elbv2.records import (
    DRAINING,
    HEALTHY,
    UNHEALTHY,
    Target,
    address_of,
    backends,
    forwards_to,
    targets,
    zone_of,
)
from localcloud.patches.elbv2.target_groups import is_on

READY, DRAIN, OUT = "ready", "drain", "maint"
CLOSES_UNHEALTHY = "target_health_state.unhealthy.connection_termination.enabled"
CLOSES_GONE = "deregistration_delay.connection_termination.enabled"


@dataclass(frozen=True)
class Server:
    """One target: ``ready`` for connections, in ``drain`` (keeps those it has), or in ``maint``."""

    name: str
    address: str
    port: int
    state: str


@dataclass(frozen=True)
class Frontend:
    """One listener at one address."""

    address: str
    port: int
    idle_seconds: int
    closes_unhealthy: bool  # the connections of a target that fails its health checks
    closes_gone: bool  # the connections of a target that is deregistered
    servers: tuple[Server, ...]


@dataclass(frozen=True)
class ForwardingPlan:
    """One load balancer: where it is, and where its connections go."""

    name: str
    addresses: tuple[str, ...]
    frontends: tuple[Frontend, ...]


def plans() -> tuple[ForwardingPlan, ...]:
    """Return the plan of every network load balancer that is active."""
    return tuple(
        _plan(backend, balancer)
        for backend in backends()
        for balancer in backend.load_balancers.values()
        if is_network(balancer) and balancer.state == "active"
    )


def _plan(backend: Any, balancer: Any) -> ForwardingPlan:
    by_zone = addresses(balancer)
    frontends = tuple(
        frontend
        for zone, address in by_zone.items()
        for listener in balancer.listeners.values()
        for frontend in _frontends(backend, balancer, listener, zone, address)
    )
    name = str(balancer.arn).rsplit("/", 1)[1]
    return ForwardingPlan(name, tuple(by_zone.values()), frontends)


def _frontends(
    backend: Any, balancer: Any, listener: Any, zone: str, address: str
) -> Iterator[Frontend]:
    """A network load balancer's listener forwards to one target group."""
    for arn in forwards_to(listener, backend)[:1]:
        group = backend.target_groups[arn]
        yield Frontend(
            address=address,
            port=int(listener.port),
            idle_seconds=int(listener.attributes["tcp.idle_timeout.seconds"]),
            closes_unhealthy=is_on(group, CLOSES_UNHEALTHY),
            closes_gone=is_on(group, CLOSES_GONE),
            servers=tuple(
                Server(
                    target.id,
                    address_of(target, group),
                    target.port,
                    _state(group, target),
                )
                for target in targets(group).values()
                if crosses_zones(balancer, group) or zone_of(target, group) in (zone, "all")
            ),
        )


def _state(target_group: Any, target: Target) -> str:
    if target.health == HEALTHY:
        return READY
    if target.health == DRAINING:
        return DRAIN
    healthy = any(found.health == HEALTHY for found in targets(target_group).values())
    opens = behaviour.current().fail_open and not healthy
    return READY if opens and target.health == UNHEALTHY else OUT
