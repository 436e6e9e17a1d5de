"""CPUUtilization and MemoryUtilization of services, which scaling policies and alarms watch.

Follows "Amazon ECS CloudWatch metrics" and "Amazon ECS service utilization metrics"
(docs.aws.amazon.com/AmazonECS/latest/developerguide/service_utilization.html: what the service's
tasks use, of what they have reserved, by ClusterName and ServiceName). AWS sends them once a
minute; see localcloud/behaviour.py. moto has none.
"""

from localcloud import behaviour
from localcloud.patches.ecs.records import Task
from localcloud.patches.ecs.services import Service, services
from localcloud.patches.internal import call

PERCENT = {"CPUUtilization": "cpu", "MemoryUtilization": "memory"}
_due = [float("-inf")]


def reset() -> None:
    """Report at the next step."""
    _due[0] = float("-inf")


def reconcile(now: float) -> None:
    """Send a round of metrics when it is due."""
    if now < _due[0]:
        return
    _due[0] = now + behaviour.current().service_metrics
    for service in services().values():
        _report(service)


def _report(service: Service) -> None:
    known = [task for task in service.tasks if task.usage]
    if not known:
        return
    where = {"ClusterName": service.cluster, "ServiceName": service.name}
    dimensions = [{"Name": name, "Value": value} for name, value in where.items()]
    data = [
        {
            "MetricName": name,
            "Dimensions": dimensions,
            "Unit": "Percent",
            "Value": _mean(known, key),
        }
        for name, key in PERCENT.items()
    ]
    call("cloudwatch", "put_metric_data", Namespace="AWS/ECS", MetricData=data)


def _mean(found: list[Task], key: str) -> float:
    """All tasks of a service have the same size, so the mean is the share of the whole."""
    return sum(task.usage[key] for task in found) / len(found)
