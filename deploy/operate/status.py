"""Read the status of a cluster: its state, its alarms, a deploy in progress. Reads AWS only."""

from common.clients import Clients
from common.environment import Environment
from common.waiting import Clock, SystemClock
from deploy.cluster.release_images import find_architectures, missing_images
from deploy.cluster.remediations import last_remediation
from deploy.cluster.state import ClusterState, find_alarms, read_state
from deploy.operate.status_report import StatusReport, status_report
from deploy.release.rollout_journal import latest_unfinished, newest_journal
from deploy.rollout.lock import find_lock


def read_status(
    environment: Environment, clients: Clients, *, clock: Clock | None = None
) -> StatusReport:
    """Read the cluster once; ``clock`` is used to tell how long a deploy has been in progress."""
    state = read_state(clients, environment)
    alarms = find_alarms(clients, environment.name)
    lock = find_lock(clients, environment) if state.foundation else None
    remediates = environment.alarms.remediate and state.foundation
    deployer = lock.words((clock or SystemClock()).now()) if lock else ""
    served = state.release
    missing = missing_images(served, find_architectures(clients, [served])) if served else ()
    unfinished = "" if lock else _unfinished(environment, clients, state)
    return status_report(
        environment,
        state,
        alarms,
        missing=missing,
        deployer=deployer,
        unfinished=unfinished,
        remediation=last_remediation(clients, environment) if remediates else "",
    )


def _unfinished(environment: Environment, clients: Clients, state: ClusterState) -> str:
    """Describe a rollout that was left unfinished; empty when its release serves anyway."""
    newest = newest_journal(clients, environment.bucket, environment.name, state.keys)
    left = latest_unfinished([newest] if newest else [])
    if left is None or (state.release and state.release.id == left.to_release):
        return ""
    return f"{left.kind} of {left.to_release} by {left.actor} ({left.id})"
