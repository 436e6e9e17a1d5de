"""A running task is found by its service's name in Cloud Map, and by its target groups.

Follows "Use service discovery to connect Amazon ECS services with DNS names" (docs.aws.amazon.com/
AmazonECS/latest/developerguide/service-discovery.html: an instance for each task, with these
attributes) and "Use load balancing to distribute Amazon ECS service traffic" (.../developerguide/
service-load-balancing.html: targets by address).
"""

from localcloud.account import REGION
from localcloud.patches.ecs.records import Task
from localcloud.patches.internal import call


def register(task: Task) -> None:
    """Register a task that runs."""
    service = task.group.removeprefix("service:")
    for registry in task.registries:
        attributes = {
            "AWS_INSTANCE_IPV4": task.address,
            "AVAILABILITY_ZONE": task.interface.subnet.availability_zone,
            "REGION": REGION,
            "ECS_CLUSTER_NAME": task.cluster,
            "ECS_SERVICE_NAME": service,
            "ECS_TASK_DEFINITION_FAMILY": task.definition.family,
        }
        call(
            "servicediscovery",
            "register_instance",
            ServiceId=_service_id(registry),
            InstanceId=task.task_id,
            Attributes=attributes,
        )
    for balancer in task.balancers:
        targets = [{"Id": task.address, "Port": balancer["containerPort"]}]
        group = {"TargetGroupArn": balancer["targetGroupArn"]}
        call("elbv2", "register_targets", **group, Targets=targets)


def deregister(task: Task) -> None:
    """Deregister a task that is about to stop; one that never ran is not registered."""
    if not task.was_running:
        return
    for registry in task.registries:
        instance = {"ServiceId": _service_id(registry), "InstanceId": task.task_id}
        call("servicediscovery", "deregister_instance", **instance)
    for balancer in task.balancers:
        targets = [{"Id": task.address, "Port": balancer["containerPort"]}]
        group = {"TargetGroupArn": balancer["targetGroupArn"]}
        call("elbv2", "deregister_targets", **group, Targets=targets)


def target_states(task: Task) -> dict[str, str]:
    """Return the states of a running task's targets, by the ARN of their target group."""
    found = {}
    for balancer in task.balancers if task.was_running else ():
        arn = balancer["targetGroupArn"]
        target = {"Id": task.address, "Port": balancer["containerPort"]}
        given = {"TargetGroupArn": arn, "Targets": [target]}
        (state,) = call("elbv2", "describe_target_health", **given)["TargetHealthDescriptions"]
        found[arn] = str(state["TargetHealth"]["State"])
    return found


def _service_id(registry: dict[str, str]) -> str:
    return registry["registryArn"].rpartition("/")[2]
