"""CreateService, UpdateService, DeleteService and what describes services and clusters.

Follows those operations of the ECS API (docs.aws.amazon.com/AmazonECS/latest/APIReference/). moto
forgets most of a request, replaces a service of the same name silently, and makes no tasks.
"""

import re
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from moto.core.responses import ActionResult
from moto.ecs.exceptions import ECSException, InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend
from moto.ecs.responses import EC2ContainerServiceResponse

from localcloud import world
from localcloud.patches.ecs.api import active_definition, cluster_of, strategy_of
from localcloud.patches.ecs.records import Tree, arn, tasks
from localcloud.patches.ecs.services import (
    SETTINGS,
    Deployment,
    Service,
    find_service,
    is_running,
    key_of,
    role_problem,
    services,
    settled,
)
from localcloud.patches.internal import call

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
# Accepted with the value that is the only one here.
ONLY = {"schedulingStrategy": ("REPLICA",), "platformVersion": ("LATEST", "1.4.0")}
UNSUPPORTED = ("serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations")


def _check(self: Any, name: str) -> None:
    if not NAME.fullmatch(name or ""):
        raise InvalidParameterException("Service name is invalid.")
    for parameter, values in ONLY.items():
        given = self._get_param(parameter)
        if given and given not in values:
            raise InvalidParameterException(f"the local cloud has no {parameter} {given}")
    if odd := [one for one in UNSUPPORTED if self._get_param(one)]:
        raise InvalidParameterException(f"the local cloud has no {', '.join(odd)}")


def _create_service(self: Any) -> ActionResult:
    cluster, name = cluster_of(self), self._get_param("serviceName")
    _check(self, name)
    key = key_of(cluster.name, name)
    if key in services() and services()[key].status != "INACTIVE":
        raise InvalidParameterException("Creation of service was not idempotent.")
    definition, strategy = active_definition(self), strategy_of(self, cluster)
    if problem := role_problem(definition):
        raise InvalidParameterException(problem)
    network = _network(self._get_param("networkConfiguration"))
    now = world.now()
    request = {name: self._get_param(name) for name in SETTINGS}
    deployment = _deployment(definition, network, strategy, now)
    service = Service(
        cluster=cluster.name,
        name=name,
        desired=_count(self._get_param("desiredCount", 1)),
        created=now,
        settings=settled(request, {}),
        deployments=[deployment],
        asked=definition.arn,
        tags=self._get_param("tags") or [],
    )
    services()[key] = service
    return ActionResult({"service": shown(service)})


def _network(given: Tree | None) -> Tree:
    """Return a network configuration whose subnets and groups exist; raises AWS's error."""
    wanted = (given or {}).get("awsvpcConfiguration") or {}
    if given is None or not wanted.get("subnets"):
        raise InvalidParameterException(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    try:
        call("ec2", "describe_subnets", SubnetIds=wanted["subnets"])
        if wanted.get("securityGroups"):
            call("ec2", "describe_security_groups", GroupIds=wanted["securityGroups"])
    except ClientError as error:
        details = error.response["Error"]
        raise InvalidParameterException(
            f"Error retrieving network information: {details['Message']} "
            f"(ErrorCode: {details['Code']})"
        ) from error
    # AwsVpcConfiguration: without an answer a service's tasks get no public address.
    return {"awsvpcConfiguration": {"securityGroups": [], "assignPublicIp": "DISABLED"} | wanted}


def _count(given: Any) -> int:
    count = int(given)
    if count < 0:
        raise InvalidParameterException("desiredCount must not be negative.")
    return count


def _deployment(definition: Any, network: Tree, strategy: list[Tree], now: float) -> Deployment:
    made = Deployment(
        definition=definition,
        network=network,
        strategy=strategy,
        launch_type="" if strategy else "FARGATE",
        platform="LATEST",
        created=now,
        updated=now,
    )
    made.reason = f"ECS deployment {made.deployment_id} in progress."
    return made


def _update_service(self: Any) -> ActionResult:
    cluster = cluster_of(self)
    service = find_service(cluster.name, self._get_param("service"))
    if service.status != "ACTIVE":
        raise _not_active()
    request = {name: self._get_param(name) for name in SETTINGS}
    settings = settled(request, service.settings)
    fresh = _redeployed(self, cluster, service)
    count = self._get_param("desiredCount")
    if count is not None:
        service.desired = _count(count)
    service.settings, service.steady = settings, False
    service.asked = (fresh or service.primary).definition.arn
    if fresh is not None:
        for deployment in service.deployments:
            deployment.status = "ACTIVE"
        service.deployments = [fresh, *service.deployments]
    return ActionResult({"service": shown(service)})


def _redeployed(self: Any, cluster: Any, service: Service) -> Deployment | None:
    """Return the new deployment that a request asks for, if any."""
    primary = service.primary
    definition = (
        active_definition(self) if self._get_param("taskDefinition") else primary.definition
    )
    network = self._get_param("networkConfiguration")
    strategy = self._get_param("capacityProviderStrategy")
    if problem := role_problem(definition):
        raise InvalidParameterException(problem)
    wanted = _network(network) if network else primary.network
    providers = strategy_of(self, cluster) if strategy is not None else primary.strategy
    same = (
        definition is primary.definition,
        wanted == primary.network,
        providers == primary.strategy,
    )
    if all(same) and not self._get_bool_param("forceNewDeployment", False):
        return None
    return _deployment(definition, wanted, providers, world.now())


def _not_active() -> Any:
    return ECSException("ServiceNotActiveException", "Service was not ACTIVE.")


def _delete_service(self: Any) -> ActionResult:
    service = find_service(cluster_of(self).name, self._get_param("service"))
    if service.desired > 0 and not self._get_bool_param("force", False):
        raise InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
    service.desired = 0
    if service.status == "ACTIVE":
        service.status = "DRAINING"
    return ActionResult({"service": shown(service)})


def _describe_services(self: Any) -> ActionResult:
    cluster, found, failures = cluster_of(self), [], []
    with_tags = "TAGS" in self._get_param("include", [])
    for reference in self._get_param("services", []):
        service = services().get(key_of(cluster.name, reference))
        if service is None:
            name = reference.rpartition("/")[2]
            missing = arn("service", cluster.name, name)
            failures.append({"arn": missing, "reason": "MISSING"})
        else:
            found.append(shown(service) | ({"tags": service.tags} if with_tags else {}))
    return ActionResult({"services": found, "failures": failures})


def _list_services(self: Any) -> ActionResult:
    cluster = cluster_of(self)
    every = services().values()
    found = [s.arn for s in every if s.cluster == cluster.name and s.status != "INACTIVE"]
    return ActionResult({"serviceArns": found})


def shown(service: Service) -> Tree:
    """Return a service as the API describes it."""
    primary = service.primary
    return {
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": arn("cluster", service.cluster),
        "status": service.status,
        **_counts(service.desired, service.tasks),
        **_placed(primary),
        "taskDefinition": primary.definition.arn,
        "deployments": [_shown_deployment(service, one) for one in service.deployments],
        "events": service.events,
        "createdAt": service.created,
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "networkConfiguration": primary.network,
        "placementConstraints": [],
        "placementStrategy": [],
        "platformVersion": primary.platform,
        "platformFamily": "Linux",
        **service.settings,
    }


def _counts(desired: int, found: list[Any]) -> Tree:
    running = sum(is_running(task) for task in found)
    return {
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": sum(task.is_wanted and not is_running(task) for task in found),
    }


def _placed(deployment: Deployment) -> Tree:
    if deployment.strategy:
        return {"capacityProviderStrategy": deployment.strategy}
    return {"launchType": deployment.launch_type}


def _shown_deployment(service: Service, deployment: Deployment) -> Tree:
    desired = service.desired if deployment.status == "PRIMARY" else 0
    return {
        "id": deployment.deployment_id,
        "status": deployment.status,
        "taskDefinition": deployment.definition.arn,
        **_counts(desired, deployment.tasks),
        **_placed(deployment),
        "failedTasks": deployment.failed,
        "createdAt": deployment.created,
        "updatedAt": deployment.updated,
        "platformVersion": deployment.platform,
        "platformFamily": "Linux",
        "networkConfiguration": deployment.network,
        "rolloutState": deployment.rollout,
        "rolloutStateReason": deployment.reason,
    }


def _count_cluster(cluster: Any) -> None:
    """Bring a cluster's counts up to date; moto describes them."""
    mine = [task for task in tasks().values() if task.cluster == cluster.name]
    cluster.running_tasks_count = sum(task.last_status == "RUNNING" for task in mine)
    cluster.pending_tasks_count = sum(
        task.last_status in ("PROVISIONING", "PENDING", "ACTIVATING") for task in mine
    )
    held = [s for s in services().values() if s.cluster == cluster.name]
    cluster.active_services_count = sum(service.status == "ACTIVE" for service in held)


@cache
def install() -> None:
    """Put these actions in place of moto's."""
    for action, answer in {
        "create_service": _create_service,
        "update_service": _update_service,
        "delete_service": _delete_service,
        "describe_services": _describe_services,
        "list_services": _list_services,
    }.items():
        setattr(EC2ContainerServiceResponse, action, answer)
    _install_clusters()


def _install_clusters() -> None:
    """CreateCluster twice is one cluster; DeleteCluster refuses one in use."""
    create = EC2ContainerServiceBackend.create_cluster
    delete = EC2ContainerServiceBackend.delete_cluster
    describe = EC2ContainerServiceBackend.describe_clusters

    def create_cluster(self: Any, cluster_name: str, *given: Any, **more: Any) -> Any:
        existing = self.clusters.get(cluster_name)
        if existing is not None and existing.status == "ACTIVE":
            return existing
        return create(self, cluster_name, *given, **more)

    def describe_clusters(self: Any, cluster_names: list[str]) -> Any:
        for cluster in self.clusters.values():
            _count_cluster(cluster)
        return describe(self, cluster_names)

    def delete_cluster(self: Any, cluster_str: str) -> Any:
        cluster = self._get_cluster(cluster_str)
        _count_cluster(cluster)
        if cluster.active_services_count:
            raise ECSException(
                "ClusterContainsServicesException",
                "The Cluster cannot be deleted while Services are active.",
            )
        if any(t.cluster == cluster.name and not t.is_over for t in tasks().values()):
            raise ECSException(
                "ClusterContainsTasksException",
                "The Cluster cannot be deleted while Tasks are active.",
            )
        return delete(self, cluster_str)

    EC2ContainerServiceBackend.create_cluster = create_cluster
    EC2ContainerServiceBackend.describe_clusters = describe_clusters
    EC2ContainerServiceBackend.delete_cluster = delete_cluster
