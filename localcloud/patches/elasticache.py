"""ElastiCache replication groups that clients can connect to: one node, one address, one name.

Follows CreateReplicationGroup (docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/
API_CreateReplicationGroup.html: AuthToken needs TransitEncryptionEnabled and has 16 to 128
printable characters), DeleteCacheSubnetGroup, and "Accessing your cluster" (a cache is in its
subnet group's VPC, behind security groups), and "Authenticating with the AUTH command"
(docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html: ModifyReplicationGroup with an AuthToken
adds it to the newest that there is, with ROTATE, or leaves it alone, with SET after a ROTATE to it;
it takes effect at once, and what is stored stays). moto returns names that do not resolve, forgets
the token and deletes nothing. localcloud/stores.py runs the server behind the name, and marks a
group available once it is started.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.elasticache.exceptions import ElastiCacheException
from moto.elasticache.exceptions import InvalidParameterCombinationException as Refused
from moto.elasticache.models import ElastiCacheBackend, elasticache_backends
from moto.elasticache.responses import ElastiCacheResponse

from localcloud.account import ACCOUNT, REGION, ec2_backend
from localcloud.certificates import CACHES
from localcloud.world import World

UNSUPPORTED = ("num_node_groups", "replicas_per_node_group", "primary_cluster_id", "snapshot_name")


class SubnetGroupInUse(ElastiCacheException):  # type: ignore[misc]
    """The subnet group to be deleted still has a cache."""

    code = "CacheSubnetGroupInUse"


@dataclass(frozen=True)
class StorePlan:
    """One replication group: what runs for it, and where.

    Each of ``tokens`` is a password of it, the newest first; with none, it has no password.
    """

    name: str
    endpoint: str
    address: str
    port: int
    encrypted: bool
    tokens: tuple[str, ...]


def plans() -> tuple[StorePlan, ...]:
    """Return the plan of every replication group."""
    return tuple(_plan(group) for group in _groups())


def mark_available(name: str) -> None:
    """Mark the replication group available: its server has been started."""
    _backend().replication_groups[name].status = "available"


def _plan(group: Any) -> StorePlan:
    return StorePlan(
        name=group.replication_group_id,
        endpoint=group.node_groups[0]["primary_endpoint"]["address"],
        address=group.interface.private_ip_address,
        port=int(group.port),
        encrypted=bool(group.transit_encryption_enabled),
        tokens=group.tokens,
    )


def _groups() -> Iterator[Any]:
    yield from _backend().replication_groups.values()


def _backend() -> Any:
    return elasticache_backends[ACCOUNT][REGION]


def _check(backend: Any, request: dict[str, Any]) -> None:
    token = request["auth_token"] or ""
    if any(request[name] for name in UNSUPPORTED) or request["cluster_mode"] == "enabled":
        raise Refused("The local cloud supports replication groups with one new node only")
    if (request["num_cache_clusters"] or 1) > 1:
        raise Refused("The local cloud supports replication groups with one new node only")
    if token and not request["transit_encryption_enabled"]:
        raise Refused("AuthToken is only supported when TransitEncryptionEnabled is true")
    _check_token(token)
    if request["cache_subnet_group_name"] not in backend.cache_subnet_groups:
        raise Refused("The local cloud needs an existing CacheSubnetGroupName")


def _check_token(token: str) -> None:
    if token and not 16 <= len(token) <= 128:
        raise Refused("AuthToken must have 16 to 128 characters")


def _make(create: Any) -> Any:
    def create_replication_group(self: Any, **request: Any) -> Any:
        _check(self, request)
        group = create(self, **request)
        subnets = self.cache_subnet_groups[request["cache_subnet_group_name"]].subnet_ids
        interface = ec2_backend().create_network_interface(
            subnets[0],
            "",
            group_ids=request["security_group_ids"] or [],
            description=f"ElastiCache {group.replication_group_id}",
        )
        group.node_groups[0]["primary_endpoint"]["address"] = (
            f"{group.replication_group_id}.{CACHES}"
        )
        interface.status, interface.requester_managed = "in-use", True
        group.cache_subnet_group_name = request["cache_subnet_group_name"]
        group.interface = interface
        group.tokens = (request["auth_token"],) if request["auth_token"] else ()
        group.transit_encryption_enabled = bool(request["transit_encryption_enabled"])
        group.status = "creating"
        return group

    return create_replication_group


def _modifying(modify: Any) -> Any:
    def modify_replication_group(self: ElastiCacheResponse) -> ActionResult:
        """Change the token first, which is refused before anything is changed."""
        token = self._get_param("AuthToken")
        if token:
            name = self._get_param("ReplicationGroupId")
            (group,) = self.elasticache_backend.describe_replication_groups(name)
            strategy = self._get_param("AuthTokenUpdateStrategy") or "ROTATE"
            group.tokens = _tokens_after(group.tokens, token, strategy)
        return modify(self)

    return modify_replication_group


def _tokens_after(tokens: tuple[str, ...], token: str, strategy: str) -> tuple[str, ...]:
    """Return a group's tokens after an update, the newest first."""
    _check_token(token)
    if not tokens:
        raise Refused("The local cloud adds no AuthToken to a group that was made without one")
    if strategy == "ROTATE":
        return tuple(dict.fromkeys((token, tokens[0])))
    if strategy == "SET" and token in tokens:
        return (token,)
    raise Refused(f"The local cloud does not support {strategy} of this AuthToken")


def _delete_subnet_group(self: ElastiCacheResponse) -> ActionResult:
    """Follow DeleteCacheSubnetGroup: not while a cache is in it."""
    backend, name = self.elasticache_backend, self._get_param("CacheSubnetGroupName")
    backend.describe_cache_subnet_groups(name)  # or it is not found
    if any(group.cache_subnet_group_name == name for group in _groups()):
        raise SubnetGroupInUse(f"Cache subnet group {name} is currently in use by a cache cluster.")
    del backend.cache_subnet_groups[name]
    return ActionResult({})


def _delete(self: Any, replication_group_id: str, retain_primary_cluster: bool | None) -> Any:
    """Delete at once what AWS deletes in minutes."""
    (group,) = self.describe_replication_groups(replication_group_id)
    group.interface.status = "available"
    ec2_backend().delete_network_interface(group.interface.id)
    del self.replication_groups[replication_group_id]
    group.status = "deleting"
    return group


@cache
def install() -> None:
    """Give replication groups an interface and a token, and delete them and subnet groups."""
    ElastiCacheResponse.modify_replication_group = _modifying(
        ElastiCacheResponse.modify_replication_group
    )
    ElastiCacheResponse.delete_cache_subnet_group = _delete_subnet_group
    ElastiCacheBackend.create_replication_group = _make(ElastiCacheBackend.create_replication_group)
    ElastiCacheBackend.delete_replication_group = _delete


def attach(world: World) -> None:
    """Nothing happens here by itself."""
