"""Instances whose clock is off, on request: AWS sees what they sign as signed at another time.

Machines share the host's clock, so none of theirs can be set. What a wrong one costs an instance
first is AWS, which refuses its requests (``localcloud.patches.iam.signatures``); that can be had.
Which instance, and by how many seconds it is ahead, another process writes to a file (``follow``).
"""

from localcloud.declarations import Declarations
from localcloud.world import World

_declared = Declarations()
follow = _declared.follow  # on each line an instance and seconds


def ahead(arn: str) -> float:
    """Return by how many seconds the clock of whoever asks is ahead; an instance's session of its
    role is named after it.
    """
    return float(dict(_declared.pairs()).get(arn.rpartition("/")[2], "0"))


def install() -> None:
    """There is nothing of moto's to replace."""


def attach(world: World) -> None:
    """In a new world every clock is right."""
    follow(None)
