"""Wait until the endpoint reaches the leader and Ray answers there. Reads AWS, asks Ray."""

from collections.abc import Callable

from common.waiting import Seen
from deploy.cluster.ray_api import RayApi, Unreachable
from deploy.cluster.state import Lease, find_lease, find_targets
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.head_failures import check_leader_version
from deploy.rollout.heads_wait import NOT_REGISTERED
from node.contract import GUARD_PORT, LEADER_PATH

# A new target gets traffic 180 to 300 s after its registration.
ENDPOINT_SECONDS = 600


def await_endpoint(
    access: ClusterAccess,
    target_group_arns: tuple[str, ...],
    api: Callable[[], RayApi],
    *,
    version: int,
    seconds: float,
) -> str:
    """Wait until every port reaches the leader, and Ray answers; return what is reached, and how.

    Raises HeadFailed if a head of another template version leads, or TimedOut.
    """

    def look() -> Seen[str]:
        lease = find_lease(access.clients, access.environment)
        if lease is None or lease.released:
            return Seen(None, "no instance holds the head lease")
        check_leader_version(access.head_group(), lease.holder, version)
        missing = _missing_ports(access, target_group_arns, lease.holder)
        return Seen(None, missing) if missing else _ray_answers(api, lease)

    return access.wait_until(
        access.environment.head_dns,
        look,
        seconds=seconds,
        hint=f"the load balancer checks {LEADER_PATH} on the head's port {GUARD_PORT}: "
        "see the security groups, and `systemctl status ray-head` on the head",
    )


def _missing_ports(access: ClusterAccess, target_group_arns: tuple[str, ...], leader: str) -> str:
    """Say which ports do not reach the leader; empty if all do."""
    targets = find_targets(access.clients, target_group_arns)
    missing = [t for t in targets if leader not in t.healthy]
    if not missing:
        return ""
    words = sorted({dict(t.health).get(leader, NOT_REGISTERED) for t in missing})
    return f"{len(targets) - len(missing)} of {len(targets)} ports; {', '.join(words)}"


def _ray_answers(api: Callable[[], RayApi], lease: Lease) -> Seen[str]:
    ray = api()
    try:
        heads = [node.address for node in ray.nodes() if node.leads]
    except Unreachable as error:
        return Seen(None, error.message)
    if heads != [lease.address]:
        return Seen(None, f"Ray's head is {', '.join(heads) or 'none'}")
    return Seen(f"reaches {lease.holder} {ray.way}", "")
