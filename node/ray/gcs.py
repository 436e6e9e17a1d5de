"""What Ray's GCS can be asked: which nodes are alive, and what the autoscaler reported last. No
AWS, no gRPC: that is grpc_gcs.py.

A TCP connect through a proxy proves nothing, and the agents' own check counts an unreachable GCS
as healthy, so the question goes to the GCS itself.
"""

from dataclasses import dataclass
from typing import Protocol

from node.ray.protobuf import Value, decoded

NODE_ID_BYTES = 28


class Unreachable(Exception):
    """No GCS answered: nothing is known about any node."""


class NotAdmitted(Exception):
    """A GCS answered that the token is not the cluster's."""


@dataclass(frozen=True)
class RayNode:
    """A node that the GCS lists as alive."""

    node_id: bytes
    address: str


class Gcs(Protocol):
    """Each call raises Unreachable or NotAdmitted."""

    def alive_nodes(self) -> tuple[RayNode, ...]:
        """Return every node that is alive."""

    def is_alive(self, node_id: bytes) -> bool:
        """Say whether this one node is alive; cheap, unlike the list."""

    def autoscaler_round(self) -> int:
        """Return a number that grows with each round that the autoscaler completes; 0 before the
        first. Takes seconds in a large cluster.
        """


def round_in(reply: bytes) -> int:
    """Read GetClusterStatusReply, autoscaling_state = 1, which comes first, and from it
    last_seen_cluster_resource_state_version = 1 (ray/protobuf/autoscaler.proto, Ray 2.60).

    A round that fails reports no state (ray/autoscaler/v2/autoscaler.py, update_autoscaling_state,
    and monitor.py, _run), so the number stands still.
    """
    return _reported(reply, 1)


def state_version_in(reply: bytes) -> int:
    """Read GetClusterStatusReply, autoscaling_state = 1, and from it autoscaler_state_version = 2;
    0 before the first state.
    """
    return _reported(reply, 2)


def _reported(reply: bytes, number: int) -> int:
    state = _field(reply, 1)
    found = _field(state, number) if isinstance(state, bytes) else state
    if isinstance(found, bytes):
        raise ValueError("not the protobuf message it should be")
    return found


def _field(message: bytes, number: int) -> Value:
    """Return a field's value; protobuf leaves out a number that is 0 and a message not set."""
    return next((value for found, value in decoded(message) if found == number), 0)
