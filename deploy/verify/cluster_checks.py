"""What makes a cluster the one that was promised: one look each. Touches AWS and the cluster.

Looking changes nothing, but for the trial of an alarm, which is taken back.
"""

import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from uuid import uuid4

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.heartbeat import heartbeat
from deploy.cluster.ray_api import RayApi, alive_workers, ray_api
from deploy.cluster.run_command import run_command
from deploy.cluster.state import Instance, find_alarms, find_instances, find_lease, find_targets
from deploy.foundation.stack import Foundation, find_foundation
from deploy.verify.alarm_delivery import deliver_alarm
from deploy.verify.check import Verdict
from node.contract import GCS_PORT, RAY_COMMAND

ALARMS = ("head-not-ready", "no-leader", "no-healthy-target", "head-launch")
WINDOW = 600.0  # seconds of heartbeat that are looked at


@dataclass(frozen=True)
class Subject:
    """The cluster that is looked at."""

    clients: Clients
    environment: Environment
    clock: Clock

    @cached_property
    def foundation(self) -> Foundation:
        """What the stack gives; raises Refused when there is none."""
        found = find_foundation(self.clients, self.environment)
        if found is None:
            name = self.environment.name
            raise Refused(f"{name} is not deployed", hint=f"invoke deploy --env {name}")
        return found

    @cached_property
    def api(self) -> RayApi:
        """Ray at the stable name."""
        return ray_api(self.clients, self.environment)

    def now_at_aws(self) -> float:
        """Return seconds since the epoch by AWS's clock."""
        return self.clock.now() + self.clients.ahead

    def instances(self, role: str) -> tuple[Instance, ...]:
        """Return the running instances of a role."""
        found = find_instances(self.clients, self.environment.name)
        return tuple(i for i in found if i.role == role and i.state == "running")

    def leader(self) -> Instance:
        """Return the running head that holds the lease; raises PipelineError when none does."""
        lease = find_lease(self.clients, self.environment)
        if lease is None or lease.released:
            raise PipelineError("nobody holds the head lease")
        for instance in self.instances("head"):
            if instance.id == lease.holder:
                return instance
        raise PipelineError(f"{lease.holder} holds the head lease but is no running head")


def leader_is_known(subject: Subject) -> Verdict:
    """The lease names a running head, and is being renewed."""
    leader = subject.leader()
    first = find_lease(subject.clients, subject.environment)

    def look() -> Seen[str]:
        lease = find_lease(subject.clients, subject.environment)
        if first is None or lease is None or lease.epoch != first.epoch:
            return Seen("the lease is changing hands", "")
        words = f"{leader.id} at {lease.address}, epoch {lease.epoch}, beat {lease.beat}"
        return Seen(words if lease.beat > first.beat else None, f"{words}, not renewed")

    words = wait_for("a renewal of the lease", look, clock=subject.clock, seconds=10, every=0.5)
    return Verdict(words.startswith(leader.id), words)


def target_is_healthy(subject: Subject) -> Verdict:
    """Every port of the load balancer leads to the leader; standbys pass on to it."""
    leader = subject.leader()
    groups = find_targets(subject.clients, subject.foundation.target_group_arns)
    if groups and all(leader.id in group.healthy for group in groups):
        others = {name for group in groups for name in group.healthy} - {leader.id}
        through = f", also through {', '.join(sorted(others))}" if others else ""
        return Verdict(True, f"{len(groups)} ports lead to {leader.id}{through}")
    seen = [f"{group.name}: {', '.join(group.healthy) or 'none healthy'}" for group in groups]
    return Verdict(False, "; ".join(seen))


def name_resolves(subject: Subject) -> Verdict:
    """The stable name has the load balancer's addresses."""
    name, balancer = subject.environment.head_dns, subject.foundation.load_balancer_dns_name
    found, expected = addresses(name), addresses(balancer)
    if not found:
        return Verdict(False, f"{name} does not resolve here; are you in its VPC or VPN?")
    passed = found <= expected
    seen = f"{name} is {', '.join(sorted(found))}"
    return Verdict(passed, seen if passed else f"{seen}; the load balancer: {sorted(expected)}")


def addresses(name: str) -> frozenset[str]:
    """Return the IPv4 addresses that this machine's resolver gives for a name."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror:
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)


def ray_status_is_alive(subject: Subject) -> Verdict:
    """``ray status``, run on the leader itself, answers."""
    leader = subject.leader()
    ran = run_command(
        subject.clients,
        leader.id,
        f"{RAY_COMMAND} status --address {leader.address}:{GCS_PORT}",
        clock=subject.clock,
    )
    nodes = living_nodes(ran.stdout)
    if ran.succeeded and "1 head" in nodes:
        return Verdict(True, f"on {leader.id}: {', '.join(nodes)}")
    words = (ran.stdout + ran.stderr).strip()[-300:]
    return Verdict(False, f"{ran.status} {ran.exit_code}: {words}")


def living_nodes(status: str) -> tuple[str, ...]:
    """Return what ``ray status`` lists as alive: at work or idle, for example ``1 head``.

    The layout is Ray's ``ClusterStatusFormatter`` (autoscaler/v2/utils.py).
    """
    heading, found = "", []
    for line in (line.strip() for line in status.splitlines()):
        if line.endswith(":"):
            heading = line
        elif heading in ("Active:", "Idle:") and line[:1].isdigit():
            found.append(line)
    return tuple(found)


def job_submission_works(subject: Subject) -> Verdict:
    """Ray takes a job at the stable name, while somebody leads."""
    leader = subject.leader()
    name = f"raykiln-verify-{uuid4().hex[:12]}"
    subject.api.submit("true", name)
    return Verdict(True, f"{name} at {subject.environment.head_dns}, where {leader.id} leads")


def workers_have_joined(subject: Subject) -> Verdict:
    """Workers that the autoscaler launched are among Ray's nodes, as many as wanted."""
    instances = {i.address: i.id for i in subject.instances("worker")}
    nodes = [node for node in alive_workers(subject.api) if node.address in instances]
    wanted = subject.environment.workers.min
    named = ", ".join(f"{instances[node.address]} at {node.address}" for node in nodes)
    seen = f"{len(nodes)} joined of {wanted} wanted, {len(instances)} running"
    return Verdict(len(nodes) >= wanted, f"{seen}: {named}" if named else seen)


def head_ready_arrives(subject: Subject) -> Verdict:
    """HeadReady has come every minute since the leader's first word."""
    now = subject.now_at_aws()
    launched = datetime.fromisoformat(subject.leader().launched).timestamp()
    since = max(now - WINDOW, launched)
    beats = heartbeat(subject.clients, subject.environment, since=since, now=now)
    missing = [clock_time(minute) for minute in beats.missing(now)]
    seen = f"{len(beats.minutes)} minutes with a heartbeat since {clock_time(since)}"
    words = f"{seen}, none at {', '.join(missing)}" if missing else seen
    return Verdict(beats.is_steady(now), words)


def clock_time(seconds: float) -> str:
    """Return hours and minutes (UTC) of a moment."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M}"


def alarms_exist(subject: Subject) -> Verdict:
    """Every alarm of the foundation is there."""
    found = {alarm.name for alarm in find_alarms(subject.clients, subject.environment.name)}
    missing = [name for name in alarm_names(subject.environment) if name not in found]
    return Verdict(not missing, f"missing: {', '.join(missing)}" if missing else f"{len(found)}")


def alarms_are_ok(subject: Subject) -> Verdict:
    """No alarm is in the state ALARM."""
    alarms = find_alarms(subject.clients, subject.environment.name)
    ringing = [f"{a.name} ({a.reason})" for a in alarms if a.state == "ALARM"]
    states = ", ".join(f"{alarm.name} {alarm.state}" for alarm in alarms)
    return Verdict(not ringing, "; ".join(ringing) or states)


def alarm_is_delivered(subject: Subject) -> Verdict:
    """An alarm that fires arrives at the topic."""
    alarm = alarm_names(subject.environment)[-1]
    seconds = deliver_alarm(
        subject.clients, subject.foundation.topic_arn, alarm, clock=subject.clock
    )
    return Verdict(True, f"{alarm} arrived after {seconds:.1f} s")


def alarm_names(environment: Environment) -> tuple[str, ...]:
    """Return the names of the foundation's alarms, in the order of the template."""
    return tuple(f"raykiln-{environment.name}-{name}" for name in ALARMS)
