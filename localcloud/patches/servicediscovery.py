"""Cloud Map: one namespace of a name in a VPC, with its zone; what is in use stays.

Follows CreatePrivateDnsNamespace, DeleteNamespace and DeleteService
(docs.aws.amazon.com/cloud-map/latest/api/): a namespace has a private hosted zone of its name, and
takes it along; a namespace with services, and a service with instances, is not deleted
(ResourceInUse). moto allows one namespace in a VPC, names its zone otherwise and leaves it, and
deletes what is in use. Names resolve by localcloud/resolver.py.
"""

from functools import cache
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.route53.models import route53_backends
from moto.servicediscovery.exceptions import ConflictingDomainExists
from moto.servicediscovery.models import Namespace, ServiceDiscoveryBackend

from localcloud.world import World


class InUse(JsonRESTError):  # type: ignore[misc] # moto has no types
    """Something else still needs it."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceInUse", message)


def _create(
    self: Any,
    name: str,
    creator_request_id: str,
    description: str,
    vpc: str,
    tags: list[dict[str, str]],
    properties: dict[str, Any],
) -> Any:
    """Create a private namespace with its hosted zone; return the operation's id."""
    if any(space.vpc == vpc and space.name == name for space in self.namespaces.values()):
        raise ConflictingDomainExists(vpc)
    zones = route53_backends[self.account_id]["aws"]
    comment = f"Created by AWS Cloud Map namespace {name}"
    zone = zones.create_hosted_zone(name, private_zone=True, comment=comment)
    found = dict((properties or {}).get("DnsProperties") or {}) | {"HostedZoneId": zone.id}
    space = Namespace(
        account_id=self.account_id,
        region=self.region_name,
        name=name,
        ns_type="DNS_PRIVATE",
        creator_request_id=creator_request_id,
        description=description,
        dns_properties=found,
        http_properties={"HttpName": name},
        vpc=vpc,
    )
    self.namespaces[space.id] = space
    if tags:
        self.tagger.tag_resource(space.arn, tags)
    return self._create_operation("CREATE_NAMESPACE", targets={"NAMESPACE": space.id})


@cache
def install() -> None:
    """Refuse deletions of what is in use, and delete the zones."""
    delete_namespace = ServiceDiscoveryBackend.delete_namespace
    delete_service = ServiceDiscoveryBackend.delete_service

    def without_services(self: Any, namespace_id: str) -> Any:
        if any(one.namespace_id == namespace_id for one in self.services.values()):
            raise InUse("The namespace has associated services and cannot be deleted.")
        zone = self.get_namespace(namespace_id).dns_properties.get("HostedZoneId")
        done = delete_namespace(self, namespace_id)
        zones = route53_backends[self.account_id]["aws"].zones
        zones.pop((zone or "").rpartition("/")[2], None)
        return done

    def without_instances(self: Any, service_id: str) -> None:
        if self.get_service(service_id).instances:
            raise InUse("The service contains registered instances and cannot be deleted.")
        delete_service(self, service_id)

    ServiceDiscoveryBackend.create_private_dns_namespace = _create
    ServiceDiscoveryBackend.delete_namespace = without_services
    ServiceDiscoveryBackend.delete_service = without_instances


def attach(world: World) -> None:
    """Nothing happens here by itself."""
