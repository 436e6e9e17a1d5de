"""The state in which every drill must end: a healthy cluster without faults. Touches AWS.

One leader and no other GCS, every worker joined, a job accepted, no alarm in ALARM, no deployer, no
unfinished rollout, and every fault repaired.
"""

from collections.abc import Callable, Iterator
from uuid import uuid4

from common.errors import PipelineError, TimedOut
from common.waiting import Seen, wait_for
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.state import find_lease
from deploy.operate.status import read_status
from deploy.verify.checked_cluster import CheckedCluster
from deploy.verify.cluster_checks import leader_is_known
from drills.kit import local_faults
from drills.kit.cluster import MARKERS, ClusterUnderTest, DrillFailed

TIMEOUT = 420.0  # seconds: an alarm takes up to five minutes to return to OK
PROBE = f"pgrep -xc gcs_server; ls {MARKERS} 2>/dev/null; true"


def await_recovered(cluster: ClusterUnderTest) -> float:
    """Wait until there are no problems; return the seconds that it took. Raises DrillFailed."""
    start = cluster.clock.now()

    def look() -> Seen[bool]:
        try:
            found = "; ".join(problems(cluster))
        except PipelineError as error:
            found = error.message
        return Seen(None if found else True, found)

    try:
        wait_for(
            "a healthy cluster",
            look,
            clock=cluster.clock,
            seconds=TIMEOUT,
            every=2.0,
            progress=cluster.progress.say,
        )
    except TimedOut as error:
        raise DrillFailed(error.message, hint=error.hint) from error
    return cluster.clock.now() - start


def problems(cluster: ClusterUnderTest) -> tuple[str, ...]:
    """Return the problems of the first group that has any; the slow groups come last."""
    groups: tuple[Callable[[ClusterUnderTest], Iterator[str]], ...] = (
        _status,
        _nodes,
        _job,
        _instances,
    )
    for group in groups:
        if found := tuple(group(cluster)):
            return found
    return ()


def _status(cluster: ClusterUnderTest) -> Iterator[str]:
    report = read_status(cluster.environment, cluster.clients, clock=cluster.clock)
    yield from report.problems
    heads = 1 + cluster.environment.head.standby
    if len(report.heads) != heads:
        yield f"{len(report.heads)} heads instead of {heads}"
    if report.deployer:
        yield f"a deployer is running: {report.deployer}"
    if report.unfinished:
        yield f"unfinished: {report.unfinished}"


def _nodes(cluster: ClusterUnderTest) -> Iterator[str]:
    """Ray's head must be the holder of the lease, and every running worker must have joined."""
    lease = find_lease(cluster.clients, cluster.environment)
    nodes = cluster.api.nodes()
    heads = [node.address for node in nodes if node.leads]
    if lease is None or heads != [lease.address]:
        yield f"Ray's heads are {', '.join(heads) or 'none'}"
    joined = {node.address for node in nodes if node.works}
    for worker in _running(cluster, "worker"):
        if worker.address not in joined:
            yield f"{worker.id} has not joined"


def _job(cluster: ClusterUnderTest) -> Iterator[str]:
    cluster.api.submit("true", f"drill-{uuid4().hex[:12]}", on_head=True)
    yield from ()


def _instances(cluster: ClusterUnderTest) -> Iterator[str]:
    """The lease must be renewed, one instance must run a GCS, and none may have a fault."""
    subject = CheckedCluster(cluster.clients, cluster.environment, cluster.clock)
    verdict = leader_is_known(subject)
    if not verdict.passed:
        yield verdict.seen
    leader = subject.leader().id
    for instance in (*_running(cluster, "head"), *_running(cluster, "worker")):
        servers, *markers = cluster.on(instance.id, PROBE).stdout.split()
        if int(servers) != (instance.id == leader):
            yield f"{instance.id} runs {servers} GCS"
        if markers:
            yield f"{instance.id} still has the fault of {', '.join(markers)}"
    if cluster.environment.provider == "localcloud":
        yield from local_faults.remaining_faults()


def _running(cluster: ClusterUnderTest, role: str) -> list[Instance]:
    found = find_instances(cluster.clients, cluster.environment.name)
    return [i for i in found if i.role == role and i.state == "running"]
