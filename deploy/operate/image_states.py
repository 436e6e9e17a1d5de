"""Deprecate and disable images that no channel names any more. Changes AWS (EC2).

An image that is only kept to go back to is deprecated 30 days after it left its
last channel, and disabled after 90. A deprecated image can still be launched; a disabled one cannot
until it is enabled, and loses its launch permissions:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/disable-an-ami.html
Putting it back into a channel enables it (bake/catalog.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bake.catalog import AT_ONCE, ROUNDED, deprecate, disable
from common.clients import Clients
from deploy.operate.stored_images import StoredImage

DEPRECATE_AFTER, DISABLE_AFTER = timedelta(days=30), timedelta(days=90)


@dataclass(frozen=True)
class Idle:
    """An image that nothing uses; ``since``: when it left its last channel, or was baked."""

    image: StoredImage
    since: datetime


@dataclass(frozen=True)
class StateChanges:
    """The images whose state changes."""

    deprecates: tuple[Idle, ...] = ()
    disables: tuple[Idle, ...] = ()

    @property
    def count(self) -> int:
        """The number of changes."""
        return len(self.deprecates) + len(self.disables)

    @property
    def images(self) -> tuple[StoredImage, ...]:
        """The images, each once."""
        return tuple(dict.fromkeys(one.image for one in (*self.deprecates, *self.disables)))

    def without(self, image: StoredImage) -> "StateChanges":
        """Return the changes of all other images."""
        return StateChanges(
            tuple(one for one in self.deprecates if one.image != image),
            tuple(one for one in self.disables if one.image != image),
        )

    @property
    def words(self) -> Iterator[str]:
        """Yield a line for each change."""
        for verb, some in (("deprecated", self.deprecates), ("disabled", self.disables)):
            for one in some:
                yield f"~ {one.image.words}: {verb}, unused since {one.since:%Y-%m-%d}"


def state_changes(idle: Iterable[Idle], untouched: timedelta, now: datetime) -> StateChanges:
    """Return what changes of images that nothing uses; none that was used within ``untouched``."""
    available = [one for one in idle if one.image.state == "available"]
    return StateChanges(
        tuple(
            one
            for one in available
            if now - one.since >= max(DEPRECATE_AFTER, untouched)
            and not (one.image.deprecated and one.image.deprecated <= now + AT_ONCE + ROUNDED)
        ),
        tuple(one for one in available if now - one.since >= max(DISABLE_AFTER, untouched)),
    )


def change_states(
    clients: Clients, approved: StateChanges, current: StateChanges, now: datetime
) -> None:
    """Change what was approved and still is to be changed; it can be run again."""
    for one in approved.deprecates:
        if one in current.deprecates:
            deprecate(clients, one.image.ami_id, now)
    for one in approved.disables:
        if one in current.disables:
            disable(clients, one.image.ami_id)
