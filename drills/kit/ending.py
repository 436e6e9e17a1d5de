"""The end of every drill: the cluster is whole again, and nothing broken is left. Touches AWS.

One leader and no other GCS, every worker in, a job taken, no alarm, no deployer and no rollout
left unfinished, nothing that the drill broke.
"""

from collections.abc import Callable, Iterator
from uuid import uuid4

from common.errors import PipelineError, TimedOut
from common.waiting import Seen, wait_for
from deploy.cluster.state import Instance, find_instances, find_lease
from deploy.operate.status import read_status
from deploy.verify.cluster_checks import CheckedCluster, leader_is_known
from drills.kit import local
from drills.kit.scene import MARKS, DrillFailed, Scene

PATIENCE = 420.0  # seconds: an alarm needs up to five minutes to see that all is well
LOOK = f"pgrep -xc gcs_server; ls {MARKS} 2>/dev/null; true"


def whole_again(scene: Scene) -> float:
    """Wait until the cluster is whole; return after how many seconds. Raises DrillFailed."""
    start = scene.clock.now()

    def look() -> Seen[bool]:
        try:
            wrong = "; ".join(problems(scene))
        except PipelineError as error:
            wrong = error.message
        return Seen(None if wrong else True, wrong)

    try:
        wait_for(
            "the cluster whole again",
            look,
            clock=scene.clock,
            seconds=PATIENCE,
            every=2.0,
            progress=scene.progress.say,
        )
    except TimedOut as error:
        raise DrillFailed(error.message) from error
    return scene.clock.now() - start


def problems(scene: Scene) -> tuple[str, ...]:
    """Say what is wrong; the first kind of look that finds something ends it, dear ones last."""
    looks: tuple[Callable[[Scene], Iterator[str]], ...] = (_status, _nodes, _job, _machines)
    for look in looks:
        if found := tuple(look(scene)):
            return found
    return ()


def _status(scene: Scene) -> Iterator[str]:
    report = read_status(scene.environment, scene.clients)
    yield from report.problems
    heads = 1 + scene.environment.head.standby
    if len(report.heads) != heads:
        yield f"{len(report.heads)} heads instead of {heads}"
    if report.deployer:
        yield f"a deployer is at work: {report.deployer}"
    if report.unfinished:
        yield f"left unfinished: {report.unfinished}"


def _nodes(scene: Scene) -> Iterator[str]:
    """Ray's head is the holder of the lease, and every running worker is in."""
    lease = find_lease(scene.clients, scene.environment)
    nodes = scene.api.nodes()
    heads = [node.address for node in nodes if node.leads]
    if lease is None or heads != [lease.address]:
        yield f"Ray's heads are {', '.join(heads) or 'nobody'}"
    joined = {node.address for node in nodes if node.works}
    for worker in _running(scene, "worker"):
        if worker.address not in joined:
            yield f"{worker.id} has not joined"


def _job(scene: Scene) -> Iterator[str]:
    scene.api.submit("true", f"drill-{uuid4().hex[:12]}")
    yield from ()


def _machines(scene: Scene) -> Iterator[str]:
    """The lease is renewed, one machine runs a GCS, and none has anything to forget."""
    cluster = CheckedCluster(scene.clients, scene.environment, scene.clock)
    verdict = leader_is_known(cluster)
    if not verdict.passed:
        yield verdict.seen
    leader = cluster.leader().id
    for instance in (*_running(scene, "head"), *_running(scene, "worker")):
        servers, *marks = scene.on(instance.id, LOOK).stdout.split()
        if int(servers) != (instance.id == leader):
            yield f"{instance.id} runs {servers} GCS"
        if marks:
            yield f"{instance.id} still suffers from {', '.join(marks)}"
    if scene.environment.provider == "localcloud":
        yield from local.left_behind()


def _running(scene: Scene, role: str) -> list[Instance]:
    found = find_instances(scene.clients, scene.environment.name)
    return [i for i in found if i.role == role and i.state == "running"]
