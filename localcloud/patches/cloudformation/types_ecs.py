"""AWS::ECS and AWS::ECR types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ECS.html and AWS_ECR.html. The
services' APIs have the same names with a small first letter.
"""

import json
from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.ecs.services import find_service
from localcloud.patches.internal import call, client

TRIGGERED = "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."


def request_of(service: str, operation: str, properties: Tree) -> Tree:
    """Return properties as an operation's request: the keys of structures, not those of maps."""
    model = client(service).meta.service_model
    name = client(service).meta.method_to_api_mapping[operation]
    return dict(_renamed(model.operation_model(name).input_shape, properties))


def _renamed(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure" and isinstance(value, dict):
        members = {member.lower(): member for member in shape.members}
        if odd := sorted(key for key in value if key.lower() not in members):
            raise Failed(f"the local cloud has no {', '.join(odd)} in {shape.name}")
        keys = {key: members[key.lower()] for key in value}
        return {keys[key]: _renamed(shape.members[keys[key]], item) for key, item in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_renamed(shape.member, item) for item in value]
    return value


def small(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return tags as the API of ECS has them."""
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in tags]


@register
class Cluster(ResourceType):
    type_name = "AWS::ECS::Cluster"
    replacing = frozenset({"ClusterName"})
    properties = replacing | {
        "CapacityProviders",
        "ClusterSettings",
        "DefaultCapacityProviderStrategy",
        "Tags",
    }
    attributes = frozenset({"Arn"})

    def create(self, place: Place, properties: Tree) -> str:
        name = str(properties.get("ClusterName") or place.name(255))
        call("ecs", "create_cluster", clusterName=name, tags=small(place.tags(properties)))
        return name

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if "ClusterSettings" in new:
            settings = request_of("ecs", "update_cluster", {"Settings": new["ClusterSettings"]})
            call("ecs", "update_cluster", cluster=physical_id, **settings)
        if "CapacityProviders" in new:
            put_providers(physical_id, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ecs", "delete_cluster", cluster=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Arn":
            found = call("ecs", "describe_clusters", clusters=[physical_id])
            return found["clusters"][0]["clusterArn"]
        return super().attribute(physical_id, name)


def put_providers(cluster: str, properties: Tree) -> None:
    """Set a cluster's capacity providers and its default strategy."""
    given = {
        "CapacityProviders": properties.get("CapacityProviders", []),
        "DefaultCapacityProviderStrategy": properties.get("DefaultCapacityProviderStrategy", []),
    }
    request = request_of("ecs", "put_cluster_capacity_providers", given)
    call("ecs", "put_cluster_capacity_providers", cluster=cluster, **request)


@register
class ClusterCapacityProviderAssociations(ResourceType):
    type_name = "AWS::ECS::ClusterCapacityProviderAssociations"
    replacing = frozenset({"Cluster"})
    required = frozenset({"Cluster", "CapacityProviders", "DefaultCapacityProviderStrategy"})
    properties = required
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        return str(properties["Cluster"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        put_providers(physical_id, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        put_providers(physical_id, {})


@register
class TaskDefinition(ResourceType):
    type_name = "AWS::ECS::TaskDefinition"
    replacing = frozenset(
        {
            "ContainerDefinitions",
            "Cpu",
            "EphemeralStorage",
            "ExecutionRoleArn",
            "Family",
            "Memory",
            "NetworkMode",
            "RequiresCompatibilities",
            "RuntimePlatform",
            "TaskRoleArn",
            "Volumes",
        }
    )
    properties = replacing | {"Tags"}
    required = frozenset({"ContainerDefinitions"})
    attributes = frozenset({"TaskDefinitionArn"})

    def create(self, place: Place, properties: Tree) -> str:
        given = {"Family": place.name(255), **chosen(properties, *self.replacing)}
        request = request_of("ecs", "register_task_definition", given)
        tags = small(place.tags(properties))
        made = call("ecs", "register_task_definition", tags=tags, **request)
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ecs", "deregister_task_definition", taskDefinition=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "TaskDefinitionArn":
            return physical_id
        return super().attribute(physical_id, name)


@register
class Service(ResourceType):
    """A service is ready when its deployment is; one that has failed fails the stack."""

    type_name = "AWS::ECS::Service"
    settable = frozenset(
        {
            "CapacityProviderStrategy",
            "DeploymentConfiguration",
            "DesiredCount",
            "EnableECSManagedTags",
            "EnableExecuteCommand",
            "HealthCheckGracePeriodSeconds",
            "LoadBalancers",
            "NetworkConfiguration",
            "PlatformVersion",
            "PropagateTags",
            "ServiceRegistries",
            "TaskDefinition",
        }
    )
    replacing = frozenset({"Cluster", "LaunchType", "SchedulingStrategy", "ServiceName"})
    properties = settable | replacing | {"AvailabilityZoneRebalancing", "Tags"}
    required = frozenset({"TaskDefinition"})
    attributes = frozenset({"Name", "ServiceArn"})

    def create(self, place: Place, properties: Tree) -> str:
        given = {"ServiceName": place.name(255), **chosen(properties, *self.settable)}
        given |= chosen(properties, *self.replacing)
        request = request_of("ecs", "create_service", given)
        tags = small(place.tags(properties))
        made = call("ecs", "create_service", tags=tags, **request)
        return str(made["service"]["serviceArn"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if not old:
            return
        # What the template leaves to scaling is not reset.
        given = {k: v for k, v in chosen(new, *self.settable).items() if old.get(k) != v}
        request = request_of("ecs", "update_service", given)
        where = {"cluster": self._cluster(physical_id), "service": physical_id}
        call("ecs", "update_service", **where, **request)

    def delete(self, physical_id: str, properties: Tree) -> None:
        where = {"cluster": self._cluster(physical_id), "service": physical_id}
        if self._described(physical_id)["status"] != "INACTIVE":
            call("ecs", "delete_service", **where, force=True)

    def is_gone(self, physical_id: str) -> bool:
        return bool(self._described(physical_id)["status"] == "INACTIVE")

    def attribute(self, physical_id: str, name: str) -> Any:
        known = {"Name": physical_id.rpartition("/")[2], "ServiceArn": physical_id}
        return known.get(name) or super().attribute(physical_id, name)

    def is_ready(self, physical_id: str) -> bool:
        if find_service(self._cluster(physical_id), physical_id).has_failed:
            raise Failed(TRIGGERED)
        deployments = self._described(physical_id)["deployments"]
        return len(deployments) == 1 and deployments[0]["rolloutState"] == "COMPLETED"

    def _described(self, physical_id: str) -> Tree:
        where = {"cluster": self._cluster(physical_id), "services": [physical_id]}
        return dict(call("ecs", "describe_services", **where)["services"][0])

    def _cluster(self, physical_id: str) -> str:
        return physical_id.split("/")[1]


@register
class Repository(ResourceType):
    type_name = "AWS::ECR::Repository"
    replacing = frozenset({"EncryptionConfiguration", "RepositoryName"})
    properties = replacing | {
        "EmptyOnDelete",
        "ImageScanningConfiguration",
        "ImageTagMutability",
        "LifecyclePolicy",
        "RepositoryPolicyText",
        "Tags",
    }
    attributes = frozenset({"Arn", "RepositoryUri"})

    def create(self, place: Place, properties: Tree) -> str:
        names = ("EncryptionConfiguration", "ImageScanningConfiguration", "ImageTagMutability")
        given = {"RepositoryName": place.name(255).lower(), **chosen(properties, *names)}
        given |= chosen(properties, "RepositoryName")
        request = request_of("ecr", "create_repository", given)
        made = call("ecr", "create_repository", tags=place.tags(properties), **request)
        return str(made["repository"]["repositoryName"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        name = {"repositoryName": physical_id}
        if old and new.get("ImageTagMutability") != old.get("ImageTagMutability"):
            mutability = new.get("ImageTagMutability", "MUTABLE")
            call("ecr", "put_image_tag_mutability", **name, imageTagMutability=mutability)
        if old and new.get("ImageScanningConfiguration") != old.get("ImageScanningConfiguration"):
            given = {"ImageScanningConfiguration": new.get("ImageScanningConfiguration", {})}
            request = request_of("ecr", "put_image_scanning_configuration", given)
            call("ecr", "put_image_scanning_configuration", **name, **request)
        if policy := (new.get("LifecyclePolicy") or {}).get("LifecyclePolicyText"):
            call("ecr", "put_lifecycle_policy", **name, lifecyclePolicyText=policy)
        elif "LifecyclePolicy" in old:
            call("ecr", "delete_lifecycle_policy", **name)
        if "RepositoryPolicyText" in new:
            text = json.dumps(new["RepositoryPolicyText"])
            call("ecr", "set_repository_policy", **name, policyText=text)
        elif "RepositoryPolicyText" in old:
            call("ecr", "delete_repository_policy", **name)

    def delete(self, physical_id: str, properties: Tree) -> None:
        force = str(properties.get("EmptyOnDelete", False)).lower() == "true"
        call("ecr", "delete_repository", repositoryName=physical_id, force=force)

    def attribute(self, physical_id: str, name: str) -> Any:
        keys = {"Arn": "repositoryArn", "RepositoryUri": "repositoryUri"}
        if name in keys:
            found = call("ecr", "describe_repositories", repositoryNames=[physical_id])
            return found["repositories"][0][keys[name]]
        return super().attribute(physical_id, name)
