"""Start Ray on a worker: token, gate, then be ``ray start``. ``python -m node.worker`` in
ray-worker.service. Reads SSM and DynamoDB.

Ray is imported before the gate opens and runs in this very process: a worker is back a second
earlier.
"""

import os
import socket
import sys
import time
from functools import lru_cache, partial
from pathlib import Path

from node import launcher, settings
from node.clients import LEASE, make_client
from node.gate import Gate, jittered
from node.gcs import GrpcGcs
from node.identity import Identity
from node.journal import ERROR, WARNING, Journal, Say
from node.lease_table import DynamoLeaseTable
from node.ray_head import TOKEN, common_environment

LOG = Path("/var/log/ray-worker-bootstrap.log")
PAUSE = 1.0


def worker_environment(identity: Identity) -> dict[str, str]:
    """Return what makes a raylet its own watchdog; measured with Ray 2.60 (docs on Ray).

    It looks every second whether its GCS still knows it (default 60 s), notices a silent one by
    keepalive within 8 s, and gives up 20 s after the last answer.
    """
    return {
        **common_environment(identity),
        "RAY_raylet_liveness_self_check_interval_ms": "1000",
        "RAY_grpc_client_keepalive_time_ms": "5000",
        "RAY_grpc_client_keepalive_timeout_ms": "3000",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
    }


def worker_arguments(identity: Identity) -> list[str]:
    """Return ``ray``'s arguments: the head by name, which raylets keep and resolve again."""
    return [
        "start",
        "--block",
        f"--address={identity.head_name}:6379",
        f"--node-ip-address={identity.address}",
        "--disable-usage-stats",
    ]


def make_gate(identity: Identity, gcs: object, say: Say) -> Gate:
    """Wire the gate of a real worker."""
    dynamodb = make_client("dynamodb", identity.region, LEASE)
    ssm = make_client("ssm", identity.region)
    return Gate(
        DynamoLeaseTable(dynamodb, identity.lease_table, identity.environment),
        identity.head_name,
        resolve=socket.gethostbyname,
        gcs=gcs,  # type: ignore[arg-type]
        refresh_secret=partial(refresh_secret, ssm, identity, say),
        clock=time.monotonic,
        say=say,
    )


def refresh_secret(ssm: object, identity: Identity, say: Say) -> None:
    """Fetch the token; a known one serves while SSM cannot be asked."""
    if warning := settings.refresh_token(ssm, identity, TOKEN):
        say("secret not refreshed", level=WARNING, reason=warning)


def await_secret(ssm: object, identity: Identity, say: Say) -> None:
    """Try until there is a token; raises NotFit when there will not be one."""
    while True:
        try:
            refresh_secret(ssm, identity, say)
        except settings.NotNow as error:
            say("no secret yet", level=WARNING, reason=error)
            time.sleep(jittered(PAUSE))
        else:
            return


def main() -> int:
    """Become ``ray start`` when the gate opens."""
    say = Journal(file=LOG)
    identity = Identity.read()
    os.environ.update(worker_environment(identity))
    try:
        await_secret(make_client("ssm", identity.region), identity, say)
    except settings.NotFit as error:
        say("worker cannot start", level=ERROR, why=error)
        return 1
    launcher.warm_up()
    connection = lru_cache(maxsize=2)(lambda address: GrpcGcs(address, TOKEN))
    gate = make_gate(identity, connection, say)
    while not gate.step():
        time.sleep(jittered(PAUSE))
    launcher.run_ray(worker_arguments(identity))
    return 0


if __name__ == "__main__":
    sys.exit(main())
