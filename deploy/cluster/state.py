"""The current state of a cluster: one snapshot, read in a dozen calls. Reads AWS only.

Everything that decides (plan, waits, status, destroy) uses a snapshot.
"""

from collections.abc import Container
from dataclasses import dataclass, field

from common.clients import Clients, translated
from common.environment import Environment
from deploy.cluster.head_group import HeadGroup, find_group
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.launch_template import Template, find_template, find_worker_templates
from deploy.cluster.lease_table import read_item
from deploy.cluster.ray_versions import ray_versions
from deploy.cluster.secret import Secret, find_secret
from deploy.foundation.stack import Foundation, find_stack, foundation_of, nodes_stack_name
from deploy.release.config_bucket import current_release, stored_keys
from deploy.release.release import Release
from deploy.release.user_data import node_facts
from node import contract


@dataclass(frozen=True)
class Lease:
    """The head lease; ``beat`` grows with every renewal.

    ``successor`` is the head that is to lead next, ``autoscaler`` the holder's configuration;
    ``refused`` is the one that it cannot use, a space, and why.
    """

    holder: str
    address: str
    epoch: int
    beat: int
    released: bool
    successor: str = ""
    autoscaler: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Targets:
    """One target group of the load balancer: each registered instance and its health as text."""

    arn: str
    health: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The target group's name."""
        return self.arn.split(":targetgroup/")[-1].split("/")[0]

    @property
    def healthy(self) -> tuple[str, ...]:
        """Return the healthy instances, which get traffic."""
        return tuple(name for name, health in self.health if health == "healthy")


@dataclass(frozen=True)
class ClusterState:
    """The snapshot. An unusable stack has a status, but there is no foundation."""

    stack_status: str = ""
    # Of the stack of what nodes have besides the foundation; empty where there is none.
    nodes_status: str = ""
    foundation: Foundation | None = None
    secret: Secret | None = None
    state_secret: Secret | None = None  # of an environment with a Redis
    # Of every group that has one, those that are removed too.
    worker_templates: tuple[Template, ...] = ()
    head_template: Template | None = None
    group: HeadGroup | None = None
    instances: tuple[Instance, ...] = ()
    lease: Lease | None = None
    targets: tuple[Targets, ...] = ()
    keys: frozenset[str] = field(default_factory=frozenset)
    release: Release | None = None
    # Ray's, on the leader and on the head that is to lead next.
    ray_versions: frozenset[str] = frozenset()

    @property
    def heads(self) -> tuple[Instance, ...]:
        """Return the head instances."""
        return tuple(i for i in self.instances if i.role == "head")

    @property
    def workers(self) -> tuple[Instance, ...]:
        """Return the worker instances."""
        return tuple(i for i in self.instances if i.role == "worker")

    def worker_template(self, name: str) -> Template | None:
        """Return the launch template of that name; None if no workers have it."""
        return next((found for found in self.worker_templates if found.name == name), None)

    def keeps_state_in(self, address: str) -> bool:
        """Say whether a head in service keeps Ray's state in that Redis."""
        if not (address and self.group):
            return False
        used = {
            number for number, told in self._told_heads if told.get(contract.REDIS_KEY) == address
        }
        return any(member.template_version in used for member in self.group.serving)

    def password_of(self, redis: str) -> str:
        """Return the parameter that holds the password of a Redis, as the newest heads that use it
        were told; empty where none ever was.
        """
        found = (told for _, told in self._told_heads if told.get(contract.REDIS_KEY) == redis)
        return next(map(_password, found), "")

    @property
    def redis_has_token(self) -> bool:
        """A Redis has Ray's token as its password: the foundation's, or one that a head uses."""
        if self.secret is None:
            return False
        made = self.foundation
        if made and made.state_address and made.state_secret in ("", self.secret.name):
            return True
        using = {
            number
            for number, told in self._told_heads
            if told.get(contract.REDIS_KEY) and _password(told) == self.secret.name
        }
        return any(m.template_version in using for m in (self.group.serving if self.group else ()))

    @property
    def _told_heads(self) -> tuple[tuple[int, dict[str, str]], ...]:
        """What heads with a Redis are told: each version of their launch template, newest first."""
        versions = self.head_template.versions if self.head_template else ()
        return tuple(
            (one.number, node_facts(one.content.user_data))
            for one in versions
            if f"{contract.REDIS_KEY}: " in one.content.user_data
        )

    @property
    def leader(self) -> Instance | None:
        """Return the running head that holds the lease."""
        running = {i.id: i for i in self.heads if i.state == "running"}
        return running.get(leader_id(self.lease, running))

    @property
    def is_reachable(self) -> bool:
        """Every port of the endpoint leads to the leader."""
        leader = self.leader
        return (
            leader is not None
            and bool(self.targets)
            and all(leader.id in targets.healthy for targets in self.targets)
        )


def read_state(clients: Clients, environment: Environment) -> ClusterState:
    """Read everything that belongs to the environment."""
    stack = find_stack(clients, environment.stack)
    nodes = find_stack(clients, nodes_stack_name(environment))
    foundation = foundation_of(stack, nodes) if stack and stack.is_usable else None
    instances = find_instances(clients, environment.name)
    lease = find_lease(clients, environment) if foundation else None
    release = _release(clients, environment, foundation)
    return ClusterState(
        stack_status=stack.status if stack else "",
        nodes_status=nodes.status if nodes else "",
        foundation=foundation,
        secret=find_secret(clients, environment.secret),
        state_secret=_state_secret(clients, environment),
        worker_templates=find_worker_templates(clients, environment.name),
        head_template=find_template(clients, environment.head_template),
        group=find_group(clients, environment.head_group, environment.names.lifecycle_hook),
        instances=instances,
        lease=lease,
        targets=find_targets(clients, foundation.target_group_arns) if foundation else (),
        keys=_keys(clients, environment, foundation),
        release=release,
        ray_versions=ray_versions(clients, _leading(instances, lease), release),
    )


def _leading(instances: tuple[Instance, ...], lease: Lease | None) -> tuple[Instance, ...]:
    """Return the head that leads, and the one that is to lead next."""
    there = {one.id: one for one in instances if one.is_there}
    names = {leader_id(lease, there), lease.successor if lease else ""}
    return tuple(there[name] for name in names & there.keys())


def _state_secret(clients: Clients, environment: Environment) -> Secret | None:
    """Whoever has no Redis need not be allowed to look."""
    has_redis = environment.head.has_redis
    return find_secret(clients, environment.state_secret) if has_redis else None


def _password(told: dict[str, str]) -> str:
    """Return the parameter that a head reads its Redis's password from: once, Ray's token's."""
    return told.get(contract.STATE_SECRET_KEY) or told[contract.SECRET_KEY]


def find_lease(clients: Clients, environment: Environment) -> Lease | None:
    """Return the head lease, read consistently; None before the first head has taken it."""
    item = read_item(clients, environment)
    if not item:
        return None
    return Lease(
        holder=item.get(contract.LEASE_HOLDER, {}).get("S", ""),
        address=item.get(contract.LEASE_ADDRESS, {}).get("S", ""),
        epoch=int(item.get(contract.LEASE_EPOCH, {}).get("N", 0)),
        beat=int(item.get(contract.LEASE_BEAT, {}).get("N", 0)),
        released=bool(item.get(contract.LEASE_RELEASED, {}).get("BOOL", False)),
        successor=item.get(contract.LEASE_SUCCESSOR, {}).get("S", ""),
        autoscaler=item.get(contract.LEASE_AUTOSCALER, {}).get("S", ""),
        refused=item.get(contract.LEASE_REFUSED, {}).get("S", ""),
    )


def leader_id(lease: Lease | None, running_heads: Container[str]) -> str:
    """Return the running head that holds the lease; empty when there is no leader."""
    held = lease is not None and not lease.released and lease.holder in running_heads
    return lease.holder if lease and held else ""


def find_targets(clients: Clients, arns: tuple[str, ...]) -> tuple[Targets, ...]:
    """Return the health of each target group's targets."""
    with translated("reading the targets' health"):
        balancing = clients("elbv2")
        return tuple(
            Targets(
                arn,
                tuple(
                    (entry["Target"]["Id"], _health(entry["TargetHealth"]))
                    for entry in balancing.describe_target_health(TargetGroupArn=arn)[
                        "TargetHealthDescriptions"
                    ]
                ),
            )
            for arn in arns
        )


def _keys(
    clients: Clients, environment: Environment, foundation: Foundation | None
) -> frozenset[str]:
    if foundation is None and not environment.existing_bucket:
        return frozenset()
    return stored_keys(clients, environment.bucket, environment.name)


def _release(
    clients: Clients, environment: Environment, foundation: Foundation | None
) -> Release | None:
    if foundation is None:
        return None
    return current_release(clients, foundation.bucket_name, environment.name)


def _health(found: dict[str, str]) -> str:
    reason = found.get("Reason", "")
    return f"{found['State']} ({reason})" if reason else found["State"]
