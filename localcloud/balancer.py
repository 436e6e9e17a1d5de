"""The data plane of network load balancers: a host with its addresses, and HAProxy on it. No AWS.

What is to be done comes from ``localcloud.patches.elbv2.forwarding``. The control plane never waits for
it: every balancer has a thread that makes the newest plan true. All its processes are children of
the server and so in the cloud's control groups; with them they end.
"""

import logging
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from localcloud.network import Network
from localcloud.patches.elbv2.forwarding import ForwardingPlan, plans
from localcloud.paths import namespace_path
from localcloud.proxy import Proxy

RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


class Balancers:
    """Keeps one balancer running for every network load balancer that is active."""

    def __init__(self, network: Network, folder: Path) -> None:
        self._network = network
        self._folder = folder
        self._running: dict[str, Balancer] = {}

    def reconcile(self, now: float) -> None:
        """Hand every balancer its newest plan; begin new ones, end those that are gone."""
        wanted = {plan.name: plan for plan in plans()}
        for name in self._running.keys() - wanted.keys():
            self._running.pop(name).end()
        for name, plan in wanted.items():
            if name not in self._running:
                self._running[name] = Balancer(self._network, self._folder, plan)
            self._running[name].follow(plan)

    def stop(self) -> None:
        """End all of them, and wait until they are gone."""
        for balancer in self._running.values():
            balancer.end()
        for balancer in self._running.values():
            balancer.join()
        self._running.clear()


class Balancer:
    """One load balancer's host and HAProxy, and the thread that tends them."""

    def __init__(self, network: Network, folder: Path, plan: ForwardingPlan) -> None:
        self._network = network
        self._host = f"nlb-{plan.name[:8]}"
        self._addresses: tuple[str, ...] = ()
        space = namespace_path(network.space_of(self._host))
        self._proxy = Proxy(folder, self._host, ["nsenter", f"--net={space}"])
        self._wanted: ForwardingPlan | None = plan
        self._made: ForwardingPlan | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._tend, name=self._host, daemon=True)
        self._thread.start()

    def follow(self, plan: ForwardingPlan) -> None:
        """Have this plan made true soon, also again when HAProxy has died."""
        with self._changed:
            if plan != self._wanted or not self._proxy.settled:
                self._wanted = plan
                self._changed.notify()

    def end(self) -> None:
        """Have everything removed soon."""
        with self._changed:
            self._wanted = None
            self._changed.notify()

    def join(self) -> None:
        self._thread.join()

    def _tend(self) -> None:
        while (plan := self._next()) is not None:
            if self._try(partial(self._make, plan)):
                self._made = plan
        self._try(self._remove)

    def _next(self) -> ForwardingPlan | None:
        """Wait until there is something to do; None is the end."""
        with self._changed:
            while self._wanted is not None and self._wanted == self._made and self._proxy.settled:
                self._changed.wait(RETRY_SECONDS)
            return self._wanted

    def _try(self, work: Callable[[], None]) -> bool:
        """Work; what fails is logged and tried again after a while."""
        try:
            work()
        except (OSError, subprocess.CalledProcessError, IndexError):
            log.exception("%s: the data plane did not follow", self._host)
            with self._changed:
                self._changed.wait(RETRY_SECONDS)
            return False
        return True

    def _make(self, plan: ForwardingPlan) -> None:
        if plan.addresses != self._addresses:
            self._remove()
            self._network.attach(self._host, plan.addresses)
            self._addresses = plan.addresses
        self._proxy.follow(plan)

    def _remove(self) -> None:
        self._proxy.stop()
        if self._addresses:
            self._network.detach(self._host)
            self._addresses = ()
