"""Whether tasks would reach AWS from the cluster's network, if they share it. Reads AWS (EC2)."""

from collections.abc import Iterator
from typing import Any

from common.clients import Clients, translated
from common.environment import Environment
from deploy.documents.desired_stack import SHARED_ENDPOINTS, has_shared_endpoints
from deploy.foundation.stack import Foundation
from deploy.plan.finding import Finding

STACK_TAG = "aws:cloudformation:stack-name"
# What a stack in a VPC with Raykiln's endpoints adds to them (template/network.yaml).
ADDED = ("ecr.api", "ecr.dkr", "secretsmanager", "sqs", "s3vectors")


def network_findings(
    clients: Clients, environment: Environment, cluster: Foundation | None
) -> tuple[Finding, ...]:
    """Return what would keep tasks from their image, or endpoints from being created."""
    if environment.documents.network == "own" or cluster is None:
        return ()
    return (
        *_names(clients, cluster),
        *_ways_out(clients, environment, cluster),
        *_endpoints(clients, environment, cluster),
    )


def _names(clients: Clients, cluster: Foundation) -> Iterator[Finding]:
    """Find what Cloud Map's names lack: the VPC's resolver has to know private zones.

    docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
    """
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        with translated(f"reading {name} of {cluster.vpc_id}"):
            asked = {"VpcId": cluster.vpc_id, "Attribute": name}
            found = clients("ec2").describe_vpc_attribute(**asked)
        if not found[name[0].upper() + name[1:]]["Value"]:
            words = f"{cluster.vpc_id} has {name} off: workers would not find the head"
            yield Finding(words, f"turn {name} on", fatal=True)


def _ways_out(clients: Clients, environment: Environment, cluster: Foundation) -> Iterator[Finding]:
    documents = environment.documents
    subnets = without_way_out(clients, cluster)
    if not subnets:
        return
    if documents.calls_others:
        yield no_route_to_others(subnets)
    elif not documents.endpoints:
        words = f"{subnets}: there is no route to the image's registry"
        hint = "set documents.endpoints = true, or network.nat = true"
        yield Finding(words, hint, fatal=True)


def without_way_out(clients: Clients, cluster: Foundation) -> str:
    """Return the private subnets that have no default route; empty when each has one."""
    subnets = cluster.private_subnet_ids
    return ", ".join(one for one in subnets if not has_way_out(clients, cluster, one))


def no_route_to_others(subnets: str) -> Finding:
    """Return that the providers outside of AWS would not be reached."""
    words = f"{subnets}: there is no route to OpenAI or Pinecone"
    return Finding(words, "set network.nat = true and deploy the cluster", fatal=True)


def has_way_out(clients: Clients, cluster: Foundation, subnet: str) -> bool:
    """Say whether a subnet has a default route; without a table of its own, the VPC's main one."""
    for filters in (
        [{"Name": "association.subnet-id", "Values": [subnet]}],
        [
            {"Name": "vpc-id", "Values": [cluster.vpc_id]},
            {"Name": "association.main", "Values": ["true"]},
        ],
    ):
        with translated(f"reading the routes of {subnet}"):
            tables = clients("ec2").describe_route_tables(Filters=filters)["RouteTables"]
        if tables:
            routes = [route for table in tables for route in table["Routes"]]
            return any(_is_default(route) for route in routes)
    return False


def _is_default(route: dict[str, Any]) -> bool:
    everywhere = route.get("DestinationCidrBlock") == "0.0.0.0/0"
    return everywhere and route.get("State", "active") == "active"


def _endpoints(
    clients: Clients, environment: Environment, cluster: Foundation
) -> Iterator[Finding]:
    """Two interface endpoints of one service in a VPC cannot both have the service's name.

    docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
    """
    if not environment.documents.endpoints:
        return
    makes = ADDED if has_shared_endpoints(environment) else (*ADDED, *SHARED_ENDPOINTS)
    for service, one in endpoints_in(clients, environment, cluster):
        tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}
        if (
            service in makes
            and one.get("PrivateDnsEnabled")
            and tags.get(STACK_TAG) != environment.documents_stack
        ):
            words = f"{cluster.vpc_id} has an endpoint of {service}, {one['VpcEndpointId']}"
            yield Finding(words, "set documents.endpoints = false, and use those", fatal=True)


def endpoints_in(
    clients: Clients, environment: Environment, cluster: Foundation
) -> list[tuple[str, dict[str, Any]]]:
    """Return the endpoints of the cluster's VPC, each with the short name of its service."""
    filters = [{"Name": "vpc-id", "Values": [cluster.vpc_id]}]
    with translated(f"looking for endpoints in {cluster.vpc_id}"):
        pages = clients("ec2").get_paginator("describe_vpc_endpoints").paginate(Filters=filters)
        found = [one for page in pages for one in page["VpcEndpoints"]]
    prefix = f"com.amazonaws.{environment.region}."
    return [(one["ServiceName"].removeprefix(prefix), one) for one in found]
