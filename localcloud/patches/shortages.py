"""No capacity, on request: RunInstances refuses what a test declares short.

Follows https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
(InsufficientInstanceCapacity) and MinCount and MaxCount of
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html: as many instances are
launched as there is capacity for; none when that is less than MinCount. The words are EC2's own, as
its users quote them. A shortage is of an instance type in an Availability Zone, in a market
(``on-demand`` or ``spot``); "*" is all of them. moto never runs out of capacity. A file declares
shortages too (``follow``), so that another process can.
"""

from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse

from localcloud.account import ec2_backend
from localcloud.declarations import Declarations
from localcloud.patches.ec2 import ENDED
from localcloud.patches.launch_checks import launch_zone, zones_of
from localcloud.world import World

CODE = "InsufficientInstanceCapacity"


@dataclass(frozen=True)
class Shortage:
    """Patterns of what is short, and how many instances of it there are, running ones included."""

    instance_type: str = "*"
    zone: str = "*"
    market: str = "*"
    count: int = 0

    def covers(self, instance_type: str, zone: str, market: str) -> bool:
        """Say whether an instance of that kind counts against this shortage."""
        return (
            fnmatch(instance_type, self.instance_type)
            and fnmatch(zone, self.zone)
            and fnmatch(market, self.market)
        )

    def left(self) -> int:
        """Return how many more instances can be launched."""
        used = sum(
            self.covers(i.instance_type, i.availability_zone, market_of(i))
            for i in ec2_backend().all_instances()
            if i.state not in (*ENDED, "stopped")
        )
        return max(0, self.count - used)


_declared: list[Shortage] = []
_written = Declarations()
follow = _written.follow  # per line a type and a zone; then, if wanted, a market and a count


def declare(
    instance_type: str = "*", zone: str = "*", market: str = "*", *, count: int = 0
) -> None:
    """From now on there are only ``count`` instances of that type, zone and market."""
    _declared.append(Shortage(instance_type, zone, market, count))


def clear() -> None:
    """End all declared shortages."""
    _declared.clear()


def market_of(instance: Any) -> str:
    """Return the market of one of moto's instances."""
    return "spot" if instance.lifecycle == "spot" else "on-demand"


def capacity(instance_type: str, zone: str, market: str) -> int | None:
    """Return how many instances could be launched now; None when nothing is declared short."""
    found = [s for s in _shortages() if s.covers(instance_type, zone, market)]
    return min((shortage.left() for shortage in found), default=None)


def _shortages() -> list[Shortage]:
    found = list(_declared)
    for kind, zone, *more in _written.lines(2, 4):
        market, count = (*more, *("*", "0")[len(more) :])
        if count.isdigit():
            found.append(Shortage(kind, zone, market, int(count)))
    return found


def _launch_what_there_is(response: Any) -> None:
    """Lower the request's MaxCount to the capacity; raise when that is less than its MinCount."""
    kind, zone = response._get_param("InstanceType", "m1.small"), launch_zone(response)
    market = response._get_param("InstanceMarketOptions.MarketType") or "on-demand"
    least, most = response._get_int_param("MinCount", 1), response._get_int_param("MaxCount", 1)
    available = capacity(kind, zone, market)
    if available is None or available >= most:
        return
    if available < least:
        raise EC2ClientError(CODE, _words(kind, zone, market))
    response.params = {**response.params, "MaxCount": available}


def _words(kind: str, zone: str, market: str) -> str:
    if market == "spot":
        return "There is no Spot capacity available that matches your request."
    words = (
        f"We currently do not have sufficient {kind} capacity in the Availability Zone you "
        f"requested ({zone}). Our system will be working on provisioning additional capacity."
    )
    others = [other for other in zones_of(kind) if capacity(kind, other, market) != 0]
    if others:
        words += (
            f" You can currently get {kind} capacity by not specifying an Availability Zone in "
            f"your request or choosing {', '.join(others)}."
        )
    return words


@cache
def install() -> None:
    run_instances = InstanceResponse.run_instances

    def run_what_there_is(self: Any) -> Any:
        _launch_what_there_is(self)
        return run_instances(self)

    InstanceResponse.run_instances = run_what_there_is


def attach(world: World) -> None:
    """A new world has no declared shortages."""
    clear()
