"""A fake Ray: a GCS on each head that runs it, raylets that join, lose their head and end.

Its behaviour and durations were measured with Ray 2.60; see ``Settings``. The one rule that the
product must keep is checked at every start, and so holds at every moment: **two heads never run
Ray together.**
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from node.contract import GCS_PORT
from node.ray.gcs import NODE_ID_BYTES, NotAdmitted, RayNode, Unreachable
from tests.simulation.faults import Faults
from tests.simulation.machine import Machine
from tests.simulation.network import Network, NobodyListens, Silence

CALL_SECONDS = 1.0  # the node's timeout of a call to the GCS


class TwoHeads(AssertionError):
    """Two heads of one cluster run Ray at the same time."""


@dataclass(eq=False)
class Raylet:
    """A raylet; ``recheck`` has it check its GCS at once.

    ``busy_until``: it has work until then; like ``began``, a time of the simulation's clock.
    ``drain`` is called when it should take no more work.
    """

    node_id: bytes
    machine: Machine
    began: float
    recheck: Callable[[], None] = lambda: None
    drain: Callable[[], None] = lambda: None
    busy_until: float = 0.0
    drains: bool = False


@dataclass(eq=False)
class HeadRay:
    """One run of a head's Ray, from `ray start --head` to its end."""

    cluster: str
    machine: Machine
    token: str
    read_config: Callable[[], dict[str, Any]]  # the autoscaler's YAML as it is now
    began: float
    ended: float | None = None
    is_open: bool = False  # the GCS answers
    hangs: bool = False  # it runs, and does not answer
    own: Raylet | None = None  # the head's own raylet, once alive
    nodes: dict[bytes, Raylet] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  # instances whose raylet died under this GCS
    round: int = 0  # the counter that the autoscaler moves when it completes a round
    _listing: tuple[RayNode, ...] | None = None

    def __post_init__(self) -> None:
        self.config = self.read_config()

    @property
    def runs(self) -> bool:
        """Its processes are there."""
        return self.ended is None

    @property
    def draining(self) -> set[str]:
        """The instances whose raylet is draining."""
        return {r.machine.host.instance_id for r in self.nodes.values() if r.drains}

    @property
    def answers(self) -> bool:
        """Its GCS can be asked."""
        return self.runs and self.is_open and not self.hangs

    def listing(self) -> tuple[RayNode, ...]:
        """Return the living nodes as the GCS lists them."""
        if self._listing is None:
            living = self.nodes.values()
            self._listing = tuple(RayNode(r.node_id, r.machine.address) for r in living)
        return self._listing

    def add(self, raylet: Raylet) -> None:
        """A raylet is alive."""
        self.nodes[raylet.node_id] = raylet
        self.lost.discard(raylet.machine.host.instance_id)
        self._listing = None

    def drain(self, node_id: bytes) -> None:
        """Have a node take no more work.

        One that is not there counts as drained (gcs_autoscaler_state_manager.cc, HandleDrainNode).
        """
        raylet = self.nodes.get(node_id)
        if raylet and not raylet.drains:
            raylet.drains = True
            raylet.drain()

    def remove(self, raylet: Raylet) -> None:
        """A raylet is dead."""
        if self.nodes.pop(raylet.node_id, None):
            self.lost.add(raylet.machine.host.instance_id)
            self._listing = None


class Rays:
    """Every Ray in the simulation."""

    def __init__(self, network: Network, faults: Faults | None = None) -> None:
        self.network, self.faults = network, faults or Faults()
        self.lives: list[HeadRay] = []
        # The passwords that a Redis accepts, by its address as a head is told it.
        self.passwords: Callable[[str], tuple[str, ...]] = lambda address: ()
        self.locked_out: list[str] = []  # heads that their Redis did not admit
        self.on_head_joined: Callable[[HeadRay], None] = lambda head: None
        self._running: dict[str, HeadRay] = {}
        self._number = count(1)

    def running(self, cluster: str) -> HeadRay | None:
        """Return the head of a cluster that runs Ray now."""
        return self._running.get(cluster)

    def worker_count(self, cluster: str) -> int:
        """Return how many workers the GCS lists as alive."""
        head = self._running.get(cluster)
        return len(head.nodes) - (head.own is not None) if head and head.answers else 0

    def start(
        self, machine: Machine, token: str, read_config: Callable[[], dict[str, Any]]
    ) -> HeadRay:
        """Run `ray start --head`; raises TwoHeads when another head still runs it."""
        cluster = str(read_config()["cluster_name"])
        other = self._running.get(cluster)
        if other is not None:
            raise TwoHeads(f"{machine.host.instance_id} beside {other.machine.host.instance_id}")
        head = HeadRay(cluster, machine, token, read_config, machine.timeline.now())
        self._running[cluster] = head
        self.lives.append(head)
        machine.after(machine.settings.gcs_opens, lambda: self._open(head))
        machine.after(machine.settings.head_joins, lambda: self._head_joins(head))
        return head

    def end(self, head: HeadRay) -> None:
        """End all processes of a head's Ray."""
        if head.runs:
            head.ended, head.is_open = head.machine.timeline.now(), False
            del self._running[head.cluster]
            recheck_all(head)

    def recheck(self) -> None:
        """Have every raylet check its GCS at once: cables were cut or restored."""
        for head in list(self._running.values()):
            recheck_all(head)

    def raylet(
        self,
        machine: Machine,
        recheck: Callable[[], None] = lambda: None,
        drain: Callable[[], None] = lambda: None,
    ) -> Raylet:
        """Return a new raylet, with an id as long as Ray's."""
        node_id = next(self._number).to_bytes(NODE_ID_BYTES, "big")
        return Raylet(node_id, machine, machine.timeline.now(), recheck, drain)

    def find(self, origin: Machine, address: str) -> HeadRay | None:
        """Return the head whose GCS answers there; raises Silence when nothing comes back."""
        try:
            station = self.network.reach(origin, address, GCS_PORT)
        except NobodyListens:
            return None
        for head in self._running.values():
            if head.machine is station:
                if head.hangs:
                    raise Silence(address)
                return head if head.is_open else None
        return None

    def _open(self, head: HeadRay) -> None:
        head.is_open = head.runs

    def _head_joins(self, head: HeadRay) -> None:
        image = head.machine.host.ami_id
        if not head.runs or image in self.faults.broken_images:
            return
        head.own = self.raylet(head.machine)
        head.add(head.own)
        self.on_head_joined(head)
        if image in self.faults.dying_images:
            head.machine.after(self.faults.dying_images[image], lambda: self.end(head))


def recheck_all(head: HeadRay) -> None:
    """Have every raylet of a head check it at once."""
    for raylet in list(head.nodes.values()):
        raylet.recheck()


@dataclass(frozen=True)
class GcsClient:
    """What node code asks a GCS (``node.ray.gcs.Gcs``) from one machine."""

    rays: Rays
    machine: Machine
    address: str
    token: Callable[[], str]

    def alive_nodes(self) -> tuple[RayNode, ...]:
        """See node.ray.gcs.Gcs."""
        return self._head().listing()

    def is_alive(self, node_id: bytes) -> bool:
        """See node.ray.gcs.Gcs."""
        return node_id in self._head().nodes

    def autoscaler_round(self) -> int:
        """See node.ray.gcs.Gcs."""
        return self._head().round

    def _head(self) -> HeadRay:
        try:
            head = self.rays.find(self.machine, self.address)
        except Silence as error:
            self.machine.wait(CALL_SECONDS)
            raise Unreachable("DEADLINE_EXCEEDED") from error
        if head is None:
            raise Unreachable("UNAVAILABLE")
        if self.token() != head.token:
            raise NotAdmitted("the token is refused")
        return head
