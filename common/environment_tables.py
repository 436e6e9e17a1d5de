"""The tables of an environment's file that describe the cluster as a whole. No AWS."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.aws_rules import DOMAIN, ENVIRONMENT, HOSTED_ZONE_ID, follows, partition_of
from common.nodes import Access, Volume
from common.table import Table, Text, like
from common.worker_groups import InstanceType

GRAFANA = r"(https?://[a-z0-9.-]+(:\d{1,5})?(/[\w./-]+)?)?"
REDIS = r"((rediss://)?[a-z0-9][a-z0-9.-]*:\d{1,5})?"
# docs.aws.amazon.com/prometheus/latest/userguide/AMP-APIReference.html, RemoteWrite
WORKSPACE = (
    r"https://aps-workspaces\.(?P<region>[a-z]{2}(-[a-z]+)+-\d)\.amazonaws\.com"
    r"/workspaces/(?P<id>ws-[a-z0-9-]+)/api/v1/remote_write"
)
AMP = "https://aps-workspaces.us-east-1.amazonaws.com/workspaces"
# docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html
EMAIL, ADDRESS = r"([^@\s]+@[^@\s]+\.[^@\s.]+)?", "on-call@example.com"


class Head(Access):
    """The head instances; what they may reach is added to what all nodes may."""

    instance_type: InstanceType
    # The name of an image, as in [images.NAME]; empty: [image].
    image: str = ""
    volume: Volume = Volume()
    standby: Literal[0, 1] = 0
    # redis: nodes, actors and jobs outlive a head. Give redis_node_type, and the foundation creates
    # an ElastiCache of that type; or redis, the address of a Redis of yours (rediss://host:port is
    # TLS), whose password is in the parameter names.state_secret.
    state: Literal["none", "redis"] = "none"
    redis_node_type: Annotated[Text, like(r"(cache\.[a-z0-9.-]+)?", "cache.t4g.small")] = ""
    redis: Annotated[Text, like(REDIS, "redis.example.com:6379 or rediss://host:6379")] = ""

    @property
    def has_redis(self) -> bool:
        """A Redis is created, or given, whether or not it is used."""
        return bool(self.redis or self.redis_node_type)

    @model_validator(mode="after")
    def _state_has_an_address(self) -> "Head":
        if self.redis and self.redis_node_type:
            raise ValueError(
                "give redis or redis_node_type: the address of a Redis, or the type to create"
            )
        if self.state == "redis" and not self.has_redis:
            raise ValueError(
                'state = "redis" needs redis_node_type, for example "cache.t4g.small", to create '
                'one; or redis = "host:port", or "rediss://host:port" for TLS: the address '
                "of a Redis of yours"
            )
        if self.redis and self.state == "none":
            raise ValueError('redis is given, but state = "none" would not use it')
        return self


class Dns(Table):
    """The private zone that holds the cluster's stable name."""

    zone: Annotated[Text, Field(min_length=1), follows(DOMAIN)]
    # Empty: a private zone is created.
    zone_id: Annotated[Text, follows(HOSTED_ZONE_ID)] = ""


class Promotion(Table):
    """Images that another environment has served, instead of own ones."""

    # The environment that images are promoted from; this one bakes none then.
    source: Annotated[Text, follows(ENVIRONMENT)]
    # Where that is, unless in this environment's account and region: its images are copied then.
    account_id: Annotated[Text, like(r"([0-9]{12})?", "123456789012")] = ""
    region: Annotated[Text, like(r"([a-z]{2}(-[a-z]+)+-[0-9])?", "us-east-1")] = ""


class Rollout(Table):
    """How a release is rolled out to a cluster in service."""

    # first: launch the new head before terminating the old one. after: where capacity is scarce.
    launch: Literal["first", "after"] = "first"
    # Workers that may be replaced at once: a number, or a percentage (at least one worker).
    max_unavailable: Annotated[str, like(r"[1-9][0-9]*|([1-9][0-9]?|100)%", "5 or 10%")] = "10%"
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

    email: Annotated[Text, like(EMAIL, ADDRESS)] = ""
    head_missing_minutes: int = Field(default=3, ge=1, le=60)
    # Replace a head when an alarm goes to ALARM and there is no leader.
    remediate: bool = False


class Budget(Table):
    """What may be spent in a month, and who is told when 80 % and all of it is, or will be."""

    # 0: there is no budget.
    dollars_per_month: int = Field(default=0, ge=0)
    # At most ten: docs.aws.amazon.com/cost-management/latest/userguide/budgets-controls.html
    emails: tuple[Annotated[Text, Field(min_length=1), like(EMAIL, ADDRESS)], ...] = Field(
        default=(), max_length=10
    )

    @model_validator(mode="after")
    def _someone_is_told(self) -> "Budget":
        if bool(self.dollars_per_month) != bool(self.emails):
            raise ValueError("give dollars_per_month and emails, or neither")
        return self


class Metrics(Table):
    """Where Ray's metrics can be looked at, besides Prometheus on a head whose image has it."""

    # A Grafana, as heads and browsers reach it: Ray's dashboard shows its graphs.
    grafana: Annotated[Text, like(GRAFANA, "https://grafana.example.com")] = ""
    # The same as browsers reach it, where that is another address, such as that of a tunnel.
    grafana_in_browser: Annotated[Text, like(GRAFANA, "http://127.0.0.1:3000")] = ""
    # A workspace of Amazon Managed Prometheus, to which Prometheus on the head sends all metrics.
    remote_write: Annotated[Text, like(rf"({WORKSPACE})?", f"{AMP}/ws-…/api/v1/remote_write")] = ""

    @model_validator(mode="after")
    def _a_browser_is_shown_what_heads_ask(self) -> "Metrics":
        if self.grafana_in_browser and not self.grafana:
            raise ValueError("grafana_in_browser needs grafana")
        return self

    @property
    def workspace_region(self) -> str:
        """The region of the workspace; empty without one."""
        found = re.fullmatch(WORKSPACE, self.remote_write)
        return found["region"] if found else ""

    def workspace_arn(self, account_id: str) -> str:
        """Return the workspace's ARN, in its own region and this account; empty without one.

        https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonmanagedserviceforprometheus.html
        """
        found = re.fullmatch(WORKSPACE, self.remote_write)
        if not found:
            return ""
        region = found["region"]
        return f"arn:{partition_of(region)}:aps:{region}:{account_id}:workspace/{found['id']}"


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
    state_secret: str = ""
    bucket: Text = ""
    load_balancer: str = ""
    lease_table: str = ""
    topic: str = ""
    lifecycle_hook: str = "ray-head-ready"
