"""Find what would make a deploy fail later, before anything changes. Reads AWS only."""

import re
from itertools import product

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.errors import Refused
from common.instance_types import TypeFacts, type_facts
from deploy.cluster.release_images import find_architectures, missing_images
from deploy.foundation.stack import Foundation
from deploy.plan.access_preflight import access_findings
from deploy.plan.file_system_preflight import file_system_findings
from deploy.plan.finding import Finding
from deploy.plan.key_preflight import key_findings
from deploy.plan.reservation_preflight import reservation_findings
from deploy.plan.spot_preflight import spot_findings
from deploy.release.groups import type_names
from deploy.release.release import Release
from node.contract import ON_DEMAND, SPOT

# Running On-Demand instances, in vCPUs, by the first letters of the instance type.
# https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
STANDARD = "L-1216C47A"
QUOTAS = {
    "dl": "L-6E869C2A",
    "f": "L-74FC7D96",
    "g": "L-DB2E81BA",
    "gr": "L-DB2E81BA",
    "vt": "L-DB2E81BA",
    "hpc": "L-F7808C92",
    "inf": "L-1945791B",
    "p": "L-417A185B",
    "trn": "L-2C3B7624",
    "u": "L-43DA4232",
    "x": "L-7295265B",
}
# Spot instance requests, in vCPUs, likewise; families that are not here count as standard ones.
STANDARD_SPOT = "L-34B43A08"
SPOT_QUOTAS = {
    "dl": "L-85EED4F7",
    "f": "L-88CF9481",
    "g": "L-3819A6DF",
    "gr": "L-3819A6DF",
    "vt": "L-3819A6DF",
    "inf": "L-B5D1601B",
    "p": "L-7212CCBC",
    "p5": "L-C4BD4855",
    "trn": "L-6B0D517C",
    "x": "L-E3A00192",
}
# Tag keys that the instance metadata service accepts; with any other, no instance launches.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
TAG_KEY = re.compile(r"^(?!\.{1,2}$)(?!_index$)[A-Za-z0-9+\-=.,_:@]+$")


def check_credentials(clients: Clients, environment: Environment) -> str:
    """Return the ARN of the caller; raises Refused without credentials or for another account."""
    with translated("reading the caller's identity"):
        found = clients("sts").get_caller_identity()
    if found["Account"] != environment.account_id:
        raise Refused(
            f"these credentials belong to account {found['Account']}, "
            f"but {environment.name} is in {environment.account_id}",
            hint="choose another AWS_PROFILE, or correct account_id",
        )
    return str(found["Arn"])


def preflight(
    clients: Clients,
    environment: Environment,
    foundation: Foundation | None,
    release: Release,
    previous: Release | None = None,
) -> tuple[Finding, ...]:
    """Return the findings; raises Refused with all that would make the deploy fail.

    ``previous`` is the release that is served now, to which a failed deploy is rolled back.
    """
    launched = {kind for _, kind, _ in _launches(release)}
    facts = type_facts(clients, type_names(environment) | launched)
    findings = (
        *_tag_keys(environment),
        *_images(clients, release, previous, facts),
        *_offers(clients, environment, foundation),
        *_quotas(clients, environment, facts),
        *spot_findings(clients, release),
        *reservation_findings(clients, release),
        *access_findings(clients, environment, foundation, release),
        *file_system_findings(
            clients,
            environment,
            foundation,
            release,
            lambda: _zones(clients, environment, foundation),
        ),
        *key_findings(clients, environment, release),
    )
    fatal = [finding for finding in findings if finding.fatal]
    if fatal:
        raise Refused(
            f"{environment.name} cannot be deployed:\n"
            + "\n".join(f"  {finding.words}" for finding in fatal),
            hint="; ".join(dict.fromkeys(finding.hint for finding in fatal)),
        )
    return findings


def _tag_keys(environment: Environment) -> tuple[Finding, ...]:
    wrong = [key for key in environment.tags if not TAG_KEY.match(key)]
    return tuple(
        Finding(
            f"tags: {key!r} is not a key that the instance metadata service accepts",
            hint="use letters, digits and + - = . , _ : @",
            fatal=True,
        )
        for key in wrong
    )


def _images(
    clients: Clients, release: Release, previous: Release | None, facts: dict[str, TypeFacts]
) -> tuple[Finding, ...]:
    """Find images that are gone, and those whose architecture is not that of their instances."""
    found = find_architectures(clients, [release, *([previous] if previous else [])])
    gone = [
        Finding(words, "bake and deploy, or choose a release whose images exist", fatal=True)
        for words in missing_images(release, found)
    ]
    lost = missing_images(previous, found) if previous and previous.id != release.id else ()
    if previous and lost:
        words = f"{'; '.join(lost)}: this deploy cannot be rolled back to {previous.id}"
        gone.append(Finding(words, "keep the images of the releases that you may go back to"))
    return (*gone, *_architectures(release, found, facts))


def _architectures(
    release: Release, images: dict[str, str], facts: dict[str, TypeFacts]
) -> tuple[Finding, ...]:
    """EC2 launches no instance whose type lacks the architecture of its image.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resize-limitations.html
    """
    return tuple(
        Finding(
            f"{kind} of the {role}s runs {', '.join(facts[kind].architectures)}, "
            f"but their image {ami_id} is for {images[ami_id]}",
            "choose an instance type of that architecture, or bake an image for this one",
            fatal=True,
        )
        for role, kind, ami_id in _launches(release)
        if ami_id in images and images[ami_id] not in facts[kind].architectures
    )


def _launches(release: Release) -> tuple[tuple[str, str, str], ...]:
    """Return what a release launches: role, instance type, image."""
    groups = release.settings.groups
    return (
        ("head", release.settings.head_type, release.head.ami_id),
        *(("worker", kind, one.image.ami_id) for one in groups for kind in one.instance_types),
    )


def _offers(
    clients: Clients, environment: Environment, foundation: Foundation | None
) -> tuple[Finding, ...]:
    zones = _zones(clients, environment, foundation)
    with translated("reading where the instance types are offered"):
        answer = clients("ec2").describe_instance_type_offerings(
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": sorted(type_names(environment))}],
        )
    offered = {(o["InstanceType"], o["Location"]) for o in answer["InstanceTypeOfferings"]}
    groups = [group.instance_types for group in environment.workers.values()]
    found = (
        _offer(types, offered, zones) for types in ((environment.head.instance_type,), *groups)
    )
    return tuple(dict.fromkeys(finding for part in found for finding in part))


def _offer(
    types: tuple[str, ...], offered: set[tuple[str, str]], zones: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return what is missing of alternatives; fatal where no zone offers any of them."""
    missing = {name: [z for z in zones if (name, z) not in offered] for name in types}
    nowhere = all(len(lacking) == len(zones) for lacking in missing.values())
    return tuple(
        Finding(
            f"{name} is not offered in {', '.join(lacking)}",
            hint="choose another instance type, or subnets in other zones",
            fatal=nowhere,
        )
        for name, lacking in missing.items()
        if lacking
    )


def _zones(
    clients: Clients, environment: Environment, foundation: Foundation | None
) -> tuple[str, ...]:
    """Return the zones of the private subnets, or those that the foundation would choose."""
    given = environment.network.private_subnet_ids
    subnets = foundation.private_subnet_ids if foundation else given
    with translated("reading the subnets' zones"):
        if subnets:
            found = clients("ec2").describe_subnets(SubnetIds=list(subnets))["Subnets"]
            return tuple(sorted({subnet["AvailabilityZone"] for subnet in found}))
        zones = clients("ec2").describe_availability_zones(
            Filters=[{"Name": "state", "Values": ["available"]}]
        )
    names = sorted(zone["ZoneName"] for zone in zones["AvailabilityZones"])
    return tuple(names[: environment.network.zones])


def _quotas(
    clients: Clients, environment: Environment, facts: dict[str, TypeFacts]
) -> tuple[Finding, ...]:
    """Compare the vCPUs of the smallest and the largest cluster with the account's quotas."""
    needs = _needs(environment, facts)
    try:
        return tuple(
            finding
            for quota, (least, most) in needs.items()
            for finding in _quota(_limit(clients, quota), quota, least, most)
        )
    except (ClientError, BotoCoreError) as error:
        reason = error_code(error) if isinstance(error, ClientError) else type(error).__name__
        return (Finding(f"the account's vCPU quotas could not be read ({reason})"),)


def _needs(environment: Environment, facts: dict[str, TypeFacts]) -> dict[str, tuple[int, int]]:
    """Return, by quota, the vCPUs of the smallest and of the largest cluster.

    A group whose types and markets fall under several quotas may use up any of them, and needs
    none of them in particular.
    """
    heads = 1 + environment.head.standby
    kind = environment.head.instance_type
    needs = {quota_of(kind): (heads * facts[kind].vcpus, (heads + 1) * facts[kind].vcpus)}
    for group in environment.workers.values():
        size = max(facts[name].vcpus for name in group.instance_types)
        offers = product(group.instance_types, group.markets)
        quotas = dict.fromkeys(quota_of(name, market) for name, market in offers)
        for quota in quotas:
            low, high = needs.get(quota, (0, 0))
            least = group.min * size if len(quotas) == 1 else 0
            needs[quota] = (low + least, high + group.max * size)
    return needs


def quota_of(instance_type: str, market: str = ON_DEMAND) -> str:
    """Return the code of the quota that an instance type counts against."""
    family = instance_type.partition(".")[0]
    quotas, standard = (SPOT_QUOTAS, STANDARD_SPOT) if market == SPOT else (QUOTAS, STANDARD)
    letters, generation = re.match(r"[a-z]*", family), re.match(r"[a-z]+\d+", family)
    names = [found.group() for found in (generation, letters) if found]
    return next((quotas[name] for name in names if name in quotas), standard)


def _quota(limit: float, quota: str, least: int, most: int) -> tuple[Finding, ...]:
    hint = f"request a higher quota (Service Quotas, ec2, {quota})"
    if least > limit:
        words = f"the smallest cluster needs {least} vCPUs, the account may run {limit:.0f}"
        return (Finding(words, hint=hint, fatal=True),)
    if most > limit:
        words = f"the largest cluster needs {most} vCPUs, the account may run {limit:.0f}"
        return (Finding(words, hint=hint),)
    return ()


def _limit(clients: Clients, quota: str) -> float:
    answer = clients("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=quota)
    return float(answer["Quota"]["Value"])
