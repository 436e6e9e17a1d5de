"""RunInstances with network interfaces: groups and subnets belong to them, and EFA to some types.

Follows RunInstances in the EC2 API ("If you specify a network interface, you must specify any
security groups as part of the network interface", the same of subnets) and, in the EC2 user guide,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa.html and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html ("You can't use an
EFA-only network interface as the primary network interface", one EFA on each network card); how
many a type has is what DescribeInstanceTypes says. moto gives an instance none of its interfaces'
groups, and knows neither EFA nor network cards.

A machine has no EFA: such an interface is an ordinary one, and one that is EFA-only, without an
address, is checked and left out.
"""

from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidParameterCombination
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses.instances import InstanceResponse

from localcloud.world import World

Interface = dict[str, Any]
EFA, EFA_ONLY = "efa", "efa-only"


def _check(response: Any, interfaces: list[Interface]) -> None:
    for key, words in (("SecurityGroupIds", "security groups"), ("SubnetId", "subnet ID")):
        if response._get_param(key):
            raise InvalidParameterCombination(
                f"Network interfaces and an instance-level {words} may not be specified on the "
                "same request"
            )
    kind = response._get_param("InstanceType", "m1.small")
    network = INSTANCE_TYPES[kind]["NetworkInfo"]
    cards = [int(one.get("NetworkCardIndex", 0)) for one in interfaces]
    if max(cards) >= network["MaximumNetworkCards"]:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Network card index {max(cards)} is not valid: {kind} has "
            f"{network['MaximumNetworkCards']} network cards.",
        )
    with_efa = [one for one in interfaces if one.get("InterfaceType") in (EFA, EFA_ONLY)]
    if with_efa:
        _check_efa(kind, with_efa, network)


def _check_efa(kind: str, interfaces: list[Interface], network: dict[str, Any]) -> None:
    if not network["EfaSupported"]:
        raise InvalidParameterCombination(
            f"{kind} instances do not support Elastic Fabric Adapters."
        )
    most = network["EfaInfo"]["MaximumEfaInterfaces"]
    cards = [int(one.get("NetworkCardIndex", 0)) for one in interfaces]
    if len(interfaces) > most or len(set(cards)) < len(cards):
        raise EC2ClientError(
            "AttachmentLimitExceeded",
            f"{len(interfaces)} Elastic Fabric Adapters exceed the limit of {kind}: {most}, one "
            "for each network card.",
        )
    if any(one["InterfaceType"] == EFA_ONLY and not int(one["DeviceIndex"]) for one in interfaces):
        raise InvalidParameterCombination(
            "An EFA-only network interface cannot be the primary network interface."
        )


@cache
def install() -> None:
    run_instances = InstanceResponse.run_instances

    def run_with_interfaces(self: Any) -> Any:
        interfaces = self._get_param("NetworkInterfaces", [])
        if not interfaces:
            return run_instances(self)
        _check(self, interfaces)
        kept = [one for one in interfaces if one.get("InterfaceType") != EFA_ONLY]
        self.params = {**self.params, "NetworkInterfaces": kept}
        answer = run_instances(self)
        groups = kept[0].get("Groups", [])
        for instance in answer.result.instances if groups else ():
            find = self.ec2_backend.get_security_group_from_id
            instance.security_groups = [find(group_id) for group_id in groups]
        return answer

    InstanceResponse.run_instances = run_with_interfaces


def attach(world: World) -> None:
    """Nothing happens here by itself."""
