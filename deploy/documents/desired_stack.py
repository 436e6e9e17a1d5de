"""The desired stack of the document pipeline: template, parameters, tags. Pure: no AWS."""

from itertools import zip_longest

from common.document_settings import Documents
from common.environment import Environment
from common.errors import Refused
from deploy.documents.body import template_body
from deploy.foundation.desired_stack import (
    OPERATOR_SLOTS,
    ZONE_PARAMETERS,
    DesiredStack,
    stack_tags,
)
from deploy.foundation.stack import Foundation

PROJECT = "ray-documents"
# Of these the template makes none where VpcEndpoints is "missing".
SHARED_ENDPOINTS = ("logs", "monitoring", "ssmmessages")
# What a VPC may have, less the two bits that its subnets take, which have 16 addresses at least:
# docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
WIDEST, NARROWEST = 16, 26


def desired_stack(
    environment: Environment,
    *,
    image: str = "",
    paused: bool = False,
    cluster: Foundation | None = None,
    zones: tuple[str, ...] = (),
) -> DesiredStack:
    """Return the stack of an environment's document pipeline.

    ``image`` is its URI in ECR, by digest; empty: no tasks yet. ``cluster`` is the foundation whose
    network it shares, or which it runs on. ``zones`` are those of a VPC that is created; none: the
    region's first two. Raises Refused when the template cannot express it.
    """
    return DesiredStack(
        name=environment.documents_stack,
        template=template_body(environment.documents.runs_on),
        parameters=parameters(
            environment, image=image, paused=paused, cluster=cluster, zones=zones
        ),
        tags=stack_tags(environment),
    )


def parameters(
    environment: Environment,
    *,
    image: str = "",
    paused: bool = False,
    cluster: Foundation | None = None,
    zones: tuple[str, ...] = (),
) -> dict[str, str]:
    """Return every parameter of the template; see ``desired_stack``."""
    documents = environment.documents
    place = (
        _group(environment, cluster)
        if documents.on_cluster
        else _network(environment, cluster, zones)
        | _sizes(documents)
        | {"RayDockerImageUri": image or documents.image}
    )
    return (
        place
        | _providers(documents)
        | {
            "EnvironmentName": environment.name,
            "ProjectName": PROJECT,
            "S3BucketName": environment.documents_bucket,
            "OperatorCidrs": _operators(environment),
            "NotificationEmail": documents.email,
            "Paused": _flag(paused),
            "LogRetentionDays": str(documents.log_days),
            "PermissionsBoundary": environment.nodes.permissions_boundary,
        }
    )


def _group(environment: Environment, cluster: Foundation | None) -> dict[str, str]:
    """Return what the group's instances are, and how the cluster's balancer reaches them."""
    if cluster is None:
        raise Refused(
            f"{environment.name}: the cluster that the documents run on is not deployed",
            hint="invoke bake, then invoke deploy",
        )
    group = environment.workers[environment.documents.group]
    return {
        "VpcId": cluster.vpc_id,
        "HeadName": cluster.head_name,
        "GroupName": environment.documents.group,
        "RayWorkersMin": str(group.min),
        "RayWorkersMax": str(group.max),
        "GroupRoleName": cluster.documents_role(environment.documents.group),
        "WorkerSecurityGroupId": cluster.worker_security_group_id,
        "LoadBalancerArn": cluster.load_balancer_arn,
        "LoadBalancerSecurityGroupId": cluster.load_balancer_security_group_id,
    }


def _network(
    environment: Environment, cluster: Foundation | None, zones: tuple[str, ...]
) -> dict[str, str]:
    documents = environment.documents
    found = {
        "VpcCidr": str(documents.cidr),
        "SubnetBits": str(32 - documents.cidr.prefixlen - 2),  # three subnets: cut into four
        "ExistingVpcId": "",
        "ExistingSubnetIds": "",
        **dict(zip_longest(ZONE_PARAMETERS[:2], zones, fillvalue="")),
        "NatGateway": _flag(documents.nat),
        "VpcEndpoints": _flag(documents.endpoints),
        "EndpointSecurityGroupId": "",
    }
    if documents.network == "cluster":
        return found | _of_cluster(environment, cluster)
    if not WIDEST <= documents.cidr.prefixlen <= NARROWEST:
        raise Refused(
            f"{environment.name}: documents.cidr = {documents.cidr} makes no VPC with subnets",
            hint=f"use a range from /{WIDEST} to /{NARROWEST}",
        )
    return found


def _of_cluster(environment: Environment, cluster: Foundation | None) -> dict[str, str]:
    """Return where the pipeline is in its cluster's VPC, whose own endpoints it shares."""
    if cluster is None:
        raise Refused(
            f"{environment.name}: the cluster whose network the documents use is not deployed",
            hint='invoke deploy, or set documents.network = "own"',
        )
    endpoints = "missing" if has_shared_endpoints(environment) else "true"
    return {
        "ExistingVpcId": cluster.vpc_id,
        "ExistingSubnetIds": ",".join(cluster.private_subnet_ids),
        "VpcEndpoints": endpoints if environment.documents.endpoints else "false",
        "EndpointSecurityGroupId": cluster.endpoint_security_group_id,
    }


def has_shared_endpoints(environment: Environment) -> bool:
    """Say whether the cluster's VPC has the endpoints that the pipeline needs as well."""
    return set(SHARED_ENDPOINTS) <= set(environment.network.interfaces)


def _operators(environment: Environment) -> str:
    cidrs = [str(cidr) for cidr in environment.network.operator_cidrs]
    if len(cidrs) > OPERATOR_SLOTS:
        raise Refused(
            f"{environment.name}: network.operator_cidrs has {len(cidrs)} ranges, "
            f"at most {OPERATOR_SLOTS} are possible",
            hint="use wider ranges, or a VPN in front of the pipeline",
        )
    return ",".join(cidrs)


def _sizes(documents: Documents) -> dict[str, str]:
    head, worker = documents.head, documents.worker
    return {
        "RayHeadCpu": str(head.cpu),
        "RayHeadMemory": str(head.memory),
        "RayWorkerCpu": str(worker.cpu),
        "RayWorkerMemory": str(worker.memory),
        "RayWorkersMin": str(worker.min),
        "RayWorkersMax": str(worker.max),
        "OnDemandWeight": str(100 - worker.spot_percent),
        "SpotWeight": str(worker.spot_percent),
    }


def _providers(documents: Documents) -> dict[str, str]:
    return {
        "Embeddings": documents.embeddings,
        "Index": documents.index,
        "Answers": documents.answers,
        "PineconeHost": documents.pinecone_host,
        "OpenAIApiKeySecretArn": documents.openai_secret_arn,
        "PineconeApiKeySecretArn": documents.pinecone_secret_arn,
        "TokensPerDay": str(documents.tokens_per_day or ""),
    }


def _flag(value: bool) -> str:
    return "true" if value else "false"
