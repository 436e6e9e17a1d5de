"""What nodes need besides the foundation: roles, security groups, placement groups. Pure: no AWS.

It follows from a release, so that a rollback restores it. While a cluster goes from one release to
another, both must be served: ``united``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from deploy.release.settings import Access, Group, Settings


@dataclass(frozen=True)
class NodeNeeds:
    """What the heads, or the workers of one group, need."""

    policy_arns: tuple[str, ...] = ()
    s3_read: tuple[str, ...] = ()
    s3_write: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()
    mounts_efs: bool = False
    efa: bool = False
    is_placed: bool = False
    capacity_reservation_ids: tuple[str, ...] = ()
    runs_documents: bool = False

    @property
    def has_role(self) -> bool:
        """Its workers may do more than every worker: they have a role of their own."""
        return bool(self.policy_arns or self.s3_read or self.s3_write or self.runs_documents)

    @property
    def has_security_group(self) -> bool:
        """Its nodes may open more connections than every node."""
        return bool(self.egress or self.mounts_efs or self.efa)

    def united(self, other: "NodeNeeds") -> "NodeNeeds":
        """Return what serves both."""
        return NodeNeeds(**{one.name: _united(self, other, one.name) for one in fields(self)})


@dataclass(frozen=True)
class Needs:
    """What a cluster's nodes need; ``groups`` has those with needs of their own, by name."""

    head: NodeNeeds = NodeNeeds()
    groups: Mapping[str, NodeNeeds] = field(default_factory=dict)
    # Customer keys of volumes, by their ARNs.
    kms_keys: tuple[str, ...] = ()

    def united(self, other: "Needs") -> "Needs":
        """Return what serves both."""
        names = sorted(self.groups.keys() | other.groups.keys())
        nothing = NodeNeeds()
        return Needs(
            head=self.head.united(other.head),
            groups={
                name: self.groups.get(name, nothing).united(other.groups.get(name, nothing))
                for name in names
            },
            kms_keys=tuple(dict.fromkeys((*self.kms_keys, *other.kms_keys))),
        )


def needs_of(settings: Settings) -> Needs:
    """Return what the nodes of a release need."""
    groups = {group.name: group_needs(group) for group in settings.groups}
    return Needs(
        head=access_needs(settings.head_access),
        groups={name: one for name, one in groups.items() if one != NodeNeeds()},
        kms_keys=(settings.kms_key,) if settings.kms_key else (),
    )


def group_needs(group: Group) -> NodeNeeds:
    """Return what the workers of a group need."""
    reservation = group.capacity_reservation_id
    return access_needs(
        group.access,
        efa=group.efa,
        is_placed=bool(group.placement),
        capacity_reservation_ids=(reservation,) if reservation else (),
        runs_documents=group.runs_documents,
    )


def access_needs(access: Access, **more: Any) -> NodeNeeds:
    """Return what nodes with this access need."""
    return NodeNeeds(
        policy_arns=access.policy_arns,
        s3_read=access.s3_read,
        s3_write=access.s3_write,
        security_group_ids=access.security_group_ids,
        egress=access.egress,
        mounts_efs=bool(access.efs),
        **more,
    )


def _united(one: NodeNeeds, other: NodeNeeds, name: str) -> Any:
    left, right = getattr(one, name), getattr(other, name)
    return left or right if isinstance(left, bool) else tuple(dict.fromkeys((*left, *right)))
