"""Start Ray on a worker: token, gate, then ``ray start``. ``python -m node.worker.main`` in
ray-worker.service. Reads SSM and DynamoDB.

Ray is imported before the gate opens, and runs in this same process: a worker rejoins a second
earlier.
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from node.clients import LEASE, make_client
from node.contract import BOOTSTRAP_LOGS, WORKER
from node.identity import Identity
from node.lease.table import DynamoLeaseTable
from node.log import ERROR, WARNING, EventLog, Log
from node.ray import launcher
from node.ray import token as settings
from node.ray.gcs import Gcs
from node.ray.grpc_gcs import GrpcGcs
from node.ray.start_settings import TOKEN, worker_arguments, worker_environment
from node.worker.gate import Gate, jittered

LOG = Path(BOOTSTRAP_LOGS[WORKER])
PAUSE = 1.0


def make_gate(identity: Identity, gcs: Callable[[str], Gcs], ssm: Any, log: Log) -> Gate:
    """Return the gate of this worker, with everything that it needs."""
    dynamodb = make_client("dynamodb", identity.region, LEASE)
    return Gate(
        DynamoLeaseTable(dynamodb, identity.lease_table, identity.environment),
        identity.head_name,
        resolve=socket.gethostbyname,
        gcs=gcs,
        refresh_secret=partial(refresh_secret, ssm, identity, log),
        clock=time.monotonic,
        log=log,
        rejoin_seconds=float(identity.rejoin_seconds or 0),
    )


def refresh_secret(ssm: Any, identity: Identity, log: Log) -> None:
    """Fetch the token; keep a known one while SSM does not answer."""
    if warning := settings.refresh_secret(ssm, identity.secret, TOKEN):
        log("secret not refreshed", level=WARNING, reason=warning)


def await_secret(ssm: Any, identity: Identity, log: Log) -> None:
    """Retry until there is a token; raises NotFit when there will be none."""
    while True:
        try:
            refresh_secret(ssm, identity, log)
        except settings.NotNow as error:
            log("no secret yet", level=WARNING, reason=error)
            time.sleep(jittered(PAUSE))
        else:
            return


def _connected(connections: dict[str, GrpcGcs], address: str) -> GrpcGcs:
    if address not in connections:
        connections[address] = GrpcGcs(address, TOKEN)
    return connections[address]


def main() -> int:
    """Become ``ray start`` when the gate opens."""
    log = EventLog(file=LOG)
    identity = Identity.read()
    os.environ.update(worker_environment(identity))
    ssm = make_client("ssm", identity.region)
    try:
        await_secret(ssm, identity, log)
    except settings.NotFit as error:
        log("worker cannot start", level=ERROR, why=error)
        return 1
    launcher.warm_up()
    connections: dict[str, GrpcGcs] = {}
    gate = make_gate(identity, lambda address: _connected(connections, address), ssm, log)
    while not gate.step():
        time.sleep(jittered(PAUSE))
    for connection in connections.values():
        connection.close()  # Ray forks, and gRPC's threads must have ended by then
    launcher.run_ray(worker_arguments(identity))
    return 0


if __name__ == "__main__":
    sys.exit(main())
