"""Get a deploy or a destroy ready: look at everything, plan, change nothing. Reads AWS only.

``commands/rollout.py`` shows what is returned, asks, and runs it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common.clients import Clients
from common.environment import FOLDER, Environment
from common.waiting import Clock
from deploy.cluster.ray_api import RayApi, ray_api
from deploy.cluster.state import ClusterState, read_state
from deploy.foundation.changes import plan_foundation
from deploy.plan.desired_state import DesiredState
from deploy.plan.planner import plan_deploy
from deploy.plan.preflight import Finding, check_credentials, preflight
from deploy.release.choice import requested_release
from deploy.release.release import Release
from deploy.rollout.destroy import Destruction, plan_destroy
from deploy.rollout.rollout import Rollout, Verifier
from deploy.verify.acceptance import verifier


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
    desired = DesiredState(environment, release or requested_release(clients, environment, folder))
    state = read_state(clients, environment)
    stack = plan_foundation(clients, environment, clock=clock)
    plan = plan_deploy(desired, state, stack)
    findings = () if plan.is_empty else preflight(clients, environment, state.foundation)
    verify = verify or verifier(clients, environment, clock=clock)
    api = api or partial(ray_api, clients, environment)
    return Prepared(Rollout(plan, desired, clients, clock, verify, api), findings, state)


def prepare_destroy(environment: Environment, clients: Clients, *, clock: Clock) -> Destruction:
    """Plan the removal of everything that is there."""
    check_credentials(clients, environment)
    plan = plan_destroy(environment, read_state(clients, environment))
    return Destruction(plan, environment, clients, clock)
