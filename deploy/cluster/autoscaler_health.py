"""Whether Ray's autoscaler works, as the leader's guard knows. Touches AWS, changes nothing.

The guard is asked on the leader itself through Run Command, so that no line into the VPC is
needed. What it answers is node/head/phases.py, AutoscalerStatus.
"""

import json
from dataclasses import dataclass
from typing import Any

from common.clients import Clients
from common.errors import PipelineError
from common.waiting import Clock
from deploy.cluster.run_command import run_command
from node import contract
from node.contract import SPOT

# Seconds for a new round of the autoscaler: it completes one every 5 s, the guard looks every 10 s,
# and a head that has just begun to lead starts its autoscaler last.
ROUND_SECONDS = 60.0
# A launch that was refused this long ago may have been given up since; Ray tries again each round.
RECENTLY = 60.0
QUESTION = (
    "curl --silent --show-error --fail --max-time 5 "
    f"http://localhost:{contract.GUARD_PORT}{contract.STATUS_PATH}"
)


class NotReported(PipelineError):
    """The guard is of an image that is older than this report."""


@dataclass(frozen=True)
class RefusedLaunch:
    """The newest launch of a group that EC2 refused."""

    group: str
    instance_type: str
    market: str
    code: str
    message: str
    seconds_ago: float
    next: str = ""  # what is tried next; empty when the guard does not know

    @property
    def brief(self) -> str:
        """Return what a wait for workers says of it."""
        kind = (
            f"{self.instance_type} ({self.market})" if self.market == SPOT else self.instance_type
        )
        again = f"; trying {self.next}" if self.next else ""
        return f"{self.group}: {kind}: {self.code}, {self.seconds_ago:.0f} s ago{again}"

    @property
    def is_recent(self) -> bool:
        """The group needs workers that EC2 does not launch."""
        return self.seconds_ago < RECENTLY

    def __str__(self) -> str:
        what = f"{self.group} ({self.instance_type}, {self.market})"
        again = f"; trying {self.next}" if self.next else ""
        return f"{what} {self.seconds_ago:.0f} s ago: {self.code}: {self.message}{again}"


@dataclass(frozen=True)
class AutoscalerHealth:
    """``working`` is None until the first round, or until there should have been one.

    ``rounds`` grows with each round that the guard sees completed, every ten seconds.
    """

    working: bool | None
    rounds: int
    seconds_since_round: float
    refused: tuple[RefusedLaunch, ...]

    def __str__(self) -> str:
        since = f"{self.seconds_since_round:.0f} s"
        if self.working is None:
            return f"starting: no round completed in {since}"
        if self.working:
            return f"working: newest round {since} ago"
        return f"not working: no new round for {since}"


def autoscaler_health(clients: Clients, leader_id: str, *, clock: Clock) -> AutoscalerHealth:
    """Return what the leader's guard knows.

    Raises NotReported for a guard that does not know, PipelineError when there is no answer, or
    when this head does not lead Ray at the moment.
    """
    result = run_command(clients, leader_id, QUESTION, clock=clock, seconds=10)
    if not result.succeeded:
        raise PipelineError(
            f"the guard of {leader_id} does not answer: {(result.stdout + result.stderr)[-300:]}",
            hint="docs/runbooks/head-not-ready.md",
        )
    try:
        status: dict[str, Any] = json.loads(result.stdout)
    except ValueError as error:
        raise PipelineError(
            f"the guard of {leader_id} did not answer with JSON: {result.stdout[:200]!r}",
            hint="docs/runbooks/head-not-ready.md",
        ) from error
    if contract.STATUS_AUTOSCALER not in status:
        raise NotReported(
            f"not reported by the image of {leader_id}", hint="bake new images and deploy them"
        )
    found = status[contract.STATUS_AUTOSCALER]
    if found is None:
        raise PipelineError(
            f"{leader_id} does not lead Ray: {status.get('phase', 'no phase')}",
            hint="docs/runbooks/head-not-ready.md",
        )
    return _health(found)


def _health(found: dict[str, Any]) -> AutoscalerHealth:
    return AutoscalerHealth(
        working=found[contract.STATUS_WORKING],
        rounds=int(found[contract.STATUS_ROUNDS]),
        seconds_since_round=float(found[contract.STATUS_SINCE_ROUND]),
        refused=tuple(
            RefusedLaunch(
                group=group,
                instance_type=one[contract.REFUSED_TYPE],
                market=one[contract.REFUSED_MARKET],
                code=one[contract.REFUSED_CODE],
                message=one[contract.REFUSED_MESSAGE],
                seconds_ago=float(one[contract.REFUSED_AGO]),
                next=one.get(contract.REFUSED_NEXT, ""),
            )
            for group, one in sorted(found[contract.STATUS_REFUSED].items())
        ),
    )
