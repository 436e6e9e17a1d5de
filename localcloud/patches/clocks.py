"""Instances with a wrong clock, on request: AWS sees their requests as signed at another time.

Machines share the host's clock, so no machine's own can be set. The first effect of a wrong clock
is that AWS refuses the instance's requests (``localcloud.patches.iam.signatures``), and that can be
emulated. Another process writes each instance, and how many seconds it is ahead, to a file
(``follow``).
"""

from localcloud.declarations import Declarations
from localcloud.world import World

_declared = Declarations()
follow = _declared.follow  # per line an instance and seconds


def ahead(arn: str) -> float:
    """Return how many seconds the caller's clock is ahead; an instance's role session has its id
    as its name.
    """
    return float(dict(_declared.pairs()).get(arn.rpartition("/")[2], "0"))


def install() -> None:
    """Nothing of moto's is replaced."""


def attach(world: World) -> None:
    """In a new world every clock is right."""
    follow(None)
