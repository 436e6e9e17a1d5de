"""Run the head guard on a real instance: clients, clock, loop, systemd. ``python -m node.head``
in ray-head.service.

Decides nothing: guard.py does. Touches AWS through the clients it makes.
"""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NoReturn

from node.autoscaler_file import AutoscalerFile
from node.clients import LEASE, make_client
from node.errands import Errands
from node.grpc_gcs import GrpcGcs
from node.guard import Guard
from node.identity import Identity, instance_tag
from node.journal import Journal, Say
from node.lease import Lease
from node.lease_table import DynamoLeaseTable
from node.notify import notify
from node.phases import Phase
from node.ray_process import RayHeadProcess
from node.ray_settings import AUTOSCALER, TOKEN
from node.reports import Reports
from node.services import AwsHeadServices
from node.settings import NotFit
from node.web import serve_leader

LOG = Path("/var/log/ray-head-bootstrap.log")
TICK = 0.25
boot_clock = partial(
    time.clock_gettime, time.CLOCK_BOOTTIME
)  # goes on while the machine is suspended


def make_guard(identity: Identity, executor: ThreadPoolExecutor, say: Say) -> Guard:
    """Wire one head together."""
    client = partial(make_client, region=identity.region)
    dynamodb = make_client("dynamodb", identity.region, LEASE)
    table = DynamoLeaseTable(dynamodb, identity.lease_table, identity.environment)
    services = AwsHeadServices(
        identity=identity,
        reports=Reports(identity, client("cloudwatch"), client("autoscaling")),
        ssm=client("ssm"),
        ec2=client("ec2"),
        token=TOKEN,
        autoscaler=AutoscalerFile(
            AUTOSCALER, identity, s3=client("s3"), read_tag=instance_tag, say=say
        ),
        say=say,
    )
    return Guard(
        Lease(table, identity.instance_id, identity.address, clock=boot_clock, say=say),
        RayHeadProcess(identity, GrpcGcs(identity.address, TOKEN)),
        services,
        Errands(executor, clock=boot_clock, say=say, final=NotFit),
        clock=boot_clock,
        say=say,
    )


class StopRequest:
    """Set by SIGTERM and looked at between steps: a handler must not change a step under way."""

    def __init__(self) -> None:
        self.made = False
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, *_: object) -> None:
        self.made = True


def run(guard: Guard, stop: StopRequest) -> int:
    """Step until the end; feed systemd's watchdog only when the guard says so."""
    ready = False
    while guard.phase is not Phase.ENDED:
        if stop.made and guard.exit_code is None:
            guard.shut_down()
        guard.step()
        if not ready and guard.phase is Phase.STANDBY:
            ready = True
            notify("READY=1")
        if guard.is_vital():
            notify(f"WATCHDOG=1\nSTATUS={guard.phase.value}, epoch {guard.lease.epoch}")
        time.sleep(TICK)
    return guard.exit_code or 0


def main() -> NoReturn:
    """Guard this head until told to stop or until there is no use in going on.

    Ends without waiting for errands: one may hang in a call, and by now Ray is dead and the lease
    is given up.
    """
    say = Journal(file=LOG)
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="errands")
    guard = make_guard(Identity.read(), executor, say)
    serve_leader(lambda: guard.takes_traffic, guard.status)
    code = run(guard, StopRequest())
    say("guard ended", code=code)
    os._exit(code)


if __name__ == "__main__":
    main()
