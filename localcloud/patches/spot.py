"""Spot instances have a request, need the service-linked role, and cannot be stopped if one-time.

Follows RunInstances, InstanceMarketOptions and SpotMarketOptions in the EC2 API
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SpotMarketOptions.html), "Service-linked
role for Spot Instance requests" (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
service-linked-roles-spot-instance-requests.html: EC2 creates AWSServiceRoleForEC2Spot for callers
who may do so) and "Stop a Spot Instance" (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
using-spot-instances-request.html). The errors are EC2's own, as its users quote them. moto launches
spot instances without any of this.

The requests themselves are not listed by DescribeSpotInstanceRequests.
"""

from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import random_spot_request_id
from moto.iam.models import iam_backends

from localcloud.account import ACCOUNT
from localcloud.patches import internal
from localcloud.patches.iam import caller_may
from localcloud.world import World

SERVICE = "spot.amazonaws.com"
ROLE = "AWSServiceRoleForEC2Spot"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{SERVICE}/{ROLE}"


def _run_instances(run: Any, self: Any) -> Any:
    if self._get_param("InstanceMarketOptions.MarketType") != "spot":
        return run(self)
    persistent = _is_persistent(self)
    _need_role(self)
    answer = run(self)
    for instance in answer.result.instances:
        instance.spot_instance_request_id = random_spot_request_id()
        instance.is_persistent_spot = persistent
    return answer


def _is_persistent(response: Any) -> bool:
    options = response._get_param("InstanceMarketOptions.SpotOptions") or {}
    kind = options.get("SpotInstanceType", "one-time")
    behaviour = options.get("InstanceInterruptionBehavior", "terminate")
    if (kind == "persistent") != (behaviour in ("stop", "hibernate")):
        raise EC2ClientError(
            "InvalidParameterCombination",
            f"The request with type '{kind}' is not supported when instanceInterruptionBehavior "
            f"is set to '{behaviour}'.",
        )
    return bool(kind == "persistent")


def _need_role(response: Any) -> None:
    """Create the service-linked role as EC2 does: in the caller's name, when it is not there."""
    if any(role.name == ROLE for role in iam_backends[ACCOUNT]["aws"].roles.values()):
        return
    keys = {"iam:AWSServiceName": SERVICE}
    if not caller_may(response, "iam:CreateServiceLinkedRole", ROLE_ARN, keys):
        raise EC2ClientError(
            "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
            "The provided credentials do not have permission to create the service-linked role "
            "for EC2 Spot Instances.",
        )
    internal.call("iam", "create_service_linked_role", AWSServiceName=SERVICE)


def _stop_instances(stop: Any, self: Any, instance_ids: list[str]) -> Any:
    for instance in self.get_multi_instances_by_id(instance_ids):
        if instance.lifecycle == "spot" and not instance.is_persistent_spot:
            raise EC2ClientError(
                "UnsupportedOperation",
                f"You can't stop the Spot Instance '{instance.id}' because it is associated with "
                "a one-time Spot Instance request. You can only stop Spot Instances associated "
                "with persistent Spot Instance requests.",
            )
    return stop(self, instance_ids)


@cache
def install() -> None:
    run, stop = InstanceResponse.run_instances, InstanceBackend.stop_instances
    InstanceResponse.run_instances = lambda self: _run_instances(run, self)
    InstanceBackend.stop_instances = lambda self, ids: _stop_instances(stop, self, ids)


def attach(world: World) -> None:
    """Nothing happens here by itself."""
