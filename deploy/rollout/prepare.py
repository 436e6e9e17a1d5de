"""Prepare a deploy or a destroy: read everything, plan, change nothing. Reads AWS only.

The commands show what is returned, ask, and run it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from common.clients import Clients
from common.environment import FOLDER, Environment
from common.errors import Denied, Refused
from common.waiting import Clock
from deploy.cluster.ray_access import ray_api
from deploy.cluster.ray_api import RayApi
from deploy.cluster.secret import Secret, find_secret
from deploy.cluster.state import ClusterState, read_state
from deploy.foundation.changes import plan_foundation
from deploy.foundation.node_needs import Needs, needs_of
from deploy.foundation.nodes_stack import plan_nodes
from deploy.foundation.pause import paused_error
from deploy.foundation.stack import find_stack, with_zones
from deploy.plan.desired_state import DesiredState
from deploy.plan.destroy_plan import plan_destroy
from deploy.plan.finding import Finding
from deploy.plan.planner import plan_deploy
from deploy.plan.preflight import check_credentials, preflight
from deploy.plan.road_preflight import road_findings
from deploy.release.choice import requested_release
from deploy.release.release import Release
from deploy.rollout.destroy import DestroyOperation
from deploy.rollout.rollout import Rollout, Verifier
from deploy.verify.acceptance import verifier

ROLE_OF_GROUP = "GroupRoleName"  # a parameter of the documents' stack, where it runs on a cluster


@dataclass(frozen=True)
class Prepared:
    """A rollout that can be run, the state it was planned from, and what preflight has found."""

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
    resumes: bool = False,
) -> Prepared:
    """Plan the way to ``release``, or to the release that the environment asks for.

    Raises Refused if it cannot be deployed, or lacks the group that documents run in; a paused
    cluster is deployed to only with ``resumes``. ``folder`` holds the environment's other files;
    ``verify`` replaces the acceptance list, and ``api`` Ray on the leader, with the road there.
    """
    check_credentials(clients, environment)
    desired = DesiredState(environment, release or requested_release(clients, environment, folder))
    state = read_state(clients, environment)
    if state.foundation and state.foundation.is_paused and not resumes:
        raise paused_error(environment.name)
    if state.release and documents_group(state.release) not in (
        "",
        documents_group(desired.release),
    ):
        _refuse_documents(clients, environment)
    if desired.has_zones and state.foundation:
        state = replace(state, foundation=with_zones(clients, state.foundation))
    settings = desired.release.settings
    stack = plan_foundation(
        clients, environment, clock=clock, policy_arns=settings.head_access.policy_arns
    )
    served = needs_of(state.release.settings) if state.release else Needs()
    nodes = plan_nodes(
        clients, environment, state.foundation, served, needs_of(settings), clock=clock
    )
    plan = plan_deploy(desired, state, stack, nodes)
    findings = (
        ()
        if plan.is_empty
        else preflight(
            clients,
            environment,
            state.foundation,
            desired.release,
            state.release,
            others=() if api else road_findings(environment, state.foundation),
        )
    )
    verify = verify or verifier(clients, environment, desired.release, clock=clock)
    api = api or partial(ray_api, clients, environment)
    return Prepared(Rollout(plan, desired, clients, clock, verify, api), findings, state)


def prepare_destroy(
    environment: Environment, clients: Clients, *, clock: Clock
) -> DestroyOperation:
    """Plan the deletion of everything that exists.

    Raises Refused while a document pipeline runs on the cluster.
    """
    check_credentials(clients, environment)
    _refuse_documents(clients, environment)
    state = read_state(clients, environment)
    left = state.state_secret or _left_secret(clients, environment)
    plan = plan_destroy(environment, replace(state, state_secret=left))
    return DestroyOperation(plan, environment, clients, clock)


def _left_secret(clients: Clients, environment: Environment) -> Secret | None:
    """Return the password of a Redis that there was; None where these credentials may not look."""
    try:
        return find_secret(clients, environment.state_secret)
    except Denied:
        return None


def documents_group(release: Release) -> str:
    """Return the group that documents run in; empty where they do not run on the cluster."""
    return next((group.name for group in release.settings.groups if group.runs_documents), "")


def _refuse_documents(clients: Clients, environment: Environment) -> None:
    """Refuse while the documents' stack adds to a role of the cluster's, which IAM keeps then.

    docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html: DeleteConflict
    """
    stack = find_stack(clients, environment.documents_stack)
    if stack and stack.parameters.get(ROLE_OF_GROUP):
        raise Refused(
            f"the documents of {environment.name} run on its cluster: {stack.name} is there",
            hint=f"invoke documents.destroy --env {environment.name}, then this again",
        )
