"""Take the head away and see the cluster come back: in how many seconds, phase by phase.

Touches AWS and the cluster; terminates the instance that leads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError, Refused, TimedOut
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.heartbeat import ready_count
from deploy.cluster.ray_api import alive_workers
from deploy.cluster.state import Instance, Lease, find_lease
from deploy.verify.check import Check, Progress
from deploy.verify.cluster_checks import Subject

LIMIT = 180.0  # seconds until the workers must be back
PATIENCE = 600.0  # seconds that are watched all the same, to say how long it took

LAUNCHED = "an instance is launched"
LEASE = "the lease is taken"
READY = "HeadReady arrives"
WORKERS = "the workers are back"
JOB = "a job is taken at the stable name"

Look = Callable[[], str]  # what was reached, or nothing yet


@dataclass(frozen=True)
class Before:
    """The cluster as it was when its head was taken away."""

    heads: frozenset[str]
    leader: Instance
    lease: Lease
    workers: frozenset[str]  # addresses
    ready_count: int
    begun: float  # by this machine's clock
    minute: float  # by AWS's


def check_head_loss(
    clients: Clients,
    environment: Environment,
    *,
    clock: Clock,
    progress: Progress = lambda words: None,
) -> tuple[Check, ...]:
    """Terminate the leader's instance; return one check a phase, with its seconds since then.

    Raises Refused when the cluster is not whole to begin with.
    """
    subject = Subject(clients, environment, clock)
    before = _before(subject)
    with translated(f"terminating {before.leader.id}"):
        clients("ec2").terminate_instances(InstanceIds=[before.leader.id])
    progress(f"{before.leader.id} is terminated")
    reached = watch(_looks(subject, before), clock=clock, begun=before.begun, progress=progress)
    return tuple(_check(name, reached) for name in (LAUNCHED, LEASE, READY, WORKERS, JOB))


def watch(
    looks: dict[str, Look], *, clock: Clock, begun: float, progress: Progress
) -> dict[str, tuple[float, str]]:
    """Look at each phase in turn until all are reached; return when each was, and what was seen.

    A look that cannot see yet (any PipelineError) is one that found nothing.
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
        wait_for("the cluster back", look, clock=clock, seconds=PATIENCE, every=0.5)
    except TimedOut as error:
        progress(error.message)
    return reached


def _before(subject: Subject) -> Before:
    try:
        leader = subject.leader()
        workers = frozenset(node.address for node in alive_workers(subject.api))
    except PipelineError as error:
        raise Refused(
            f"the cluster is not whole: {error.message}", hint="see `invoke verify` first"
        ) from error
    lease = find_lease(subject.clients, subject.environment)
    if lease is None or lease.holder != leader.id:
        raise Refused("the lease is changing hands", hint="wait a moment and try again")
    begun, minute = subject.clock.now(), subject.now_at_aws()
    return Before(
        heads=frozenset(head.id for head in subject.instances("head")),
        leader=leader,
        lease=lease,
        workers=workers,
        ready_count=ready_count(subject.clients, subject.environment, since=minute, now=minute),
        begun=begun,
        minute=minute,
    )


def _looks(subject: Subject, before: Before) -> dict[str, Look]:
    clients, environment = subject.clients, subject.environment
    job = f"raykiln-verify-{uuid4().hex[:12]}"

    def launched() -> str:
        new = [head.id for head in subject.instances("head") if head.id not in before.heads]
        return ", ".join(new)

    def lease() -> str:
        found = find_lease(clients, environment)
        taken = found and not found.released and found.epoch > before.lease.epoch
        return f"{found.holder}, epoch {found.epoch}" if found and taken else ""

    def ready() -> str:
        now = subject.now_at_aws()
        count = ready_count(clients, environment, since=before.minute, now=now)
        return f"{count - before.ready_count} since" if count > before.ready_count else ""

    def workers() -> str:
        nodes = subject.api.nodes()
        if any(node.is_head and node.address == before.leader.address for node in nodes):
            return ""
        back = {node.address for node in nodes if node.works}
        return f"{len(back & before.workers)} the same" if len(back) >= len(before.workers) else ""

    def accepted() -> str:
        if not lease():  # the old head would take it with it
            return ""
        subject.api.submit("true", job)
        return job

    return {LAUNCHED: launched, LEASE: lease, READY: ready, WORKERS: workers, JOB: accepted}


def _quietly(look: Look) -> str:
    try:
        return look()
    except PipelineError:
        return ""


def _check(name: str, reached: dict[str, tuple[float, str]]) -> Check:
    if name not in reached:
        return Check(f"head lost: {name}", False, f"not within {PATIENCE:.0f} s", PATIENCE)
    seconds, words = reached[name]
    in_time = name != WORKERS or seconds <= LIMIT
    seen = words if in_time else f"{words}, after more than {LIMIT:.0f} s"
    return Check(f"head lost: {name}", in_time, seen, seconds)
