"""The data plane of network load balancers: a host with its addresses, and HAProxy on it. No AWS.

The plans come from ``localcloud.patches.elbv2.forwarding``. The control plane never waits for the
data plane: each balancer has a thread that applies its newest plan. All processes are children of
the server, so they are in the cloud's control groups and are killed with them.
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
        """Give every balancer its newest plan; start new ones, stop deleted ones."""
        desired = {plan.name: plan for plan in plans()}
        for name in self._running.keys() - desired.keys():
            self._running.pop(name).stop()
        for name, plan in desired.items():
            if name not in self._running:
                self._running[name] = Balancer(self._network, self._folder, plan)
            self._running[name].follow(plan)

    def stop(self) -> None:
        """Stop all of them, and wait until they have stopped."""
        for balancer in self._running.values():
            balancer.stop()
        for balancer in self._running.values():
            balancer.join()
        self._running.clear()


class Balancer:
    """One load balancer's host and HAProxy, and the thread that runs them."""

    def __init__(self, network: Network, folder: Path, plan: ForwardingPlan) -> None:
        self._network = network
        self._host = f"nlb-{plan.name[:8]}"
        self._addresses: tuple[str, ...] = ()
        space = namespace_path(network.space_of(self._host))
        self._proxy = Proxy(folder, self._host, ["nsenter", f"--net={space}"])
        self._desired: ForwardingPlan | None = plan
        self._applied: ForwardingPlan | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=self._host, daemon=True)
        self._thread.start()

    def follow(self, plan: ForwardingPlan) -> None:
        """Have this plan applied soon; also restarts HAProxy when it has died."""
        with self._changed:
            if plan != self._desired or not self._proxy.settled:
                self._desired = plan
                self._changed.notify()

    def stop(self) -> None:
        """Have everything removed soon."""
        with self._changed:
            self._desired = None
            self._changed.notify()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while (plan := self._next()) is not None:
            if self._try(partial(self._apply, plan)):
                self._applied = plan
        self._try(self._remove)

    def _next(self) -> ForwardingPlan | None:
        """Wait for something to do, and return the plan to apply; None means stop."""
        with self._changed:
            while (
                self._desired is not None and self._desired == self._applied and self._proxy.settled
            ):
                self._changed.wait(RETRY_SECONDS)
            return self._desired

    def _try(self, work: Callable[[], None]) -> bool:
        """Do the work; a failure is logged, and retried after a pause."""
        try:
            work()
        except (OSError, subprocess.CalledProcessError, IndexError):
            log.exception("%s: the plan could not be applied", self._host)
            with self._changed:
                self._changed.wait(RETRY_SECONDS)
            return False
        return True

    def _apply(self, plan: ForwardingPlan) -> None:
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
