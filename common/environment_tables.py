"""The tables of an environment's file that describe the cluster as a whole. No AWS."""

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.nodes import Access, Volume
from common.table import Table, Text


class Network(Table):
    """The VPC to create, or an existing one to use."""

    cidr: IPv4Network = Field(default=IPv4Network("10.77.0.0/16"))
    zones: int = Field(default=2, ge=2, le=3)
    nat: bool = False
    endpoints: bool = True
    # Who may reach the cluster's endpoint, the build instances and the image tests.
    operator_cidrs: tuple[IPv4Network, ...] = Field(min_length=1)
    vpc_id: Text = ""
    private_subnet_ids: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _existing_vpc_has_subnets(self) -> "Network":
        if bool(self.vpc_id) != bool(self.private_subnet_ids):
            raise ValueError("vpc_id and private_subnet_ids go together: give both or neither")
        return self


class Head(Access):
    """The head instances; what they may reach is added to what all nodes may."""

    instance_type: Text
    # The name of an image, as in [images.NAME]; empty: [image].
    image: str = ""
    volume: Volume = Volume()
    standby: Literal[0, 1] = 0
    # redis: nodes, actors and jobs outlive a head. Give redis_node_type, and the foundation creates
    # an ElastiCache of that type; or redis, the address of a Redis whose password is the cluster's
    # secret (rediss://host:port is TLS).
    state: Literal["none", "redis"] = "none"
    redis_node_type: Annotated[Text, Field(pattern=r"^(cache\.[a-z0-9.-]+)?$")] = ""
    redis: Annotated[Text, Field(pattern=r"^((rediss://)?[a-z0-9][a-z0-9.-]*:\d{1,5})?$")] = ""

    @model_validator(mode="after")
    def _state_has_an_address(self) -> "Head":
        if self.redis and self.redis_node_type:
            raise ValueError(
                "give redis or redis_node_type: the address of a Redis, or the type to create"
            )
        if self.state == "redis" and not (self.redis or self.redis_node_type):
            raise ValueError(
                'state = "redis" needs redis_node_type, for example "cache.t4g.small", to create '
                'one; or redis = "host:port", or "rediss://host:port" for TLS: the address '
                "of a Redis whose password is the cluster's secret"
            )
        if self.redis and self.state == "none":
            raise ValueError('redis is given, but state = "none" would not use it')
        return self


class Dns(Table):
    """The private zone that holds the cluster's stable name."""

    zone: Text
    # Empty: a private zone is created.
    zone_id: Text = ""


class Rollout(Table):
    """How a release is rolled out to a cluster in service."""

    # first: launch the new head before terminating the old one. after: where capacity is scarce.
    launch: Literal["first", "after"] = "first"
    # Workers that may be replaced at once: a number, or a percentage (at least one worker).
    max_unavailable: Annotated[str, Field(pattern=r"^[1-9]\d*$|^([1-9]\d?|100)%$")] = "10%"
    # Seconds that a worker's tasks get to end before the worker is terminated.
    drain_seconds: int = Field(default=300, ge=0, le=86400)
    # The bake time: seconds without an alarm in ALARM before a rollout counts as successful.
    watch_seconds: int = Field(default=300, ge=0, le=86400)

    def unavailable(self, workers: int) -> int:
        """Return how many of ``workers`` may be replaced at once."""
        share = self.max_unavailable
        if share.endswith("%"):
            return max(1, workers * int(share[:-1]) // 100)
        return int(share)


class Alarms(Table):
    """Who is notified of alarms, after how long, and whether a head is replaced."""

    email: Text = ""
    head_missing_minutes: int = Field(default=3, ge=1, le=60)
    # Replace a head when an alarm goes to ALARM and there is no leader.
    remediate: bool = False


class Limits(Table):
    """Timeouts in seconds, and how the load balancer checks its targets."""

    # Until SSH answers on a build instance, or on an instance that tests an image.
    boot_seconds: int = Field(default=600, ge=10, le=3600)
    head_ready_seconds: int = Field(default=900, ge=60, le=7200)
    workers_ready_seconds: int = Field(default=900, ge=60, le=7200)
    # From the hand-over of the lease until Ray answers at the stable name.
    hand_over_seconds: int = Field(default=180, ge=30, le=3600)
    health_check_interval_seconds: int = Field(default=10, ge=5, le=300)
    health_check_threshold: int = Field(default=2, ge=2, le=10)


class NameOverrides(Table):
    """Names that replace the derived ones."""

    stack: str = ""
    head_group: str = ""
    head_template: str = ""
    worker_template: str = ""
    head_dns: str = ""
    metric_namespace: str = "Ray/Head"
    secret: str = ""
    bucket: Text = ""
    load_balancer: str = ""
    lease_table: str = ""
    topic: str = ""
    lifecycle_hook: str = "ray-head-ready"
