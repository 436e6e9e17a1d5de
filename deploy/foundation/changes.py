"""Plan, apply and remove the foundation of an environment. Touches AWS (CloudFormation)."""

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from common.progress import Say, say_nothing
from common.waiting import Clock
from deploy.foundation.desired_stack import DesiredStack, desired_stack
from deploy.foundation.stack import Foundation, foundation_of
from deploy.foundation.stack_changes import apply_stack, plan_stack, remove_stack
from deploy.foundation.stack_plan import StackPlan
from deploy.foundation.vpc import vpc_ranges
from deploy.foundation.zones import zones_for


def plan_foundation(
    clients: Clients,
    environment: Environment,
    *,
    clock: Clock,
    policy_arns: tuple[str, ...] = (),
) -> StackPlan:
    """Return what a deploy would change; takes three calls when nothing would.

    ``policy_arns`` are those that the heads' role has besides its own.
    """
    return plan_stack(clients, _desired(clients, environment, policy_arns), clock=clock)


def apply_foundation(
    clients: Clients,
    environment: Environment,
    plan: StackPlan,
    *,
    clock: Clock,
    progress: Say = say_nothing,
    accept_losses: bool = False,
    policy_arns: tuple[str, ...] = (),
) -> Foundation:
    """Bring the stack to its desired state, and return its foundation.

    Raises Refused when the changes are no longer those of ``plan``, or when data would be lost
    without ``accept_losses``; PipelineError, naming resource and reason, when it failed.
    """

    def refuse(now: StackPlan) -> None:
        _refuse_surprises(now, plan, accept_losses=accept_losses)

    desired = _desired(clients, environment, policy_arns)
    return foundation_of(
        apply_stack(clients, desired, clock=clock, progress=progress, refuse=refuse)
    )


def remove_foundation(
    clients: Clients, environment: Environment, *, clock: Clock, progress: Say = say_nothing
) -> bool:
    """Delete the stack with all its resources; say whether there was one.

    The bucket must be empty. Raises PipelineError naming what could not be deleted.
    """
    return remove_stack(clients, environment.stack, clock=clock, progress=progress)


def _desired(
    clients: Clients, environment: Environment, policy_arns: tuple[str, ...]
) -> DesiredStack:
    """Return the desired stack, in the zones of the one that exists."""
    network = environment.network
    existing = network.vpc_id if network.interfaces else ""
    return desired_stack(
        environment,
        zones_for(clients, environment),
        vpc_cidrs=vpc_ranges(clients, existing) if existing else (),
        policy_arns=policy_arns,
    )


def _refuse_surprises(now: StackPlan, shown: StackPlan, *, accept_losses: bool) -> None:
    if now != shown:
        raise Refused(
            f"the stack {now.stack} has changed since the plan was made",
            hint="see the new plan: `invoke plan`",
        )
    if now.losses and not accept_losses:
        raise Refused(
            "this would lose data:\n" + "\n".join(f"  {change}" for change in now.losses),
            hint="revert the change, or confirm explicitly that the data may be lost",
        )
