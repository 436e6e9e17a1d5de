"""What a release's instances are launched with: plain data. No AWS."""

from dataclasses import dataclass
from typing import Literal

from node.contract import ON_DEMAND

Role = Literal["head", "worker"]


@dataclass(frozen=True)
class NodeImage:
    """The image of one role; ``root_device`` is the device name of its root volume."""

    ami_id: str
    digest: str
    ray_version: str
    root_device: str


@dataclass(frozen=True)
class Volume:
    """A root volume of type gp3; ``iops`` and ``throughput`` (MiB/s) are 0 for gp3's own.

    ``initialization_rate``: MiB/s at which it is filled from its snapshot; 0: EBS's own, which
    nothing promises.
    """

    gib: int
    iops: int = 0
    throughput: int = 0
    initialization_rate: int = 0


@dataclass(frozen=True)
class Access:
    """What nodes may reach besides their cluster, as in common/nodes.py.

    ``efs`` has the id of each file system and where it is mounted.
    """

    policy_arns: tuple[str, ...] = ()
    s3_read: tuple[str, ...] = ()
    s3_write: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()
    efs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Group:
    """A group of workers: what it is launched with, and what each of its nodes offers Ray.

    ``cpus``, ``gpus`` and ``efa_interfaces`` are those of its instance types (0 interfaces: no
    EFA), ``resources`` Ray's custom ones. A spot worker that EC2 recommends to replace leaves after
    ``rebalance_seconds`` at most; 0 ignores it.
    """

    name: str
    image: NodeImage
    volume: Volume
    instance_types: tuple[str, ...]
    markets: tuple[str, ...]
    min: int
    max: int
    idle_timeout_minutes: int
    cpus: int
    gpus: int = 0
    resources: tuple[tuple[str, int], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    instance_store: str = "none"
    object_store_gib: int = 0
    zones: tuple[str, ...] = ()
    placement: str = ""
    efa_interfaces: int = 0
    capacity_reservation_id: str = ""
    access: Access = Access()
    rebalance_seconds: int = 0
    # The document pipeline runs on it, whose stack gives more to the role of its workers.
    runs_documents: bool = False

    @property
    def efa(self) -> bool:
        """Whether its nodes talk to each other by an Elastic Fabric Adapter."""
        return self.efa_interfaces > 0

    @property
    def words(self) -> str:
        """Return its instance types and markets in words."""
        types = " or ".join(self.instance_types)
        return types if self.markets == (ON_DEMAND,) else f"{types}, {' or '.join(self.markets)}"

    @property
    def summary(self) -> str:
        """Return what the group launches and how many, in words."""
        return f"{self.words}, {self.min} to {self.max}"

    def has(self, instance_type: str, market: str) -> bool:
        """Say whether the group may launch that type in that market."""
        return instance_type in self.instance_types and market in self.markets


@dataclass(frozen=True)
class Settings:
    """The settings of a cluster that its instances are launched with."""

    head_type: str
    head_volume: Volume
    head_access: Access
    groups: tuple[Group, ...]
    tags: tuple[tuple[str, str], ...]
    # The user's overrides of the autoscaler's YAML, as JSON.
    autoscaler_override: str
    permissions_boundary: str = ""
    kms_key: str = ""
    # A release from before there were groups: its head's image launches by Ray's own provider.
    before_groups: bool = False

    def group_named(self, name: str) -> Group | None:
        """Return the group of that name; None if there is none."""
        return next((group for group in self.groups if group.name == name), None)

    @property
    def min_workers(self) -> int:
        """The workers of all groups that are always there."""
        return sum(group.min for group in self.groups)
