"""Read the status of a cluster: its state, its alarms, what its leader's guard knows of Ray's
autoscaler, a deploy in progress. Changes nothing; asks the guard through Run Command.
"""

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError
from common.waiting import Clock, SystemClock
from deploy.cluster.alarms import find_alarms
from deploy.cluster.autoscaler_health import AutoscalerHealth, autoscaler_health
from deploy.cluster.heartbeat import stands_by
from deploy.cluster.release_images import find_images, missing_images
from deploy.cluster.remediations import last_remediation
from deploy.cluster.state import ClusterState, read_state
from deploy.operate.status_report import StatusReport, status_report
from deploy.release.autoscaler_yaml import removed_in
from deploy.release.config_bucket import read_object
from deploy.release.rollout_journal import latest_unfinished, newest_journal
from deploy.rollout.lock import find_lock


def read_status(
    environment: Environment, clients: Clients, *, clock: Clock | None = None
) -> StatusReport:
    """Read the cluster once; ``clock`` is used to tell how long a deploy has been in progress."""
    clock = clock or SystemClock()
    state = read_state(clients, environment)
    alarms = find_alarms(clients, environment)
    lock = find_lock(clients, environment) if state.foundation else None
    remediates = environment.alarms.remediate and state.foundation
    deployer = lock.words(clock.now()) if lock else ""
    served = state.release
    missing = missing_images(served, find_images(clients, [served])) if served else ()
    unfinished = "" if lock else _unfinished(environment, clients, state)
    return status_report(
        environment,
        state,
        alarms,
        missing=missing,
        deployer=deployer,
        unfinished=unfinished,
        autoscaler=_autoscaler(clients, state, clock),
        removed=_removed(clients, environment, state),
        stands_by=_stands_by(clients, environment, state, clock),
        remediation=last_remediation(clients, environment) if remediates else "",
    )


def _autoscaler(clients: Clients, state: ClusterState, clock: Clock) -> AutoscalerHealth | str:
    """Return what the leader's guard knows, or why it is not known.

    A leader that the load balancer does not reach is not asked: it may be a minute before Run
    Command gives up, and that leader is a problem already.
    """
    if state.leader is None:
        return "no leader"
    if not state.is_reachable:
        return "not known: the leader is not reachable"
    try:
        return autoscaler_health(clients, state.leader.id, clock=clock)
    except PipelineError as error:
        return f"not known: {error.message}"


def _stands_by(
    clients: Clients, environment: Environment, state: ClusterState, clock: Clock
) -> bool | None:
    """Say whether a head stands by; None when none needs to, or it is not known."""
    if not environment.head.standby or state.leader is None:
        return None
    return stands_by(clients, environment, now=clock.now() + clients.ahead)


def _removed(clients: Clients, environment: Environment, state: ClusterState) -> tuple[str, ...]:
    """Return the groups that the leader's autoscaler only drains."""
    uri = state.lease.autoscaler if state.lease else ""
    key = uri.removeprefix(f"s3://{environment.bucket}/")
    body = read_object(clients, environment.bucket, key) if uri else None
    return removed_in(body) if body else ()


def _unfinished(environment: Environment, clients: Clients, state: ClusterState) -> str:
    """Describe a rollout that was left unfinished; empty when its release serves anyway."""
    newest = newest_journal(clients, environment.bucket, environment.name, state.keys)
    left = latest_unfinished([newest] if newest else [])
    if left is None or (state.release and state.release.id == left.to_release):
        return ""
    return f"{left.kind} of {left.to_release} by {left.actor} ({left.id})"
