"""Worker groups: what a person asks for of each kind of worker. No AWS.

A group is one node type of Ray's, with one launch template; its instance types are alternatives, in
order of preference, so they must offer Ray the same: as in AWS ParallelCluster, where the instance
types of one compute resource have as many vCPUs and accelerators.
https://docs.aws.amazon.com/parallelcluster/latest/ug/Scheduling-v3.html
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from common.nodes import Access, Volume
from common.table import Text, like

Market = Literal["on-demand", "spot"]

# The group of a file that has one kind of worker, as its table is written then.
ONLY_GROUP = "worker"
GROUP_NAME = re.compile(r"[a-z][a-z0-9-]{0,20}")
HEAD = "head"  # the head's node type
# Keys of a group that are tables themselves.
TABLES = ("resources", "labels", "volume")

RESERVATION = "(cr-[0-9a-f]{8,17})?"
INSTANCE_TYPE = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")
RESOURCE_NAME = re.compile(r"[!-~]([ -~]{0,98}[!-~])?")
# What a node offers of these is looked up; Ray refuses the names as custom resources.
LOOKED_UP = ("CPU", "GPU", "memory", "object_store_memory")
TAKEN = "driver"  # what drivers of jobs take (node/contract.py)
# Kubernetes' syntax, which Ray checks when a node starts: ray/_private/label_utils.py, Ray 2.60.
_LABEL = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?")
_DNS = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_LABEL_KEY = re.compile(rf"((?=[^/]{{1,253}}/){_DNS}(\.{_DNS})*/)?({_LABEL.pattern})")
# ray/_private/ray_constants.py, MAX_RESOURCE_QUANTITY, Ray 2.60.
MOST_OF_A_RESOURCE = 100_000_000_000_000
RAYS_LABELS = "ray.io/"
NO_CPUS = "remove it: vCPUs are those of the instance type, which EC2 is asked for"


def _instance_type(value: str) -> str:
    if not INSTANCE_TYPE.fullmatch(value):
        raise ValueError(f"{value!r} is no instance type, such as m6i.4xlarge")
    return value


Zone = Annotated[Text, like(r"[a-z]{2}(-[a-z]+)+-[0-9](-[a-z]+-[0-9])?[a-z]", "us-east-1a")]
InstanceType = Annotated[str, AfterValidator(_instance_type)]
Quantity = Annotated[int, Field(ge=0, le=MOST_OF_A_RESOURCE, strict=True)]


class WorkerGroup(Access):
    """Workers of one kind, launched by Ray's autoscaler between min and max."""

    # In order of preference; the next is used where EC2 has no capacity for one.
    instance_types: tuple[InstanceType, ...] = Field(min_length=1, max_length=20)
    min: int = Field(ge=0, le=10_000)
    max: int = Field(ge=1, le=10_000)
    market: Literal["on-demand", "spot", "spot-then-on-demand"] = "on-demand"
    # What a spot worker does once EC2 says that it is at elevated risk of interruption: it is
    # drained for [rollout] drain_seconds and leaves, or waits until it is interrupted.
    rebalance: Literal["drain", "ignore"] = "drain"
    idle_timeout_minutes: int = Field(default=5, ge=1)
    # Seconds over which workers spread their way to a new head: about 1 for each 200.
    rejoin_seconds: int = Field(default=0, ge=0, le=120)
    # Ray's custom resources and labels of each node.
    resources: dict[Text, Quantity] = Field(default={})
    labels: dict[str, str] = Field(default={})
    # The name of an image, as in [images.NAME]; empty: [image].
    image: str = ""
    volume: Volume = Volume()
    # What the instance's own NVMe disks are used for: Ray's spilled objects, or nothing.
    instance_store: Literal["none", "spill"] = "none"
    # GiB of each node's memory for Ray's object store; 0: Ray's own share, 30 %.
    object_store_gib: int = Field(default=0, ge=0)
    # Empty: every zone of the cluster.
    zones: tuple[Zone, ...] = ()
    # cluster: instances close to each other in one zone, for the fastest network.
    placement: Literal["", "cluster"] = ""
    efa: bool = False
    capacity_reservation_id: Annotated[Text, like(RESERVATION, "cr-0123456789abcdef0")] = ""

    @property
    def markets(self) -> tuple[Market, ...]:
        """Return the markets to launch in, in order of preference."""
        if self.market == "spot-then-on-demand":
            return ("spot", "on-demand")
        return (self.market,)

    @field_validator("instance_types")
    @classmethod
    def _types_are_named_once(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(types)) < len(types):
            raise ValueError("an instance type is named twice")
        return types

    @field_validator("zones")
    @classmethod
    def _zones_are_named_once(cls, zones: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(zones)) < len(zones):
            raise ValueError("a zone is named twice")
        return zones

    @field_validator("resources")
    @classmethod
    def _resources_are_custom(cls, resources: dict[str, int]) -> dict[str, int]:
        if odd := [name for name in resources if not RESOURCE_NAME.fullmatch(name)]:
            raise ValueError(f"{odd[0]!r} cannot name a resource: 1 to 100 printable characters")
        if wrong := [name for name in resources if name in LOOKED_UP or ":" in name]:
            raise ValueError(
                f"{', '.join(wrong)}: Ray's own names; CPU, GPU and memory follow from the "
                "instance types"
            )
        if TAKEN in resources:
            raise ValueError(f"{TAKEN}: each worker offers it to drivers of jobs already")
        return resources

    @field_validator("labels")
    @classmethod
    def _labels_are_rays(cls, labels: dict[str, str]) -> dict[str, str]:
        for key, value in labels.items():
            if key.startswith(RAYS_LABELS):
                raise ValueError(f"{key}: labels that begin with {RAYS_LABELS} are Ray's own")
            if not _LABEL_KEY.fullmatch(key) or (value and not _LABEL.fullmatch(value)):
                raise ValueError(
                    f"{key} = {value!r}: letters, digits, '-', '_' and '.', 63 at most, and no "
                    "punctuation at either end"
                )
        return labels

    @model_validator(mode="after")
    def _min_is_not_above_max(self) -> "WorkerGroup":
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self

    @model_validator(mode="after")
    def _one_zone_where_it_must_be(self) -> "WorkerGroup":
        """A cluster placement group and a capacity reservation are in one zone, and EFA's traffic
        does not leave it.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa.html
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-reservation-overview.html
        """
        needs = [
            key for key in ("placement", "efa", "capacity_reservation_id") if getattr(self, key)
        ]
        if needs and len(self.zones) != 1:
            raise ValueError(f"{', '.join(needs)}: in one zone alone, which zones must name")
        return self

    @model_validator(mode="after")
    def _only_spot_is_at_risk(self) -> "WorkerGroup":
        if self.rebalance == "ignore" and self.market == "on-demand":
            raise ValueError(
                'rebalance = "ignore" does nothing: EC2 takes back spot instances alone'
            )
        return self

    @model_validator(mode="after")
    def _a_reservation_is_on_demand(self) -> "WorkerGroup":
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-reservation-overview.html"""
        if self.capacity_reservation_id and self.market != "on-demand":
            raise ValueError("a capacity reservation is for on-demand instances alone")
        return self


def named_groups(workers: Any) -> dict[str, Any]:
    """Return the ``workers`` table of a file as groups by name: ``[workers]`` is one group.

    Raises ValueError for what is no table, and for names that no group may have.
    """
    if not isinstance(workers, dict):
        raise ValueError("a table is needed, for example [workers.cpu]")
    if not workers:
        raise ValueError("at least one group is needed, for example [workers.cpu]")
    if not all(isinstance(value, dict) for value in workers.values()):
        return {ONLY_GROUP: _only_group(workers)}
    for name in workers:
        if not GROUP_NAME.fullmatch(name) or name == HEAD:
            raise ValueError(
                f"{name!r} cannot name a group: lower-case letters, digits and '-', 21 at most, "
                f"beginning with a letter, and not {HEAD}"
            )
        if "cpus" in workers[name]:
            raise ValueError(f"{name}.cpus: {NO_CPUS}")
        if "instance_type" in workers[name]:
            raise ValueError(
                f'{name}.instance_type: write a list, such as instance_types = ["m6i.large"]'
            )
    return workers


def table_of(group: str) -> str:
    """Return a group's table in the environment's file, in words."""
    return "[workers]" if group == ONLY_GROUP else f"[workers.{group}]"


def _only_group(workers: dict[str, Any]) -> dict[str, Any]:
    """Return the group that ``[workers]`` is, which may have ``instance_type`` for its only one."""
    if named := [key for key in workers if isinstance(workers[key], dict) and key not in TABLES]:
        raise ValueError(
            f"{', '.join(named)}: [workers] describes the only group; where there are several, "
            f"each has a table of its name, such as [workers.{named[0]}], with all of its keys"
        )
    if "cpus" in workers:
        raise ValueError(f"cpus: {NO_CPUS}")
    if "instance_type" not in workers:
        return workers
    if "instance_types" in workers:
        raise ValueError("give instance_type or instance_types: one, or a list")
    others = {key: value for key, value in workers.items() if key != "instance_type"}
    return {"instance_types": [workers["instance_type"]], **others}
