"""What Ray's GCS can be asked: which nodes are alive. No AWS, no gRPC: that is grpc_gcs.py.

A TCP connect through a proxy proves nothing, and the agents' own check counts an unreachable GCS
as healthy, so the question goes to the GCS itself.
"""

from dataclasses import dataclass
from typing import Protocol

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
