"""Launch workers of a group: its instance types in order of preference, spread over its subnets.

Ray's autoscaler v2 knows one node type a group, and calls this where it would call its own provider
for AWS (``provider.type: external``). That one passes a node type's ``node_config`` to RunInstances
as it is, in the first subnet until that fails (ray/autoscaler/_private/aws/node_provider.py, Ray
2.60), and v2 does not count a failed launch against a node type, so it would try the same one for
ever (ray/autoscaler/v2/instance_manager/subscribers/cloud_resource_monitor.py counts timeouts
alone). Runs in Ray's monitor process on the head. Changes AWS (EC2).

A group's ``node_config``, besides ``LaunchTemplate`` and ``SubnetIds``:

- ``InstanceTypes``: in order of preference, all with as many vCPUs and GPUs
- ``Markets``: ``on-demand`` or ``spot``, in order of preference
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler.node_launch_exception import NodeLaunchException
from ray.autoscaler.tags import TAG_RAY_USER_NODE_TYPE

from node.contract import NODE_CONFIG_MARKETS, NODE_CONFIG_TYPES, PROVIDER_LAUNCHES, SPOT
from node.ray.launches import Failure, Launches

# EC2 has no room for this type there, or the account has none left: another type may do.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
NO_CAPACITY = frozenset(
    {
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "InsufficientReservedInstanceCapacity",
        "InstanceLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "SpotMaxPriceTooLow",
        "Unsupported",
        "VcpuLimitExceeded",
    }
)
# "Wait a few minutes and then submit your request again; capacity can shift frequently."
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
RETRY_SECONDS = 180.0


@dataclass(frozen=True)
class Offer:
    """One way to launch a worker of a group."""

    template: str
    market: str
    instance_type: str

    def config(self, node_config: dict[str, Any], subnet_ids: list[str]) -> dict[str, Any]:
        """Return what Ray's provider passes to RunInstances."""
        ours = (NODE_CONFIG_TYPES, NODE_CONFIG_MARKETS)
        known = {k: v for k, v in node_config.items() if k not in ours}
        market = {"InstanceMarketOptions": {"MarketType": SPOT}} if self.market == SPOT else {}
        return known | market | {"InstanceType": self.instance_type, "SubnetIds": subnet_ids}


class GroupProvider(AWSNodeProvider):  # type: ignore[misc]
    """Ray's provider for AWS, but for how it launches."""

    def __init__(
        self,
        provider_config: dict[str, Any],
        cluster_name: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(provider_config, cluster_name)
        self._clock, self._launches = clock, Launches(Path(provider_config[PROVIDER_LAUNCHES]))
        self._refused_at: dict[Offer, float] = {}
        self._next_subnet = 0
        # Ray launches from several threads at once.
        self._lock = threading.Lock()

    def _create_node(
        self, node_config: dict[str, Any], tags: dict[str, str], count: int
    ) -> dict[str, Any]:
        """Launch up to ``count`` instances and return them by id.

        Raises NodeLaunchException when none could be launched.
        """
        group = tags[TAG_RAY_USER_NODE_TYPE]
        created: dict[str, Any] = {}
        refusal: NodeLaunchException | None = None
        for offer in self._offers(node_config):
            while len(created) < count:
                subnets, share = self._part(node_config["SubnetIds"], count)
                try:
                    created |= super()._create_node(
                        offer.config(node_config, subnets),
                        dict(tags),
                        min(share, count - len(created)),
                    )
                except NodeLaunchException as error:
                    refusal = self._refused(group, offer, error)
                    break
        if created:
            self._launches.succeeded(group)
        elif refusal:
            raise refusal
        return created

    def _offers(self, node_config: dict[str, Any]) -> Iterator[Offer]:
        """Yield what to try, in order; what was refused lately comes last."""
        template = node_config["LaunchTemplate"]["LaunchTemplateId"]
        pairs = product(node_config[NODE_CONFIG_MARKETS], node_config[NODE_CONFIG_TYPES])
        offers = [Offer(template, market, instance_type) for market, instance_type in pairs]
        since = self._clock() - RETRY_SECONDS
        with self._lock:
            lately = {offer for offer, at in self._refused_at.items() if at > since}
        yield from (offer for offer in offers if offer not in lately)
        yield from (offer for offer in offers if offer in lately)

    def _part(self, subnets: list[str], count: int) -> tuple[list[str], int]:
        """Return the subnets, beginning with the next in turn, and how many of ``count`` are its
        share; Ray's provider falls back to the other subnets.
        """
        with self._lock:
            first = self._next_subnet % len(subnets)
            self._next_subnet += 1
        return subnets[first:] + subnets[:first], -(-count // len(subnets))

    def _refused(self, group: str, offer: Offer, error: NodeLaunchException) -> NodeLaunchException:
        """Take note of a refusal; raises it when another type would be refused as well."""
        self._launches.failed(
            Failure(group, offer.instance_type, offer.market, error.category, error.description),
            self._clock(),
        )
        if error.category not in NO_CAPACITY:
            raise error
        with self._lock:
            self._refused_at[offer] = self._clock()
        return error
