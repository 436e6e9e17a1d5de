"""Target groups: a network load balancer's defaults, registering, deregistering and draining.

Follows CreateTargetGroup, ModifyTargetGroup, RegisterTargets and DeregisterTargets in the Elastic
Load Balancing API reference and
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html
(deregistration delay, attributes and their defaults). moto gives every group an application load
balancer's defaults, and forgets a target at once.
"""

from functools import cache
from typing import Any

from moto.elbv2.exceptions import TargetGroupNotFoundError
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup
from moto.elbv2.responses import ELBV2Response

from localcloud import world
from localcloud.patches.elbv2.records import (
    DRAINING,
    HEALTHY,
    NOT_REGISTERED,
    Target,
    runs,
    targets,
)

NETWORK = ("TCP", "TLS", "UDP", "TCP_UDP")
HTTP = ("HTTP", "HTTPS")
HTTP_CHECK = {"path": "/", "matcher": "200-399", "timeout": 6}
ATTRIBUTES = {
    "deregistration_delay.connection_termination.enabled": "false",
    "deregistration_delay.timeout_seconds": "300",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "preserve_client_ip.enabled": "true",
    "proxy_protocol_v2.enabled": "false",
    "stickiness.enabled": "false",
    "stickiness.type": "source_ip",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
    "target_health_state.unhealthy.connection_termination.enabled": "true",
    "target_health_state.unhealthy.draining_interval_seconds": "0",
}


def is_on(target_group: Any, attribute: str) -> bool:
    return str(target_group.attributes.get(attribute, "")).lower() == "true"


def _create(create: Any) -> Any:
    def create_target_group(self: Any, name: str, **settings: Any) -> Any:
        network = settings.get("protocol") in NETWORK
        over_http = network and settings.get("healthcheck_protocol") in HTTP
        if over_http:
            settings["healthcheck_path"] = settings.get("healthcheck_path") or HTTP_CHECK["path"]
            settings["matcher"] = settings.get("matcher") or {"HttpCode": HTTP_CHECK["matcher"]}
            settings["healthcheck_timeout_seconds"] = (
                settings.get("healthcheck_timeout_seconds") or HTTP_CHECK["timeout"]
            )
        target_group = create(self, name, **settings)
        if network:
            target_group.attributes = dict(ATTRIBUTES)
        return target_group

    return create_target_group


def _modify(modify: Any) -> Any:
    def modify_target_group(self: Any) -> Any:
        codes = self._get_param("Matcher.HttpCode")
        answer = modify(self)
        target_group = self.elbv2_backend.target_groups[self._get_param("TargetGroupArn")]
        if codes and target_group.health_check_protocol in HTTP:
            target_group.matcher = {"HttpCode": codes}
        return answer

    return modify_target_group


def _register(register: Any) -> Any:
    def register_all(self: Any, found: list[dict[str, Any]]) -> None:
        register(self, found)
        now = world.now()
        for each in found:
            old = targets(self).get(each["Id"])
            if old is None or old.drains_until is not None:
                port = int(each.get("Port") or self.port)
                targets(self)[each["Id"]] = Target(each["Id"], port, now)

    return register_all


def _deregister(deregister: Any) -> Any:
    """A healthy target that runs drains for the delay; any other is removed at once."""

    def deregister_all(self: Any, found: list[dict[str, Any]]) -> None:
        deregister(self, found)
        delay = float(self.attributes["deregistration_delay.timeout_seconds"])
        for each in found:
            target = targets(self).get(each["Id"])
            if target is None:
                continue
            if target.health == HEALTHY and delay > 0 and runs(target, self):
                target.health = DRAINING
                target.drains_until = world.now() + delay
            else:
                del targets(self)[each["Id"]]

    return deregister_all


def _health_for(self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
    record = targets(self).get(target["Id"])
    health = record.health if record else NOT_REGISTERED
    port = record.port if record else target.get("Port", self.port)
    return FakeHealthStatus(
        target["Id"],
        port,
        port if self.health_check_port == "traffic-port" else self.health_check_port,
        health.state,
        health.reason,
        health.description,
    )


def _describe_target_health(
    self: Any, target_group_arn: str, requested: list[dict[str, Any]]
) -> list[Any]:
    """Without names: all that are registered, and those that still drain."""
    target_group = self.target_groups.get(target_group_arn)
    if target_group is None:
        raise TargetGroupNotFoundError()
    named = requested or [{"Id": name} for name in targets(target_group)]
    return [target_group.health_for(target, self.ec2_backend) for target in named]


def _notify_terminate_instances(self: Any, instance_ids: list[str]) -> None:
    """The health checker notices terminated instances."""


@cache
def install() -> None:
    ELBv2Backend.create_target_group = _create(ELBv2Backend.create_target_group)
    ELBV2Response.modify_target_group = _modify(ELBV2Response.modify_target_group)
    ELBv2Backend.describe_target_health = _describe_target_health
    ELBv2Backend.notify_terminate_instances = _notify_terminate_instances
    FakeTargetGroup.register = _register(FakeTargetGroup.register)
    FakeTargetGroup.deregister = _deregister(FakeTargetGroup.deregister)
    FakeTargetGroup.health_for = _health_for
