"""Ask Ray's GCS over gRPC, as Ray's own clients do. No AWS.

Messages: ray/protobuf/gcs_service.proto and gcs.proto of Ray 2.60 (field numbers in the code
below). grpcio comes with ray[default].
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]

from node.contract import GCS_PORT
from node.ray.gcs import (
    NODE_ID_BYTES,
    NotAdmitted,
    RayNode,
    Unreachable,
    round_in,
    state_version_in,
)
from node.ray.protobuf import counted, decoded

NODES = "/ray.rpc.NodeInfoGcsService/"
AUTOSCALER = "/ray.rpc.autoscaler.AutoscalerStateService/"
STATUS_SECONDS = 10.0  # for a reply that has an entry for each node and each pending task's shape
STATE_ALIVE = 0  # gcs.proto, GcsNodeInfo.GcsNodeState
# gRPC's backoff grows to two minutes: a GCS that is back should be found sooner.
CHANNEL = (
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.enable_http_proxy", 0),
    # Ray's own limit (src/ray/common/ray_config_def.h, max_grpc_message_size); by default 4 MB.
    ("grpc.max_receive_message_length", 512 * 1024 * 1024),
)


class GrpcGcs:
    """The GCS at one address. Each call reads the token, so that a rotated one is used at once."""

    def __init__(self, address: str, token_path: Path, seconds: float = 1.0) -> None:
        self._token_path, self._seconds = token_path, seconds
        self._channel = grpc.insecure_channel(f"{address}:{GCS_PORT}", options=CHANNEL)

    def close(self) -> None:
        """Close the connection and end gRPC's threads for it."""
        self._channel.close()

    def alive_nodes(self) -> tuple[RayNode, ...]:
        reply = self._call(f"{NODES}GetAllNodeAddressAndLiveness", b"")
        infos = [value for number, value in decoded(reply) if number == 2]
        return tuple(node for info in infos if (node := _alive_node(_bytes(info))))

    def is_alive(self, node_id: bytes) -> bool:
        """See Gcs; raises ValueError unless the id has 28 bytes: others crash the GCS."""
        if len(node_id) != NODE_ID_BYTES:
            raise ValueError(f"a node id has {NODE_ID_BYTES} bytes, not {len(node_id)}")
        reply = dict(decoded(self._call(f"{NODES}CheckAlive", counted(1, node_id))))
        # raylet_alive = 3 is a packed repeated bool: one byte for our one id, absent when empty.
        return reply.get(3) == b"\x01"

    def drain(self, request: bytes) -> bool:
        """Send a DrainNodeRequest (departure.py); say whether the head does so: is_accepted = 1."""
        return dict(decoded(self._call(f"{AUTOSCALER}DrainNode", request))).get(1) == 1

    def autoscaler_round(self) -> int:
        return round_in(self._cluster_status())

    def autoscaler_state_version(self) -> int:
        """Return the number of the last state that an autoscaler has reported; 0 before the first.

        Raises Unreachable or NotAdmitted.
        """
        return state_version_in(self._cluster_status())

    def _cluster_status(self) -> bytes:
        return self._call(f"{AUTOSCALER}GetClusterStatus", b"", STATUS_SECONDS)

    def _call(self, method: str, request: bytes, seconds: float = 0.0) -> bytes:
        call: Callable[..., Any] = self._channel.unary_unary(method)
        try:
            token = self._token_path.read_text(encoding="utf-8").strip()
            metadata = (("authorization", f"Bearer {token}"),)
            return bytes(call(request, timeout=seconds or self._seconds, metadata=metadata))
        except OSError as error:
            raise NotAdmitted("no token yet") from error
        except grpc.RpcError as error:
            code = error.code()  # without its details, which may quote what was sent
            if code is grpc.StatusCode.UNAUTHENTICATED:
                raise NotAdmitted("the token is refused") from error
            raise Unreachable(str(code)) from error


def _alive_node(info: bytes) -> RayNode | None:
    """Read GcsNodeAddressAndLiveness: node_id = 1, node_manager_address = 2, state = 5."""
    found = dict(decoded(info))
    if found.get(5, STATE_ALIVE) != STATE_ALIVE:
        return None
    return RayNode(_bytes(found.get(1, b"")), _bytes(found.get(2, b"")).decode())


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("not the protobuf message it should be")
    return value
