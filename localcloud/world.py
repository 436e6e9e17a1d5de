"""The world of a local cloud: its clock, its machines, and what AWS does by itself.

moto's backends are global to a process, so the world is too: ``install`` puts it there, and the
patches find it with ``current``.
"""

from collections.abc import Callable
from threading import RLock
from typing import Protocol

from localcloud.driver import Driver

Reconciler = Callable[[float], None]


class Clock(Protocol):
    """Time as the world sees it."""

    def now(self) -> float:
        """Return seconds since the epoch."""


class World:
    """Time, machines, and the reconcilers that one step runs in order.

    ``lock`` is held by every API request and every step: moto is not made for threads.
    """

    def __init__(self, clock: Clock, driver: Driver) -> None:
        self.clock = clock
        self.driver = driver
        self.lock = RLock()
        self.reconcilers: list[Reconciler] = []

    def step(self) -> None:
        """Bring the control plane up to now: each reconciler looks, and acts on the difference."""
        with self.lock:
            for reconcile in self.reconcilers:
                reconcile(self.clock.now())


_installed: list[World] = []


def install(world: World) -> None:
    """Make this the process's world."""
    _installed[:] = [world]


def now() -> float:
    """Return the world's time in seconds since the epoch."""
    return current().clock.now()


def current() -> World:
    """Return the process's world; raises LookupError before there is one."""
    if not _installed:
        raise LookupError("no world is installed in this process")
    return _installed[0]
