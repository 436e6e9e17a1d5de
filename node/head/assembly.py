"""Put the guard of a real instance together, and run it: its clients, its clock.

Touches AWS through the clients it makes.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from node.clients import LEASE, make_client
from node.head.autoscaler_file import AutoscalerFile
from node.head.background_calls import BackgroundCalls
from node.head.guard import Guard
from node.head.kill_timer import KillTimer
from node.head.loop import StopRequest, run
from node.head.relay import SocketProxies
from node.head.services import AwsHeadServices
from node.head.web import serve_leader
from node.identity import Identity, instance_tag
from node.lease.lease import Lease
from node.lease.table import DynamoLeaseTable
from node.log import Log
from node.ray import users
from node.ray.config_check import refusal
from node.ray.grpc_gcs import GrpcGcs
from node.ray.head_process import Launcher, RayHeadProcess
from node.ray.launches import Launches
from node.ray.start_settings import AUTOSCALER, LAUNCHES, REDIS_PASSWORD, TOKEN
from node.ray.token import NotFit
from node.reports import Reports

boot_clock = partial(
    time.clock_gettime, time.CLOCK_BOOTTIME
)  # goes on while the machine is suspended


def make_guard(
    identity: Identity, launcher: Launcher, executor: ThreadPoolExecutor, log: Log
) -> Guard:
    """Return the guard of this instance, with everything that it needs."""
    client = partial(make_client, region=identity.region)
    dynamodb = make_client("dynamodb", identity.region, LEASE)
    table = DynamoLeaseTable(dynamodb, identity.lease_table, identity.environment)
    services = AwsHeadServices(
        identity=identity,
        reports=Reports(identity, client("cloudwatch"), client("autoscaling")),
        ssm=client("ssm"),
        ec2=client("ec2"),
        token=TOKEN,
        redis_password=REDIS_PASSWORD,
        autoscaler=AutoscalerFile(
            AUTOSCALER,
            identity,
            s3=client("s3"),
            read_tag=instance_tag,
            refusal=refusal,
            log=log,
        ),
        log=log,
    )
    lease = Lease(
        table,
        identity.instance_id,
        identity.address,
        clock=boot_clock,
        log=log,
        set_kill_time=KillTimer().set,
    )
    return Guard(
        lease,
        RayHeadProcess(
            identity,
            GrpcGcs(identity.address, TOKEN),
            Launches(LAUNCHES),
            user=users.RAY,
            autoscaler_user=users.AUTOSCALER,
            launcher=launcher,
        ),
        SocketProxies(identity.address, clock=boot_clock, log=log, user=users.RAY),
        services,
        BackgroundCalls(executor, clock=boot_clock, log=log, final=NotFit),
        clock=boot_clock,
        log=log,
    )


def guard_head(identity: Identity, launcher: Launcher, log: Log) -> int:
    """Guard this head until systemd stops it or it has failed for good; return the exit code."""
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
    guard = make_guard(identity, launcher, executor, log)
    serve_leader(lambda: guard.takes_traffic, guard.status)
    return run(guard, StopRequest().listen())
