"""AWS::ServiceDiscovery types (Cloud Map).

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ServiceDiscovery.html.
"""

from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call


@register
class PrivateDnsNamespace(ResourceType):
    type_name = "AWS::ServiceDiscovery::PrivateDnsNamespace"
    replacing = frozenset({"Name", "Vpc"})
    required = replacing
    properties = replacing | {"Description", "Tags"}
    attributes = frozenset({"Arn", "Id"})

    def create(self, place: Place, properties: Tree) -> str:
        given = chosen(properties, "Name", "Vpc", "Description")
        tags = place.tags(properties)
        made = call("servicediscovery", "create_private_dns_namespace", Tags=tags, **given)
        done = call("servicediscovery", "get_operation", OperationId=made["OperationId"])
        return str(done["Operation"]["Targets"]["NAMESPACE"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old and old.get("Description") != new.get("Description"):
            raise Failed("the local cloud does not change a namespace's description")

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("servicediscovery", "delete_namespace", Id=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name in self.attributes:
            return call("servicediscovery", "get_namespace", Id=physical_id)["Namespace"][name]
        return super().attribute(physical_id, name)


@register
class Service(ResourceType):
    type_name = "AWS::ServiceDiscovery::Service"
    replacing = frozenset({"HealthCheckCustomConfig", "Name", "NamespaceId"})
    properties = replacing | {"Description", "DnsConfig", "Tags"}
    attributes = frozenset({"Arn", "Id", "Name"})

    def create(self, place: Place, properties: Tree) -> str:
        given = {"Name": place.name(60), **chosen(properties, *(self.properties - {"Tags"}))}
        tags = place.tags(properties)
        made = call("servicediscovery", "create_service", Tags=tags, **given)
        return str(made["Service"]["Id"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old and chosen(old, "Description", "DnsConfig") != chosen(
            new, "Description", "DnsConfig"
        ):
            records = {"DnsRecords": new["DnsConfig"]["DnsRecords"]}
            changed = {**chosen(new, "Description"), "DnsConfig": records}
            call("servicediscovery", "update_service", Id=physical_id, Service=changed)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("servicediscovery", "delete_service", Id=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name in self.attributes:
            return call("servicediscovery", "get_service", Id=physical_id)["Service"][name]
        return super().attribute(physical_id, name)
