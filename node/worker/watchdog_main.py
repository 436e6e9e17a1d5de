"""Run the watchdog on a real worker, as ray-watchdog.service does. Reads DynamoDB and the
metadata service.

All decisions are watchdog.py's.
"""

import sys
import time
from functools import lru_cache

from node.clients import LEASE, make_client
from node.identity import Identity, metadata_service
from node.lease.table import DynamoLeaseTable
from node.log import EventLog
from node.ray.gcs import NotAdmitted, Unreachable
from node.ray.grpc_gcs import GrpcGcs
from node.ray.start_settings import TOKEN
from node.worker.departure import Departure
from node.worker.hosts import point_name
from node.worker.unit import SystemdWorkerUnit
from node.worker.watchdog import Watchdog

GIVEN_UP = 64  # ray-watchdog.service does not restart after it


def main() -> int:
    """Watch until the instance is given up, or leaves by itself."""
    log = EventLog()
    identity = Identity.read()

    def follow(address: str) -> None:
        if point_name(identity.head_name, address):
            log("name points to the leader", name=identity.head_name, address=address)

    gcs = lru_cache(maxsize=2)(lambda address: GrpcGcs(address, TOKEN))
    departure = Departure(
        metadata=metadata_service,
        drain=lambda address, request: gcs(address).drain(request),
        unreachable=(Unreachable, NotAdmitted, ValueError),
        clock=time.monotonic,
        wall_clock=time.time,
        log=log,
        rebalance_seconds=float(identity.rebalance_seconds or 0),
    )
    dynamodb = make_client("dynamodb", identity.region, LEASE)
    watchdog = Watchdog(
        DynamoLeaseTable(dynamodb, identity.lease_table, identity.environment),
        SystemdWorkerUnit(),
        gcs=gcs,
        follow=follow,
        clock=time.monotonic,
        log=log,
        is_leaving=departure.step,
        outlives_heads=bool(identity.redis),
    )
    while not (watchdog.given_up or departure.is_overdue):
        time.sleep(watchdog.step())
    return GIVEN_UP


if __name__ == "__main__":
    sys.exit(main())
