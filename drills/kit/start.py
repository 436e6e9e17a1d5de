"""Provide the cluster that a drill runs on: the existing one when it is healthy, or a new one.

Touches AWS. The cluster remains after the drill, also a new one, for the next drill.
"""

import sys

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.instances import find_instances
from deploy.cluster.ray_api import RayApi, alive_workers
from deploy.cluster.state import find_lease
from deploy.foundation.pause import refuse_paused
from deploy.operate.status import read_status
from deploy.report.console import run_timed
from drills.kit.cluster import ClusterUnderTest
from drills.kit.observer import Observer
from drills.kit.phases import InitialState

# Resets systemd's count of a unit's restarts: the previous drill used some of them.
RESET_RESTARTS = "systemctl reset-failed"
TIMEOUT = 120.0  # seconds for the changes of the previous drill to finish


def ensure_deployed(environment: Environment, clients: Clients) -> None:
    """Deploy when there is no cluster; raises Refused when it is paused, or no images are there."""
    refuse_paused(clients, environment)
    if not read_status(environment, clients).stack:
        deploy = ["deploy", "--env", environment.name, "--yes"]
        run_timed([sys.executable, "-m", "invoke", *deploy])


def await_healthy(
    environment: Environment, clients: Clients, clock: Clock, api: RayApi, progress: Progress
) -> ClusterUnderTest:
    """Return the cluster once it is healthy.

    Raises Refused while a deploy runs or is unfinished, TimedOut when it does not become healthy.
    """
    initial = wait_for(
        f"a healthy cluster {environment.name}",
        lambda: _look(environment, clients, clock, api),
        clock=clock,
        seconds=TIMEOUT,
        hint=f"no fault was injected; invoke status --env {environment.name}",
        progress=progress.say,
    )
    observer = Observer(clients, environment, api)
    cluster = ClusterUnderTest(environment, clients, clock, api, initial, observer, progress)
    for instance_id in (*initial.heads, *initial.workers):
        cluster.on(instance_id, RESET_RESTARTS)
    return cluster


def _look(
    environment: Environment, clients: Clients, clock: Clock, api: RayApi
) -> Seen[InitialState]:
    report = read_status(environment, clients, clock=clock)
    if report.deployer or report.unfinished:
        raise Refused(
            f"{environment.name} is being deployed: {report.deployer or report.unfinished}",
            hint="wait until it is done, or finish it with `invoke deploy`",
        )
    lease = find_lease(clients, environment)
    if report.problems or lease is None:
        return Seen(None, "; ".join(report.problems) or "the head lease has never been held")
    found = find_instances(clients, environment.name)
    running = [instance for instance in found if instance.state == "running"]
    workers = {i.id: i.address for i in running if i.role == "worker"}
    joined = alive_workers(api)
    if {node.address for node in joined} != set(workers.values()):
        return Seen(None, f"{len(joined)} of {len(workers)} workers have joined")
    heads = tuple(i.id for i in running if i.role == "head")
    nodes = frozenset(node.id for node in joined)
    return Seen(InitialState(lease.epoch, lease.holder, heads, workers, nodes), "")
