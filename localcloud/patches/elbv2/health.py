"""Health checks: real probes, at the target group's interval, counted against its thresholds.

Follows
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html
(interval, timeout, thresholds, matcher; checks come from the load balancer's own address) and
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-register-targets.html
(an instance that is terminated is deregistered, one that is stopped is not used). moto reports
registered targets as healthy.
"""

from typing import Any

from localcloud import behaviour
from localcloud.driver import Probed
from localcloud.patches.ec2 import ENDED
from localcloud.patches.elbv2.balancers import addresses, is_network
from localcloud.patches.elbv2.records import (
    CHECKING,
    HEALTHY,
    NOT_IN_USE,
    STOPPED,
    UNHEALTHY,
    Target,
    address_of,
    instance_of,
    listeners_of,
    runs,
    targets,
    zone_of,
)
from localcloud.world import current

NOT_RUNNING = ("pending", "stopping", "stopped")


def step(backend: Any, target_group: Any, now: float) -> None:
    """Bring every target of a group up to now."""
    balancer = next((b for b, _ in listeners_of(target_group, backend) if is_network(b)), None)
    for target in list(targets(target_group).values()):
        _advance(target_group, balancer, target, now)


def _advance(target_group: Any, balancer: Any, target: Target, now: float) -> None:
    if _is_over(target_group, target, now):
        del targets(target_group)[target.id]
        target_group.targets.pop(target.id, None)
    elif target.drains_until is None:
        _check(target_group, balancer, target, now)


def _is_over(target_group: Any, target: Target, now: float) -> bool:
    if target.drains_until is not None:
        return now >= target.drains_until or not runs(target, target_group)
    if not target.id.startswith("i-"):
        return False
    instance = instance_of(target, target_group)
    return instance is None or instance.state in ENDED


def _check(target_group: Any, balancer: Any, target: Target, now: float) -> None:
    instance = instance_of(target, target_group)
    if instance is not None and instance.state in NOT_RUNNING:
        target.health = STOPPED
        return
    if balancer is None:
        target.health = NOT_IN_USE
        return
    if target.health in (STOPPED, NOT_IN_USE):
        target.start_over(now)
    if now < target.registered + behaviour.current().registration:
        return
    if target.health.state == "initial":
        target.health = CHECKING
    _probe(target_group, balancer, target, now)


def _probe(target_group: Any, balancer: Any, target: Target, now: float) -> None:
    """Begin a check when one is due; count it when it has finished."""
    if not target.under_way:
        if now < target.due:
            return
        target.under_way = True
        target.due = now + float(target_group.health_check_interval_seconds)
    result = current().driver.probe(
        _checker(balancer, zone_of(target, target_group)),
        address_of(target, target_group),
        _check_port(target_group, target),
        target_group.health_check_path if target_group.health_check_protocol == "HTTP" else None,
        float(target_group.health_check_timeout_seconds),
    )
    if result is not None:
        target.under_way = False
        _count(target_group, target, passes(target_group, result))


def _count(target_group: Any, target: Target, passed: bool) -> None:
    target.successes = target.successes + 1 if passed else 0
    target.failures = 0 if passed else target.failures + 1
    if target.successes >= int(target_group.healthy_threshold_count):
        target.health = HEALTHY
    elif target.failures >= int(target_group.unhealthy_threshold_count):
        target.health = UNHEALTHY


def _checker(balancer: Any, zone: str) -> str:
    by_zone = addresses(balancer)
    return by_zone.get(zone) or next(iter(by_zone.values()))


def _check_port(target_group: Any, target: Target) -> int:
    port = target_group.health_check_port
    return target.port if port in (None, "traffic-port") else int(port)


def passes(target_group: Any, result: Probed) -> bool:
    """Say whether a probe's result is what the target group expects."""
    if not result.connected or target_group.health_check_protocol != "HTTP":
        return result.connected
    return result.status is not None and matches(target_group.matcher["HttpCode"], result.status)


def matches(codes: str, status: int) -> bool:
    """Say whether an HTTP status is among ``200``, ``200,202`` or ``200-399``."""
    for part in codes.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False
