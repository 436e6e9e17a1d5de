"""CloudFormation as on AWS: change sets, rollbacks, and every resource really created.

moto creates nothing for types it does not know and reports them CREATE_COMPLETE, ignores
properties, keeps no stack of a failed create and accepts an update without changes.
This engine replaces it: ``template`` reads, ``changes`` plans, ``operations`` acts through each
service's own API.
"""

from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse

from localcloud.patches.cloudformation import (  # noqa: F401 - importing a module registers its types
    change_set_api,
    stack_api,
    types_applicationautoscaling,
    types_budgets,
    types_data,
    types_ecs,
    types_elasticache,
    types_iam,
    types_kms,
    types_lambda,
    types_monitoring,
    types_network,
    types_routing,
    types_s3vectors,
    types_secretsmanager,
    types_servicediscovery,
    types_sqs,
    types_ssm,
    types_vpc,
)
from localcloud.patches.cloudformation.stack import Stack
from localcloud.patches.internal import at, in_the_name_of
from localcloud.world import World

PIECES_PER_STEP = 10  # resources per step of the clock, which holds the world's lock


def install() -> None:
    """Put the engine's actions in place of moto's."""
    CloudFormationResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER = {}
    for action in (*change_set_api.ACTIONS, *stack_api.ACTIONS):
        setattr(CloudFormationResponse, action.__name__, action)


def attach(world: World) -> None:
    """Let the world's clock drive the stacks' operations."""
    world.reconcilers.append(lambda _now: _advance_all())


def _advance_all() -> None:
    for account in list(cloudformation_backends.values()):
        for backend in list(account.values()):
            for stack in list(vars(backend).get("engine_stacks", {}).values()):
                _advance(stack)


def _advance(stack: Stack) -> None:
    for _ in range(PIECES_PER_STEP):
        if stack.operation is None:
            return
        try:
            with at(stack.account, stack.region), in_the_name_of(stack.caller):
                progressed = next(stack.operation)
        except StopIteration:
            stack.operation = None
            return
        if not progressed:
            return
