"""What must hold in a cluster at every moment of a rollout, whatever happens to the deployer."""

from dataclasses import dataclass, field
from typing import Any, cast

from common.clients import Clients
from deploy.cluster.state import find_lease
from tests.simulation.node_aws import client as unseen_client
from tests.unit.simulation.calls import Call
from tests.unit.simulation.conftest import Cluster


@dataclass
class Watch:
    """Checks what must hold at every moment; ``broken`` says what did not.

    ``floor`` is how many workers must be alive, ``serves`` that the cluster did at the start.
    """

    cluster: Cluster
    floor: int
    serves: bool
    keeps: frozenset[str] = frozenset()
    broken: list[str] = field(default_factory=list)
    ended_since: list[str] = field(default_factory=list)
    verified: int = 0  # the epoch of the lease at the last verification
    title: str = ""
    _life: object = None
    _since: float = 0.0

    def __post_init__(self) -> None:
        self._since = self.cluster.cloud.clock.now()
        if self.serves:
            self.cluster.cloud.clock.every(0.5, self._look)

    def begin(self, title: str) -> None:
        """See common.progress.Progress."""
        self.title = title

    def say(self, words: str) -> None:
        """See common.progress.Progress."""

    def end(self, outcome: str) -> None:
        """See common.progress.Progress."""
        if self.title.startswith("verify the cluster"):
            lease = self._lease()
            self.verified = lease.epoch if lease else 0

    def sends(self, call: Call, *, faulty: bool) -> None:
        """A call is about to be sent."""
        if faulty and call.ends_something and not _is_of_empty_stack(call):
            self.ended_since.append(call.name)
        if call.operation == "TerminateInstanceInAutoScalingGroup":
            self._head_ends(call.arguments["InstanceId"])

    def _head_ends(self, instance_id: str) -> None:
        """A head ends only when another leads, and in service only after a verification."""
        lease = self._lease()
        if lease is None or lease.released or lease.holder == instance_id:
            self.broken.append(f"{instance_id} is terminated while it leads, or without a leader")
        elif self._in_service(instance_id) and lease.epoch != self.verified:
            self.broken.append(f"{instance_id} is ended before {lease.holder} was verified")

    def _in_service(self, instance_id: str) -> bool:
        found = unseen_client("autoscaling").describe_auto_scaling_instances(
            InstanceIds=[instance_id]
        )
        return any(i["LifecycleState"] == "InService" for i in found["AutoScalingInstances"])

    def _lease(self) -> Any:
        return find_lease(cast(Clients, unseen_client), self.cluster.environment)

    def _look(self) -> None:
        cluster, now = self.cluster, self.cluster.cloud.clock.now()
        life = cluster.cloud.rays.running(cluster.name)
        if life is not self._life:
            self._life, self._since = life, now
        if life is None:
            self._expect(now - self._since < 15, "no head has run Ray for 15 s")
        elif now - self._since > 60:
            alive = cluster.cloud.rays.worker_count(cluster.name)
            self._expect(alive >= self.floor, f"only {alive} workers are alive")
        there = cluster.worker_ids
        self._expect(len(there) >= self.floor, f"only {len(there)} workers are there")
        self._expect(there >= self.keeps, "a worker was ended for nothing")

    def _expect(self, holds: bool, words: str) -> None:
        if not holds and words not in self.broken:
            self.broken.append(words)


def _is_of_empty_stack(call: Call) -> bool:
    """True for a stack that a change set has created and nothing has filled (CreateChangeSet)."""
    if call.operation != "DeleteStack":
        return False
    stack_name = call.arguments["StackName"]
    found = unseen_client("cloudformation").describe_stacks(StackName=stack_name)
    return any(stack["StackStatus"] == "REVIEW_IN_PROGRESS" for stack in found["Stacks"])
