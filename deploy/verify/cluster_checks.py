"""The checks of the acceptance list, one look each. Touches AWS and the cluster.

They change nothing, except that the alarm test sets and restores an alarm.
"""

from datetime import UTC, datetime
from uuid import uuid4

from common.waiting import Seen, wait_for
from deploy.cluster.alarms import NO_STANDBY, alarm_names, find_alarms
from deploy.cluster.autoscaler_health import (
    ROUND_SECONDS,
    AutoscalerHealth,
    NotReported,
    autoscaler_health,
)
from deploy.cluster.heartbeat import heartbeat, stands_by
from deploy.cluster.release_images import find_images, missing_images
from deploy.cluster.resolved import resolve_on
from deploy.cluster.run_command import run_command
from deploy.cluster.state import find_lease, find_targets
from deploy.verify.alarm_delivery import deliver_alarm
from deploy.verify.check import Verdict
from deploy.verify.checked_cluster import CheckedCluster
from node.contract import GCS_PORT, RAY_COMMAND

NO_STANDBY_PAGE = f"docs/runbooks/{NO_STANDBY}.md"
WINDOW = 600.0  # seconds of heartbeats that are checked


def leader_is_known(cluster: CheckedCluster) -> Verdict:
    """The lease names a running head, and is being renewed."""
    leader = cluster.leader()
    first = find_lease(cluster.clients, cluster.environment)

    def look() -> Seen[str]:
        lease = find_lease(cluster.clients, cluster.environment)
        if first is None or lease is None or lease.epoch != first.epoch:
            return Seen("the lease is changing hands", "")
        words = f"{leader.id} at {lease.address}, epoch {lease.epoch}, beat {lease.beat}"
        return Seen(words if lease.beat > first.beat else None, f"{words}, not renewed")

    words = wait_for("a renewal of the lease", look, clock=cluster.clock, seconds=10, every=0.5)
    return Verdict(words.startswith(leader.id), words)


def heads_are_of_the_release(cluster: CheckedCluster) -> Verdict:
    """Heads have the release's instance type and image; while it is rolled out, the leader has."""
    release = cluster.release
    heads = (cluster.leader(),) if cluster.rolls_out else cluster.instances("head")
    wanted = (release.settings.head_type, release.head.ami_id)
    wrong = [
        f"{head.id} is {head.type} of {head.ami_id}"
        for head in heads
        if (head.type, head.ami_id) != wanted
    ]
    named = ", ".join(head.id for head in heads)
    words = f"{wanted[0]} of {wanted[1]}"
    return Verdict(not wrong, f"{'; '.join(wrong)}, not {words}" if wrong else f"{named}: {words}")


def images_can_be_launched(cluster: CheckedCluster) -> Verdict:
    """Each image of the release is available: without it, what is lost is not replaced."""
    found = find_images(cluster.clients, [cluster.release])
    missing = missing_images(cluster.release, found)
    return Verdict(not missing, "; ".join(missing) or ", ".join(sorted(found)))


def target_is_healthy(cluster: CheckedCluster) -> Verdict:
    """Every port of the load balancer reaches the leader; standbys relay to it."""
    leader = cluster.leader()
    groups = find_targets(cluster.clients, cluster.foundation.target_group_arns)
    if groups and all(leader.id in group.healthy for group in groups):
        others = {name for group in groups for name in group.healthy} - {leader.id}
        relays = f", also through {', '.join(sorted(others))}" if others else ""
        return Verdict(True, f"{len(groups)} ports reach {leader.id}{relays}")
    seen = [f"{group.name}: {', '.join(group.healthy) or 'none healthy'}" for group in groups]
    return Verdict(False, "; ".join(seen))


def name_resolves(cluster: CheckedCluster) -> Verdict:
    """The stable name has the load balancer's addresses, for the resolver of the VPC."""
    name, balancer = cluster.environment.head_dns, cluster.foundation.load_balancer_dns_name
    leader = cluster.leader().id
    known = resolve_on(cluster.clients, leader, name, balancer, clock=cluster.clock)
    found, expected = known[name], known[balancer]
    if not found:
        return Verdict(False, f"{name} does not resolve on {leader}")
    passed = found <= expected
    seen = f"{name} is {', '.join(sorted(found))}"
    return Verdict(passed, seen if passed else f"{seen}; the load balancer: {sorted(expected)}")


def ray_status_succeeds(cluster: CheckedCluster) -> Verdict:
    """``ray status``, run on the leader itself, lists a head."""
    leader = cluster.leader()
    result = run_command(
        cluster.clients,
        leader.id,
        f"{RAY_COMMAND} status --address {leader.address}:{GCS_PORT}",
        clock=cluster.clock,
    )
    nodes = live_nodes(result.stdout)
    if result.succeeded and "1 head" in nodes:
        return Verdict(True, f"on {leader.id}: {', '.join(nodes)}")
    words = (result.stdout + result.stderr).strip()[-300:]
    return Verdict(False, f"{result.status} {result.exit_code}: {words}")


def autoscaler_works(cluster: CheckedCluster) -> Verdict:
    """Ray's autoscaler completes a round while we look."""
    leader = cluster.leader()
    first: AutoscalerHealth | None = None

    def look() -> Seen[AutoscalerHealth]:
        nonlocal first
        found = autoscaler_health(cluster.clients, leader.id, clock=cluster.clock)
        first = first or found
        return Seen(found if found.rounds > first.rounds else None, str(found))

    try:
        health = wait_for(
            "a new round of the autoscaler",
            look,
            clock=cluster.clock,
            seconds=ROUND_SECONDS,
            every=5.0,
        )
    except NotReported as error:
        return Verdict(True, f"not checked: {error.message}")
    refused = [f"; EC2 refused {one}" for one in health.refused]
    return Verdict(True, f"{health.rounds} rounds seen on {leader.id}{''.join(refused)}")


def live_nodes(status: str) -> tuple[str, ...]:
    """Return the nodes that ``ray status`` lists as active or idle, for example ``1 head``.

    The layout is Ray's ``ClusterStatusFormatter`` (autoscaler/v2/utils.py).
    """
    heading, found = "", []
    for line in (line.strip() for line in status.splitlines()):
        if line.endswith(":"):
            heading = line
        elif heading in ("Active:", "Idle:") and line[:1].isdigit():
            found.append(line)
    return tuple(found)


def job_submission_works(cluster: CheckedCluster) -> Verdict:
    """Ray accepts a job, and there is a leader."""
    leader = cluster.leader()
    name = new_job_id()
    cluster.api.submit("true", name, on_head=True)
    return Verdict(True, f"{name} on {leader.id}, reached {cluster.api.way}")


def new_job_id() -> str:
    """Return a new submission id for a job that does nothing."""
    return f"raykiln-verify-{uuid4().hex[:12]}"


def head_ready_arrives(cluster: CheckedCluster) -> Verdict:
    """HeadReady has arrived every minute since the leader was launched."""
    now = cluster.now_at_aws()
    launched = datetime.fromisoformat(cluster.leader().launched).timestamp()
    since = max(now - WINDOW, launched)
    beats = heartbeat(cluster.clients, cluster.environment, since=since, now=now)
    missing = [clock_time(minute) for minute in beats.missing(now)]
    seen = f"{len(beats.minutes)} minutes with a heartbeat since {clock_time(since)}"
    words = f"{seen}, none at {', '.join(missing)}" if missing else seen
    return Verdict(beats.is_steady(now), words)


def a_head_stands_by(cluster: CheckedCluster) -> Verdict:
    """A head has said within two minutes that it could lead when the leader is lost."""
    found = stands_by(cluster.clients, cluster.environment, now=cluster.now_at_aws())
    if found is None:
        return Verdict(True, "not checked: the heads' image does not say it")
    beside = {one.id for one in cluster.instances("head")} - {cluster.leader().id}
    names = ", ".join(sorted(beside)) or "no head"
    missing = "" if found else f", and none that stands by: {NO_STANDBY_PAGE}"
    return Verdict(found, f"{names} beside the leader{missing}")


def clock_time(seconds: float) -> str:
    """Return a time (seconds since the epoch) as hours and minutes in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M}"


def alarms_exist(cluster: CheckedCluster) -> Verdict:
    """Every alarm of the foundation exists."""
    found = {alarm.name for alarm in find_alarms(cluster.clients, cluster.environment)}
    missing = [name for name in alarm_names(cluster.environment) if name not in found]
    return Verdict(not missing, f"missing: {', '.join(missing)}" if missing else f"{len(found)}")


def alarms_are_ok(cluster: CheckedCluster) -> Verdict:
    """No alarm is in ALARM."""
    alarms = find_alarms(cluster.clients, cluster.environment)
    in_alarm = [f"{a.name} ({a.reason})" for a in alarms if a.state == "ALARM"]
    states = ", ".join(f"{alarm.name} {alarm.state}" for alarm in alarms)
    return Verdict(not in_alarm, "; ".join(in_alarm) or states)


def alarm_is_delivered(cluster: CheckedCluster) -> Verdict:
    """An alarm that goes to ALARM is delivered by the topic."""
    alarm = alarm_names(cluster.environment)[-1]
    seconds = deliver_alarm(
        cluster.clients, cluster.foundation.topic_arn, alarm, clock=cluster.clock
    )
    return Verdict(True, f"{alarm} was delivered after {seconds:.1f} s")
