"""Service-linked roles have the names that the services give them, and exist once.

moto makes up a name from the service principal, and answers EntityAlreadyExists. Names: "AWS
services that work with IAM" (docs.aws.amazon.com/IAM/latest/UserGuide/
reference_aws-services-that-work-with-iam.html), each service's page on its service-linked role. The
error: CreateServiceLinkedRole in the IAM API reference has InvalidInput, and its users quote "has
been taken in this account".
"""

from functools import cache
from typing import Any

from moto.iam.exceptions import EntityAlreadyExists, InvalidInput
from moto.iam.models import SERVICE_NAME_CONVERSION, IAMBackend

from localcloud.world import World

NAMES = {
    "ecs": "ECS",
    "elasticache": "ElastiCache",
    "elasticloadbalancing": "ElasticLoadBalancing",
    "spot": "EC2Spot",
}


def _create(create: Any, self: Any, service_name: str, *given: Any, **named: Any) -> Any:
    try:
        return create(self, service_name, *given, **named)
    except EntityAlreadyExists as error:
        name = str(error.message).split()[3]
        raise InvalidInput(
            f"Service role name {name} has been taken in this account, "
            "please try a different suffix."
        ) from error


@cache
def install() -> None:
    SERVICE_NAME_CONVERSION.update(NAMES)
    create = IAMBackend.create_service_linked_role
    IAMBackend.create_service_linked_role = lambda self, *given, **named: _create(
        create, self, *given, **named
    )


def attach(world: World) -> None:
    """Nothing happens here by itself."""
