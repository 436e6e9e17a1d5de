"""Whether the account's vCPU quotas suffice for a cluster. Reads AWS (Service Quotas) only.

EC2 counts running vCPUs by market and class of instance type:
https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients, error_code
from common.environment import Environment
from common.instance_types import TypeFacts
from common.quotas import (
    QUOTAS,
    SPOT_QUOTAS,
    STANDARD,
    STANDARD_SPOT,
    quota_limit,
    quota_of,
)
from deploy.cluster.head_group import most_heads
from deploy.plan.finding import Finding

# What a quota counts, by its code.
NAMES = {
    STANDARD: "on-demand standard instances",
    QUOTAS["dl"]: "on-demand DL instances",
    QUOTAS["f"]: "on-demand F instances",
    QUOTAS["g"]: "on-demand G and VT instances",
    QUOTAS["hpc"]: "on-demand HPC instances",
    QUOTAS["inf"]: "on-demand Inf instances",
    QUOTAS["p"]: "on-demand P instances",
    QUOTAS["trn"]: "on-demand Trn instances",
    QUOTAS["u"]: "on-demand high-memory instances",
    QUOTAS["x"]: "on-demand X instances",
    STANDARD_SPOT: "spot standard instances",
    SPOT_QUOTAS["dl"]: "spot DL instances",
    SPOT_QUOTAS["f"]: "spot F instances",
    SPOT_QUOTAS["g"]: "spot G and VT instances",
    SPOT_QUOTAS["inf"]: "spot Inf instances",
    SPOT_QUOTAS["p"]: "spot P2, P3 and P4 instances",
    SPOT_QUOTAS["p5"]: "spot P5 instances",
    SPOT_QUOTAS["trn"]: "spot Trn instances",
    SPOT_QUOTAS["x"]: "spot X instances",
}


@dataclass(frozen=True)
class _Need:
    """The vCPUs of the smallest and of the largest cluster, and whose they are."""

    least: int = 0
    most: int = 0
    places: tuple[str, ...] = ()

    def more(self, least: int, most: int, place: str) -> "_Need":
        """Return this need with another one added."""
        return _Need(self.least + least, self.most + most, (*self.places, place))


def quota_findings(
    clients: Clients, environment: Environment, facts: Mapping[str, TypeFacts]
) -> tuple[Finding, ...]:
    """Compare the vCPUs of the smallest and the largest cluster with the account's quotas."""
    needs = _needs(environment, facts)
    try:
        return tuple(
            finding
            for quota, need in needs.items()
            for finding in _compared(quota_limit(clients, quota), quota, need)
        )
    except (ClientError, BotoCoreError) as error:
        reason = error_code(error) if isinstance(error, ClientError) else type(error).__name__
        return (Finding(f"the account's vCPU quotas could not be read ({reason})"),)


def _needs(environment: Environment, facts: Mapping[str, TypeFacts]) -> dict[str, _Need]:
    """Return what is needed of each quota, with the successors of all heads during a rollout.

    A group whose types and markets fall under several quotas may use up any of them, and needs
    none of them in particular.
    """
    heads = 1 + environment.head.standby
    most = most_heads(heads, launch_first=environment.rollout.launch == "first")
    kind = environment.head.instance_type
    size = facts[kind].vcpus
    needs = {quota_of(kind): _Need().more(heads * size, most * size, "head")}
    for name, group in sorted(environment.workers.items()):
        size = max(facts[kind].vcpus for kind in group.instance_types)
        offers = product(group.instance_types, group.markets)
        quotas = dict.fromkeys(quota_of(kind, market) for kind, market in offers)
        for quota in quotas:
            least = group.min * size if len(quotas) == 1 else 0
            need = needs.get(quota, _Need())
            needs[quota] = need.more(least, group.max * size, f"workers.{name}")
    return needs


def _compared(limit: float, quota: str, need: _Need) -> Iterator[Finding]:
    hint = f"request a higher quota (Service Quotas, ec2, {quota})"
    who = f"{NAMES[quota]} ({', '.join(need.places)}), the account may run {limit:.0f}"
    if need.least > limit:
        yield Finding(f"the smallest cluster needs {need.least} vCPUs of {who}", hint, fatal=True)
    elif need.most > limit:
        yield Finding(f"the largest cluster needs {need.most} vCPUs of {who}", hint)
