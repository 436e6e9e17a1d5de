"""The zones of a VPC that is created for the documents: those that have what tasks need.

Reads AWS only.

A subnet's zone cannot be changed, so a stack keeps the zones that it has.
"""

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from deploy.documents.desired_stack import SHARED_ENDPOINTS
from deploy.documents.network_preflight import ADDED
from deploy.foundation.stack import Stack
from deploy.foundation.zones import all_zones, endpoint_zones, named_zones, zones_of_subnets

COUNT = 2  # of the template's private subnets
SUBNETS = "PrivateSubnetIds"
# The ids of the zones that Fargate is in, of regions where it is not in all:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html
FARGATE = {
    "ap-northeast-1": frozenset({"apne1-az1", "apne1-az2", "apne1-az4"}),
    "us-west-1": frozenset({"usw1-az1", "usw1-az3"}),
}


def zones_for(clients: Clients, environment: Environment, stack: Stack | None) -> tuple[str, ...]:
    """Return the zones of the private subnets; none where the documents have no VPC of their own.

    ``stack`` is that of the pipeline, if there is one. Raises Refused where too few zones have what
    is needed.
    """
    documents = environment.documents
    if documents.on_cluster or documents.network != "own":
        return ()
    held = _held(clients, stack) if stack else ()
    return held or _chosen(clients, environment)


def _held(clients: Clients, stack: Stack) -> tuple[str, ...]:
    """Return the zones of the stack's own private subnets; none if it made none."""
    subnets = stack.outputs.get(SUBNETS)
    if stack.parameters.get("ExistingVpcId") or not subnets:
        return ()
    return named_zones(stack) or zones_of_subnets(clients, subnets.split(","))


def _chosen(clients: Clients, environment: Environment) -> tuple[str, ...]:
    """Return the first zones that have Fargate and each endpoint service; raises Refused."""
    region, endpoints = environment.region, environment.documents.endpoints
    served = endpoint_zones(clients, region, (*ADDED, *SHARED_ENDPOINTS) if endpoints else ())
    zones = all_zones(clients)
    fargate = FARGATE.get(region, frozenset(zones.values()))
    lacks = {
        name: [
            *(() if zone_id in fargate else ("Fargate",)),
            *(service for service, having in served.items() if name not in having),
        ]
        for name, zone_id in zones.items()
    }
    fit = tuple(name for name, missing in lacks.items() if not missing)
    if len(fit) < COUNT:
        found = "; ".join(
            f"{name} has no {', '.join(lost)}" for name, lost in lacks.items() if lost
        )
        raise Refused(
            f"the documents of {environment.name} need {COUNT} zones, and of {region}'s "
            f"{len(zones)} only {len(fit)} will do: {found}",
            hint="set documents.endpoints = false and nat = true, or use another region",
        )
    return fit[:COUNT]
