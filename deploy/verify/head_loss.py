"""Terminate the leader and time the recovery, phase by phase.

Touches AWS and the cluster; terminates the leader's instance.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError, Refused, TimedOut
from common.progress import Say, say_nothing
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.heartbeat import ready_count
from deploy.cluster.instances import Instance
from deploy.cluster.ray_api import alive_workers
from deploy.cluster.state import Lease, find_lease
from deploy.verify.check import Check, check
from deploy.verify.checked_cluster import CheckedCluster
from deploy.verify.cluster_checks import autoscaler_works, new_job_id

LIMIT = 180.0  # seconds within which the workers must be back
TIMEOUT = 600.0  # seconds of waiting, longer than LIMIT to report how long it really took

LAUNCHED = "an instance is launched"
LEASE = "the lease is taken"
READY = "HeadReady arrives"
WORKERS = "the workers are back"
JOB = "job submission works at the stable name"
AUTOSCALER = "the autoscaler completes a round"

Look = Callable[[], str]  # what was reached; empty when nothing yet


@dataclass(frozen=True)
class Before:
    """The cluster before its leader was terminated."""

    heads: frozenset[str]
    leader: Instance
    lease: Lease
    workers: frozenset[str]  # addresses
    ready_count: int
    begun: float  # by this machine's clock
    begun_at_aws: float  # by AWS's clock


def check_head_loss(
    clients: Clients,
    environment: Environment,
    *,
    clock: Clock,
    progress: Say = say_nothing,
) -> tuple[Check, ...]:
    """Terminate the leader's instance; return one check for each phase, timed from then.

    The last one is that lost workers are replaced again.

    Raises Refused when the cluster is not healthy before that.
    """
    cluster = CheckedCluster(clients, environment, clock)
    before = _before(cluster)
    with translated(f"terminating {before.leader.id}"):
        clients("ec2").terminate_instances(InstanceIds=[before.leader.id])
    progress(f"{before.leader.id} is terminated")
    reached = watch(_looks(cluster, before), clock=clock, begun=before.begun, progress=progress)
    phases = (_check(name, reached) for name in (LAUNCHED, LEASE, READY, WORKERS, JOB))
    works = check(_named(AUTOSCALER), partial(autoscaler_works, cluster), clock=clock)
    return (*phases, replace(works, seconds=clock.now() - before.begun))


def watch(
    looks: dict[str, Look], *, clock: Clock, begun: float, progress: Say
) -> dict[str, tuple[float, str]]:
    """Wait until all phases are reached; return the seconds and what was seen of each.

    A look that raises PipelineError has not reached its phase yet.
    """
    reached: dict[str, tuple[float, str]] = {}

    def look() -> Seen[bool]:
        for name in looks.keys() - reached.keys():
            if words := _quietly(looks[name]):
                reached[name] = (clock.now() - begun, words)
                progress(f"{reached[name][0]:.1f} s: {name} ({words})")
        waiting = [name for name in looks if name not in reached]
        return Seen(None if waiting else True, f"not yet: {', '.join(waiting)}")

    try:
        wait_for("the recovery", look, clock=clock, seconds=TIMEOUT, every=0.5)
    except TimedOut as error:
        progress(error.message)
    return reached


def _before(cluster: CheckedCluster) -> Before:
    try:
        leader = cluster.leader()
        workers = frozenset(node.address for node in alive_workers(cluster.api))
    except PipelineError as error:
        raise Refused(
            f"the cluster is not healthy: {error.message}", hint="run `invoke verify` first"
        ) from error
    lease = find_lease(cluster.clients, cluster.environment)
    if lease is None or lease.holder != leader.id:
        raise Refused("the lease is changing hands", hint="wait a moment and try again")
    begun, begun_at_aws = cluster.clock.now(), cluster.now_at_aws()
    return Before(
        heads=frozenset(head.id for head in cluster.instances("head")),
        leader=leader,
        lease=lease,
        workers=workers,
        ready_count=ready_count(
            cluster.clients, cluster.environment, since=begun_at_aws, now=begun_at_aws
        ),
        begun=begun,
        begun_at_aws=begun_at_aws,
    )


def _looks(cluster: CheckedCluster, before: Before) -> dict[str, Look]:
    clients, environment = cluster.clients, cluster.environment
    job = new_job_id()

    def launched() -> str:
        new = [head.id for head in cluster.instances("head") if head.id not in before.heads]
        return ", ".join(new)

    def lease() -> str:
        found = find_lease(clients, environment)
        taken = found and not found.released and found.epoch > before.lease.epoch
        return f"{found.holder}, epoch {found.epoch}" if found and taken else ""

    def ready() -> str:
        now = cluster.now_at_aws()
        count = ready_count(clients, environment, since=before.begun_at_aws, now=now)
        return f"{count - before.ready_count} since" if count > before.ready_count else ""

    def workers() -> str:
        nodes = cluster.api.nodes()
        if any(node.is_head and node.address == before.leader.address for node in nodes):
            return ""
        back = {node.address for node in nodes if node.works}
        return f"{len(back & before.workers)} the same" if len(back) >= len(before.workers) else ""

    def accepted() -> str:
        if not lease():  # the old head would accept the job and lose it
            return ""
        cluster.api.submit("true", job, on_head=True)
        return job

    return {LAUNCHED: launched, LEASE: lease, READY: ready, WORKERS: workers, JOB: accepted}


def _quietly(look: Look) -> str:
    try:
        return look()
    except PipelineError:
        return ""


def _check(name: str, reached: dict[str, tuple[float, str]]) -> Check:
    if name not in reached:
        return Check(_named(name), False, f"not within {TIMEOUT:.0f} s", TIMEOUT)
    seconds, words = reached[name]
    in_time = name != WORKERS or seconds <= LIMIT
    seen = words if in_time else f"{words}, after more than {LIMIT:.0f} s"
    return Check(_named(name), in_time, seen, seconds)


def _named(phase: str) -> str:
    return f"head lost: {phase}"
