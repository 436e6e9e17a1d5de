"""A fake of Ray's autoscaler v2 on the leader: launches, replaces and terminates workers.

It reads its YAML again in each round, and launches what it says. A draining node counts as
terminated (RAY_STOPPING), so that its replacement is launched while it still has work.

Its behaviour follows Ray 2.60's source: reconciler.py (``_compute_to_launch``,
``_terminate_instances``) and node_provider.py of ray/autoscaler/v2, and
ray/autoscaler/_private/aws/node_provider.py; it launches as our node/ray/provider.py does, or where
the YAML names no instance types, as Ray's own. It changes AWS through the head's own EC2 client;
only its list of instances, every five seconds, is read from moto's state, since a thousand
instances take moto seconds to describe.
"""

import math
from collections import Counter
from itertools import product
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.account import ec2_backend
from localcloud.patches.shortages import CODE
from node.contract import NODE_CONFIG_MARKETS, NODE_CONFIG_TYPES, ON_DEMAND, SPOT
from node.ray.launches import Failure
from tests.simulation.faults import Faults
from tests.simulation.files import Files
from tests.simulation.node_aws import NodeClient
from tests.simulation.ray import HeadRay

RETRY_SECONDS = 180.0  # node/ray/provider.py, which imports Ray
CLUSTER, KIND, TYPE = "ray-cluster-name", "ray-node-type", "ray-user-node-type"


class Autoscaler:
    """The autoscaler of one run of a head's Ray.

    ``demand`` is how many workers of a node type its tasks need; none fits one without CPUs.
    """

    def __init__(self, head: HeadRay, faults: Faults) -> None:
        self._head, self._machine, self._faults = head, head.machine, faults
        self._ec2 = NodeClient(head.machine, "ec2")
        self._ending: set[str] = set()
        self._subnet = 0
        # When EC2 last had none: by market and instance type.
        self._short: dict[tuple[str, str], float] = {}
        self.demand: Counter[str] = Counter()
        head.machine.after(0.0, self._look)

    def _look(self) -> None:
        """One round of the reconciler; the next follows while this Ray runs."""
        if not self._head.runs:
            return
        with self._machine.spending() as spent:
            if not self._head.hangs:
                self._reconcile()
        self._machine.after(self._machine.settings.autoscaler_every + spent(), self._look)

    def _reconcile(self) -> None:
        """Complete a round, or log why not; only a completed one moves the GCS's counter."""
        if self._head.cluster in self._faults.broken_autoscalers:
            self._machine.log("autoscaler: ValidationError", level=3)
            return
        try:
            self._head.config = self._head.read_config()
            self._ec2.connect()
            found = self._instances()
            heads = [i for i, tags in found.items() if tags[KIND] == "head"]
            if not heads:
                self._head.round += 1  # v2 silently stops scaling
                return
            ours = self._machine.host.instance_id
            self._terminate([i for i in heads if i != ours][: len(heads) - 1])
            types = self._head.config["available_node_types"]
            if lost := self._types_alive(found) - types.keys():
                self._machine.log("autoscaler: KeyError", level=3, types=sorted(lost))
                return
            workers = {i: t[TYPE] for i, t in found.items() if t[KIND] == "worker"}
            for name, kind in types.items():
                self._scale(name, kind, workers)
            self._head.round += 1
        except (ClientError, BotoCoreError) as error:
            self._machine.log("autoscaler: AWS refused", level=4, error=error)

    def _instances(self) -> dict[str, dict[str, str]]:
        """Return the tags of the cluster's nodes; those without a kind are unmanaged."""
        backend = ec2_backend()
        return {
            instance.id: tags
            for instance in backend.all_instances()
            if instance.state in ("pending", "running")
            and (tags := backend.tags[instance.id]).get(CLUSTER) == self._head.cluster
            and KIND in tags
        }

    def _types_alive(self, found: dict[str, dict[str, str]]) -> set[str]:
        """Return the types of the nodes that are alive; v2 fails on one that its YAML lacks.

        With disable_launch_config_check such nodes stay, and _enforce_max_workers_per_type
        (v2/scheduler.py) looks their type up: the whole round ends there, and each one after it.
        """
        alive = {raylet.machine.host.instance_id for raylet in self._head.nodes.values()}
        return {tags[TYPE] for i, tags in found.items() if i in alive and TYPE in tags}

    def _scale(self, name: str, kind: dict[str, Any], workers: dict[str, str]) -> None:
        if name == self._head.config["head_node_type"]:
            return
        ours = [i for i, node_type in workers.items() if node_type == name]
        self._terminate([i for i in ours if i in self._head.lost and i not in self._ending])
        gone = self._ending | self._head.draining
        living = [i for i in ours if i not in gone]
        others = sum(i not in gone for i in workers) - len(living)
        most = min(kind["max_workers"], max(0, self._head.config["max_workers"] - others))
        needed = self.demand[name] if kind["resources"].get("CPU") else 0
        wanted = min(most, max(kind["min_workers"], needed))
        self._terminate(self._surplus(kind, living, wanted, most))
        self._launch(name, kind["node_config"], wanted - len(living))

    def _surplus(
        self, kind: dict[str, Any], living: list[str], wanted: int, most: int
    ) -> list[str]:
        """Return the surplus: workers above the maximum, and idle ones above the minimum.

        Those above a maximum are stopped at once, whatever runs on them. See
        _enforce_max_workers_per_type, _enforce_max_workers_global and _enforce_idle_termination in
        v2/scheduler.py; which of the types the cluster's maximum takes from is simplified.
        """
        idle = self._idle_seconds()
        minutes = self._head.config.get("idle_timeout_minutes")
        default = math.inf if minutes is None else 60.0 * minutes
        idle_timeout = kind.get("idle_timeout_s", default)
        ranked = sorted(living, key=lambda i: -idle.get(i, math.inf))
        above = ranked[: max(0, len(living) - most)]
        idle_long = [i for i in ranked if idle.get(i, 0.0) > idle_timeout]
        return (above + [i for i in idle_long if i not in above])[: max(0, len(living) - wanted)]

    def _idle_seconds(self) -> dict[str, float]:
        """Return how many seconds each raylet that is alive has had no work."""
        now = self._machine.timeline.now()
        return {
            raylet.machine.host.instance_id: max(0.0, now - max(raylet.began, raylet.busy_until))
            for raylet in self._head.nodes.values()
        }

    def _launch(self, name: str, config: dict[str, Any], missing: int) -> None:
        settings = self._machine.settings
        running = len(self._head.nodes) - 1
        upscale = max(1, math.ceil(settings.upscaling_speed * max(running, 1)))
        left = max(0, min(settings.launches_at_once, upscale, missing))
        while left > 0:
            batch = min(left, settings.launch_batch)
            self._run_instances(name, config, batch)
            left -= batch

    def _run_instances(self, name: str, config: dict[str, Any], count: int) -> None:
        """Try the types in order, those that EC2 lately had none of last (``GroupProvider``)."""
        now = self._machine.timeline.now()
        offers = list(
            product(config.get(NODE_CONFIG_MARKETS, [""]), config.get(NODE_CONFIG_TYPES, [""]))
        )
        if self._head.cluster in self._faults.short_of_workers:
            self._refused(name, offers[-1], CODE, "the test says so")
            return
        lately = [o for o in offers if now - self._short.get(o, -RETRY_SECONDS) < RETRY_SECONDS]
        for offer in [o for o in offers if o not in lately] + lately:
            first, self._subnet = self._subnet, self._subnet + 1
            if self._launched(name, config, offer, first, count):
                Files(self._machine).launches.succeeded(name)
                return
            self._short[offer] = now

    def _launched(
        self, name: str, config: dict[str, Any], offer: tuple[str, str], first: int, count: int
    ) -> bool:
        """Try every subnet in turn, from the ``first``, as AWSNodeProvider does."""
        ours = ("SubnetIds", NODE_CONFIG_TYPES, NODE_CONFIG_MARKETS)
        wanted = {key: value for key, value in config.items() if key not in ours}
        market, instance_type = offer
        if instance_type:
            wanted["InstanceType"] = instance_type
        if market == SPOT:
            wanted["InstanceMarketOptions"] = {"MarketType": SPOT}
        tags = {
            CLUSTER: self._head.cluster,
            KIND: "worker",
            TYPE: name,
            "Name": f"ray-{self._head.cluster}-worker",
            "ray-node-status": "uninitialized",
        }
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        specification = {"ResourceType": "instance", "Tags": pairs}
        subnets = config["SubnetIds"]
        first %= len(subnets)
        for subnet in subnets[first:] + subnets[:first]:
            try:
                self._ec2.run_instances(
                    MinCount=1,
                    MaxCount=count,
                    SubnetId=subnet,
                    TagSpecifications=[specification],
                    **wanted,
                )
            except ClientError as error:
                found = error.response["Error"]
                self._refused(name, offer, found["Code"], found["Message"])
            else:
                return True
        return False

    def _refused(self, name: str, offer: tuple[str, str], code: str, message: str) -> None:
        """Note that nothing was launched, as node/ray/provider.py does."""
        market, instance_type = offer
        self._machine.log("autoscaler: no launch", level=4, type=name, error=code)
        kind = instance_type or "of its template"
        failure = Failure(name, kind, market or ON_DEMAND, code, message)
        Files(self._machine).launches.failed(failure, self._machine.timeline.now())

    def _terminate(self, instance_ids: list[str]) -> None:
        if instance_ids:
            self._ending.update(instance_ids)
            self._ec2.terminate_instances(InstanceIds=instance_ids)
