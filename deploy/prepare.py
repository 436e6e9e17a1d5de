"""Get a deploy or a destroy ready: look at everything, plan, change nothing. Reads AWS only.

``tasks.py`` shows what is returned, asks, and runs it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.clients import Clients
from deploy.destroy import Destruction, plan_destroy
from deploy.environment import FOLDER, Environment
from deploy.foundation.changes import plan_foundation
from deploy.job import ray_api
from deploy.journal import latest_unfinished, newest_journal
from deploy.lock import find_lock
from deploy.plan import plan_deploy
from deploy.preflight import Finding, check_credentials, preflight
from deploy.ray_api import RayApi
from deploy.release import Release
from deploy.release_choice import wanted_release
from deploy.remediations import last_remediation
from deploy.rollout import Rollout, Verifier
from deploy.state import ClusterState, find_alarms, read_state
from deploy.status import StatusReport, status_report
from deploy.verify import verifier
from deploy.waiting import Clock, SystemClock
from deploy.wanted import Wanted


@dataclass(frozen=True)
class Prepared:
    """A rollout that can be run, what it was planned from, and what preflight has found."""

    rollout: Rollout
    findings: tuple[Finding, ...]
    state: ClusterState


def prepare_deploy(
    environment: Environment,
    clients: Clients,
    *,
    clock: Clock,
    verify: Verifier | None = None,
    api: Callable[[], RayApi] | None = None,
    release: Release | None = None,
    folder: Path = FOLDER,
) -> Prepared:
    """Plan the way to the release that the environment asks for.

    Raises Refused when it cannot be deployed; ``folder`` holds the environment's other files, and
    ``verify`` takes the place of the acceptance list, ``api`` of Ray at the stable name. Another
    ``release`` may be wanted than the environment asks for: one that was served before.
    """
    check_credentials(clients, environment)
    wanted = Wanted(environment, release or wanted_release(clients, environment, folder))
    state = read_state(clients, environment)
    stack = plan_foundation(clients, environment, clock=clock)
    plan = plan_deploy(wanted, state, stack)
    findings = () if plan.is_empty else preflight(clients, environment, state.foundation)
    verify = verify or verifier(clients, environment, clock=clock)
    api = api or partial(ray_api, clients, environment)
    return Prepared(Rollout(plan, wanted, clients, clock, verify, api), findings, state)


def prepare_destroy(environment: Environment, clients: Clients, *, clock: Clock) -> Destruction:
    """Plan the removal of everything that is there."""
    check_credentials(clients, environment)
    plan = plan_destroy(environment, read_state(clients, environment))
    return Destruction(plan, environment, clients, clock)


def read_status(
    environment: Environment, clients: Clients, *, clock: Clock | None = None
) -> StatusReport:
    """Look at the cluster once; ``clock`` tells for how long a deployer has been at work."""
    state = read_state(clients, environment)
    alarms = find_alarms(clients, environment.name)
    lock = find_lock(clients, environment) if state.foundation else None
    acts = environment.alarms.remediate and state.foundation
    deployer = lock.words((clock or SystemClock()).now()) if lock else ""
    unfinished = "" if lock else _unfinished(environment, clients, state)
    return status_report(
        environment,
        state,
        alarms,
        deployer=deployer,
        unfinished=unfinished,
        remediation=last_remediation(clients, environment) if acts else "",
    )


def _unfinished(environment: Environment, clients: Clients, state: ClusterState) -> str:
    """Say which rollout nobody finishes; empty when its release serves all the same."""
    newest = newest_journal(clients, environment.bucket, environment.name, state.keys)
    left = latest_unfinished([newest] if newest else [])
    if left is None or (state.release and state.release.id == left.to_release):
        return ""
    return f"{left.kind} of {left.to_release} by {left.actor} ({left.id})"
