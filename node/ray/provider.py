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
- ``NetworkInterfaces``, if the launch template has some, as a group with EFA: the same again, since
  EC2 takes a subnet for each of them then, and none for the instance
  (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html)
"""

import threading
import time
from collections import Counter
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

# EC2 has no room for this type there: another subnet or another type may do.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
NO_CAPACITY = frozenset(
    {
        "InsufficientFreeAddressesInSubnet",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "InsufficientReservedInstanceCapacity",
        "SpotMaxPriceTooLow",
        "UnfulfillableCapacity",
        "Unsupported",
    }
)
# The account may run no more of this type in this market: another type or market may do.
QUOTAS = frozenset({"InstanceLimitExceeded", "MaxSpotInstanceCountExceeded", "VcpuLimitExceeded"})
# "Wait a few minutes and then submit your request again; capacity can shift frequently."
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
RETRY_SECONDS = 180.0
INTERFACES = "NetworkInterfaces"


@dataclass(frozen=True)
class Offer:
    """One way to launch a worker of a group."""

    template: str
    market: str
    instance_type: str

    @property
    def words(self) -> str:
        """Return the instance type, with its market unless that is on-demand."""
        return self.instance_type + (f" ({SPOT})" if self.market == SPOT else "")

    def config(self, node_config: dict[str, Any], subnet_id: str) -> dict[str, Any]:
        """Return what Ray's provider passes to RunInstances."""
        ours = (NODE_CONFIG_TYPES, NODE_CONFIG_MARKETS)
        config = {k: v for k, v in node_config.items() if k not in ours}
        config |= {"InstanceType": self.instance_type, "SubnetIds": [subnet_id]}
        if self.market == SPOT:
            config["InstanceMarketOptions"] = {"MarketType": SPOT}
        if INTERFACES in config:
            config[INTERFACES] = [one | {"SubnetId": subnet_id} for one in config[INTERFACES]]
        return config


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
        self._launched: Counter[str] = Counter()  # requests by group: where the next one begins
        # Ray launches from several threads at once.
        self._lock = threading.Lock()

    def _create_node(
        self, node_config: dict[str, Any], tags: dict[str, str], count: int
    ) -> dict[str, Any]:
        """Launch ``count`` instances and return them by id.

        Raises NodeLaunchException when fewer could be launched. Ray adopts those that were, by
        their tags, and asks for the rest anew; it would count on all of them for ten minutes
        otherwise (_handle_stuck_requested_instance, v2/instance_manager/reconciler.py, Ray 2.60).
        """
        group = tags[TAG_RAY_USER_NODE_TYPE]
        share = -(-count // len(node_config["SubnetIds"]))
        created: dict[str, Any] = {}
        offers = list(self._offers(node_config))
        for offer, following in zip(offers, offers[1:] + offers[:1], strict=True):
            try:
                while len(created) < count:
                    missing = min(share, count - len(created))
                    created |= self._launch(offer, node_config, tags, missing)
            except NodeLaunchException as error:
                refusal = self._refused(group, offer, error, following)
            else:
                self._launches.succeeded(group)
                return created
        raise refusal

    def _launch(
        self, offer: Offer, node_config: dict[str, Any], tags: dict[str, str], count: int
    ) -> dict[str, Any]:
        """Launch up to ``count`` in the next subnet, or in the first after it that has capacity.

        Raises the last refusal when none has.
        """
        for subnet_id in self._subnets(tags[TAG_RAY_USER_NODE_TYPE], node_config["SubnetIds"]):
            config = offer.config(node_config, subnet_id)
            try:
                created: dict[str, Any] = super()._create_node(config, dict(tags), count)
            except NodeLaunchException as error:
                refusal = error
                if error.category not in NO_CAPACITY:
                    break
            else:
                return created
        raise refusal

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

    def _subnets(self, group: str, subnets: list[str]) -> list[str]:
        """Return the group's subnets, beginning with the next in turn."""
        with self._lock:
            first = self._launched[group] % len(subnets)
            self._launched[group] += 1
        return subnets[first:] + subnets[:first]

    def _refused(
        self, group: str, offer: Offer, error: NodeLaunchException, following: Offer
    ) -> NodeLaunchException:
        """Take note of a refusal; raises it when another type would be refused as well."""
        goes_on = error.category in NO_CAPACITY | QUOTAS
        self._launches.failed(
            Failure(
                group,
                offer.instance_type,
                offer.market,
                error.category,
                error.description,
                (following if goes_on else offer).words,
            ),
            self._clock(),
        )
        if not goes_on:
            raise error
        with self._lock:
            self._refused_at[offer] = self._clock()
        return error
