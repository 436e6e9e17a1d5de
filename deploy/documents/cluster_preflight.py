"""Whether the environment's cluster can run the pipeline. Reads AWS."""

from collections.abc import Iterator

from common.clients import Clients
from common.environment import Environment
from deploy.documents.network_preflight import (
    endpoints_in,
    no_route_to_others,
    without_way_out,
)
from deploy.foundation.stack import Foundation
from deploy.plan.finding import Finding
from deploy.release.config_bucket import current_release

# What the application calls that other nodes do not (docs/access.md has theirs).
CALLED = ("elasticloadbalancing", "secretsmanager", "sqs")


def cluster_findings(
    clients: Clients, environment: Environment, cluster: Foundation | None
) -> tuple[Finding, ...]:
    """Return what keeps the pipeline from running on the cluster."""
    name = environment.name
    if cluster is None:
        hint = f"invoke bake --env {name}, then invoke deploy --env {name}"
        return (Finding(f"there is no cluster of {name} to run on", hint, fatal=True),)
    return (
        *_group(clients, environment, cluster),
        *_endpoints(clients, environment, cluster),
    )


def _group(clients: Clients, environment: Environment, cluster: Foundation) -> Iterator[Finding]:
    """Find whether what the cluster serves has the group, with an image that holds the application.

    Only such a release says that it runs documents; the environment's file may be newer.
    """
    name, group = environment.name, environment.documents.group
    if cluster.is_paused:
        words = f"the cluster of {name} is paused: nothing would run"
        yield Finding(words, f"invoke resume --env {name}", fatal=True)
    release = current_release(clients, cluster.bucket_name, name)
    served = release.settings.group_named(group) if release else None
    if not (served and served.runs_documents and cluster.documents_role(group)):
        words = f"the cluster of {name} serves no group {group} whose image holds the application"
        hint = f"invoke bake --env {name}, then invoke deploy --env {name}"
        yield Finding(words, hint, fatal=True)


def _endpoints(
    clients: Clients, environment: Environment, cluster: Foundation
) -> Iterator[Finding]:
    documents = environment.documents
    subnets = without_way_out(clients, cluster)
    if not subnets:
        return
    if documents.calls_others:
        yield no_route_to_others(subnets)
        return
    called = (*CALLED, *(("s3vectors",) if documents.index == "s3vectors" else ()))
    there = {service for service, _ in endpoints_in(clients, environment, cluster)}
    if missing := [service for service in called if service not in there]:
        words = f"{subnets}: there is neither a route nor an endpoint to {', '.join(missing)}"
        hint = "create interface endpoints for them, or set network.nat = true and deploy"
        yield Finding(words, hint, fatal=True)
