"""Whether the account's quotas have room for a new pipeline. Reads AWS (Service Quotas, EC2).

docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html, and for tasks
docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html#service-quotas-fargate
"""

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients, translated
from common.environment import Environment
from common.quotas import quota_limit
from deploy.plan.finding import Finding

VPCS, ADDRESSES = ("vpc", "L-F678F1CE"), ("ec2", "L-0263D0A3")
FARGATE, FARGATE_SPOT = ("fargate", "L-3032A538"), ("fargate", "L-36FBB829")


def quota_findings(clients: Clients, environment: Environment) -> tuple[Finding, ...]:
    """Compare what a new pipeline takes with what the quotas leave."""
    return (*_network(clients, environment), *_tasks(clients, environment))


def _network(clients: Clients, environment: Environment) -> Iterator[Finding]:
    if environment.documents.network == "cluster":
        return
    ec2 = clients("ec2")
    with translated("counting VPCs and addresses"):
        pages = ec2.get_paginator("describe_vpcs").paginate()
        vpcs = sum(len(page["Vpcs"]) for page in pages)
        addresses = len(ec2.describe_addresses()["Addresses"])
    yield from _room(clients, VPCS, vpcs, "VPCs", 'set documents.network = "cluster"')
    if environment.documents.nat:
        hint = "set documents.nat = false and documents.endpoints = true"
        yield from _room(clients, ADDRESSES, addresses, "Elastic IP addresses", hint)


def _room(
    clients: Clients, quota: tuple[str, str], used: int, what: str, hint: str
) -> Iterator[Finding]:
    most = _limit(clients, quota)
    if most is None:
        yield Finding(f"the account's quota of {what} could not be read")
    elif used + 1 > most:
        words = f"the account has {used} {what} of {most:g}, and the documents take one more"
        yield Finding(words, f"have the quota {quota[1]} raised, or {hint}", fatal=True)


def _tasks(clients: Clients, environment: Environment) -> Iterator[Finding]:
    """Find fewer vCPUs than tasks take; others of the account are not counted."""
    documents = environment.documents
    head, each = documents.head.cpu / 1024, documents.worker.cpu / 1024
    spot = documents.worker.spot_percent / 100
    least, most = documents.worker.min * each, documents.worker.max * each
    for quota, name, fixed, share in (
        (FARGATE, "Fargate", head, 1 - spot),
        (FARGATE_SPOT, "Fargate Spot", 0.0, spot),
    ):
        if not fixed and not share:
            continue
        limit = _limit(clients, quota)
        if limit is None:
            yield Finding(f"the account's quota of vCPUs on {name} could not be read")
        elif fixed + least * share > limit:
            words = f"{name}: the least tasks take {fixed + least * share:g} vCPUs of {limit:g}"
            yield Finding(words, f"have the quota {quota[1]} raised", fatal=True)
        elif fixed + most * share > limit:
            words = (
                f"{name}: documents.worker.max takes {fixed + most * share:g} vCPUs of {limit:g}"
            )
            yield Finding(words, f"have the quota {quota[1]} raised, or lower documents.worker.max")


def _limit(clients: Clients, quota: tuple[str, str]) -> float | None:
    service, code = quota
    try:
        return quota_limit(clients, code, service)
    except (ClientError, BotoCoreError):
        return None
