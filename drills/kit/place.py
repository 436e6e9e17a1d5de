"""The cluster that a drill takes place on: one that is there and well, or one made for it.

Touches AWS. A cluster that is there is left there; one that is made stays too, for the next drill.
"""

import sys

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.ray_api import RayApi, alive_workers
from deploy.cluster.state import find_instances, find_lease
from deploy.operate.status import read_status
from deploy.report.console import run_timed
from drills.kit.phases import Before
from drills.kit.scene import Scene
from drills.kit.witness import Witness

# The restarts that systemd allows a unit are counted anew: the drill before this one used some up.
ALL_LIVES = "systemctl reset-failed"
SETTLE = 120.0  # seconds that what is still on its way has to arrive


def put_in_place(environment: Environment, clients: Clients) -> None:
    """Deploy when there is nothing; raises Refused when the images are missing too."""
    if not read_status(environment, clients).stack:
        deploy = ["deploy", "--env", environment.name, "--yes"]
        run_timed([sys.executable, "-m", "invoke", *deploy])


def set_scene(
    environment: Environment, clients: Clients, clock: Clock, api: RayApi, progress: Progress
) -> Scene:
    """Return the scene of a cluster that is well; raises Refused when it is not."""
    before = wait_for(
        f"{environment.name} as it should be",
        lambda: _look(environment, clients, api),
        clock=clock,
        seconds=SETTLE,
        hint=f"nothing was broken; invoke status --env {environment.name}",
        progress=progress.say,
    )
    witness = Witness(clients, environment, api)
    scene = Scene(environment, clients, clock, api, before, witness, progress)
    for instance_id in (*before.heads, *before.workers):
        scene.on(instance_id, ALL_LIVES)
    return scene


def _look(environment: Environment, clients: Clients, api: RayApi) -> Seen[Before]:
    report = read_status(environment, clients)
    if report.deployer or report.unfinished:
        raise Refused(
            f"somebody deploys {environment.name}: {report.deployer or report.unfinished}",
            hint="wait until it is done, or finish it with `invoke deploy`",
        )
    lease = find_lease(clients, environment)
    if report.problems or lease is None:
        return Seen(None, "; ".join(report.problems) or "nobody has ever led")
    found = find_instances(clients, environment.name)
    running = [instance for instance in found if instance.state == "running"]
    workers = {i.id: i.address for i in running if i.role == "worker"}
    joined = alive_workers(api)
    if {node.address for node in joined} != set(workers.values()):
        return Seen(None, f"{len(joined)} of {len(workers)} workers have joined")
    heads = tuple(i.id for i in running if i.role == "head")
    nodes = frozenset(node.id for node in joined)
    return Seen(Before(lease.epoch, lease.holder, heads, workers, nodes), "")
