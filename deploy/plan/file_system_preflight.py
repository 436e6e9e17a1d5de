"""Find what keeps nodes from mounting their EFS file systems. Reads AWS.

A node mounts by the file system's name, which leads to the mount target in its own zone, over the
network and without IAM:
https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-mount-cmd-dns-name.html
"""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from deploy.foundation.stack import Foundation
from deploy.plan.access_places import written
from deploy.plan.finding import Finding
from deploy.plan.look_up import DENIED
from deploy.release.release import Release

NFS = 2049


def file_system_findings(
    clients: Clients,
    environment: Environment,
    foundation: Foundation | None,
    release: Release,
    zones: Callable[[], tuple[str, ...]],
) -> tuple[Finding, ...]:
    """Return what would keep nodes from mounting; ``zones`` returns those of the cluster."""
    places = written(environment, release, "efs")
    if not places:
        return ()
    needed, vpc_id = _needed(release, zones()), environment.network.vpc_id
    vpc_id = foundation.vpc_id if foundation else vpc_id
    ours = _our_groups(foundation, release)
    return tuple(
        finding
        for name, place in places.items()
        for finding in _file_system(clients, f"{place}: {name}", name, needed[name], vpc_id, ours)
    )


def _needed(release: Release, zones: tuple[str, ...]) -> dict[str, set[str]]:
    """Return the zones in which each file system is mounted."""
    settings = release.settings
    found: dict[str, set[str]] = {name: set(zones) for name, _ in settings.head_access.efs}
    for group in settings.groups:
        for name, _ in group.access.efs:
            found.setdefault(name, set()).update(group.zones or zones)
    return found


def _our_groups(foundation: Foundation | None, release: Release) -> set[str]:
    """Return the security groups that nodes have, as far as they exist."""
    named = {group for one in release.settings.groups for group in one.access.security_group_ids}
    named |= set(release.settings.head_access.security_group_ids)
    if foundation:
        named |= {foundation.head_security_group_id, foundation.worker_security_group_id}
    return named


def _file_system(
    clients: Clients, what: str, name: str, zones: set[str], vpc_id: str, ours: set[str]
) -> Iterator[Finding]:
    with translated(f"looking for the file system {name}"):
        try:
            targets = _mount_targets(clients, name)
            groups = {group for one in targets for group in _groups_of(clients, one)}
        except ClientError as error:
            if error_code(error) == "FileSystemNotFound":
                yield Finding(f"{what}: there is no such file system", "correct its id", fatal=True)
            elif error_code(error) in DENIED:
                hint = "allow elasticfilesystem:Describe*, or see that it has mount targets"
                yield Finding(f"{what}: these credentials may not look at it", hint)
            else:
                raise
            return
        yield from _unreachable(what, targets, zones, vpc_id)
        if groups and not _let_in(clients, groups, ours):
            words = f"{what}: {', '.join(sorted(groups))} of its mount targets let no node in"
            yield Finding(words, f"allow tcp/{NFS} from the nodes' addresses or security groups")
        yield from _policy(clients, what, name)


def _mount_targets(clients: Clients, name: str) -> list[dict[str, Any]]:
    pages = clients("efs").get_paginator("describe_mount_targets").paginate(FileSystemId=name)
    return [target for page in pages for target in page["MountTargets"]]


def _groups_of(clients: Clients, target: dict[str, Any]) -> list[str]:
    answer = clients("efs").describe_mount_target_security_groups(
        MountTargetId=target["MountTargetId"]
    )
    found: list[str] = answer["SecurityGroups"]
    return found


def _unreachable(
    what: str, targets: list[dict[str, Any]], zones: set[str], vpc_id: str
) -> Iterator[Finding]:
    elsewhere = sorted({one["VpcId"] for one in targets} - {vpc_id})
    if elsewhere:
        words = f"{what} has its mount targets in {elsewhere[0]}, not in {vpc_id or 'a new VPC'}"
        yield Finding(words, "create mount targets in the cluster's VPC", fatal=True)
    elif lacking := sorted(zones - {one["AvailabilityZoneName"] for one in targets}):
        words = f"{what} has no mount target in {', '.join(lacking)}"
        hint = "create one, or set the zones of the groups that mount it"
        yield Finding(words, hint, fatal=True)


def _let_in(clients: Clients, groups: set[str], ours: set[str]) -> bool:
    """Say whether a rule of these groups may let nodes in: by a range, or by a group of theirs.

    Whether a range is that of the nodes is not looked at.
    """
    filters = [{"Name": "group-id", "Values": sorted(groups)}]
    found = clients("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    for rule in (rule for group in found for rule in group["IpPermissions"]):
        if not rule.get("FromPort", 0) <= NFS <= rule.get("ToPort", NFS):
            continue
        if rule["IpRanges"] or ours & {pair["GroupId"] for pair in rule["UserIdGroupPairs"]}:
            return True
    return False


def _policy(clients: Clients, what: str, name: str) -> Iterator[Finding]:
    """A file system without a policy lets in whoever reaches it."""
    try:
        clients("efs").describe_file_system_policy(FileSystemId=name)
    except ClientError as error:
        if error_code(error) not in {"PolicyNotFound", *DENIED}:
            raise
    else:
        hint = "see that its policy does not demand IAM or TLS of whoever mounts it"
        yield Finding(f"{what} has a policy, and nodes mount it without IAM and TLS", hint)
