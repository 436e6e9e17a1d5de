"""Let a worker start Ray only when it can join: there is a leader, it is alive, its name resolves
to it. Reads AWS through its arguments.

``ray start`` without a head wastes 16 s each time, and waits for the head's raylet in steps of
2 s: it is cheaper to check from here.
"""

import random
from collections.abc import Callable

from node.lease.table import LeaseTable, Unknown
from node.log import INFO, WARNING, Log
from node.ray.gcs import Gcs, NotAdmitted, Unreachable

Clock = Callable[[], float]
NO_LEADER = "no leader"
# Seconds until the load balancer's address is enough, should the watchdog not write /etc/hosts.
NAME_TIMEOUT = 5.0
SECRET_INTERVAL = 5.0  # seconds between attempts to fetch the secret again


class Gate:
    """Call ``step`` about every second until it returns True."""

    def __init__(
        self,
        table: LeaseTable,
        head_name: str,
        *,
        resolve: Callable[[str], str],
        gcs: Callable[[str], Gcs],
        refresh_secret: Callable[[], None],
        clock: Clock,
        log: Log,
        rejoin_seconds: float = 0.0,
    ) -> None:
        self._table, self._head_name = table, head_name
        self._resolve, self._gcs, self._refresh_secret = resolve, gcs, refresh_secret
        self._clock, self._log = clock, log
        self._rejoin_seconds = rejoin_seconds
        self._not_before: float | None = None
        self._reason = ""
        self._ready_since: float | None = None
        self._refreshed_at = clock()

    def step(self) -> bool:
        """Check once; True when ``ray start`` can join through the head's name now.

        A thousand workers find the same head ready in the same second. So each waits a random part
        of ``rejoin_seconds`` without asking anyone, and then checks once more.
        """
        if self._not_before is not None and self._clock() < self._not_before:
            return False
        if not self._is_head_ready():
            self._not_before = None
            return False
        if self._not_before is None:
            self._not_before = self._clock() + random.uniform(0.0, self._rejoin_seconds)  # noqa: S311 (no secret)
        if self._clock() < self._not_before:
            return self._closed("waiting so that workers do not join all at once")
        self._log("gate open")
        return True

    def _is_head_ready(self) -> bool:
        leader, by_name = self._leader()
        if leader is None:
            return self._closed(NO_LEADER)
        try:
            nodes = self._gcs(leader).alive_nodes()
        except NotAdmitted as error:
            self._renew_secret()
            return self._closed(f"not admitted: {error}")
        except (Unreachable, ValueError) as error:
            return self._closed(f"the head does not answer: {error}")
        if not any(by_name or node.address == leader for node in nodes):
            return self._closed("the head's own raylet is not alive yet")
        return self._name_resolves_to(leader)

    def _leader(self) -> tuple[str | None, bool]:
        """Return the address to try, and whether it comes from the name as the lease is unreadable.

        The name may lead to a load balancer, whose address is not that of the head's raylet.
        """
        try:
            item = self._table.read()
        except Unknown as error:
            self._closed(f"using the name, the lease is unreadable: {error}")
            return self._named(), True
        return (item.address if item and not item.released else None), False

    def _named(self) -> str | None:
        try:
            return self._resolve(self._head_name)
        except OSError:
            return None

    def _name_resolves_to(self, leader: str) -> bool:
        """Wait a little for the watchdog to write /etc/hosts; the load balancer works too."""
        now = self._clock()
        if self._ready_since is None:
            self._ready_since = now
        named = self._named()
        if named == leader or (named and now - self._ready_since >= NAME_TIMEOUT):
            self._log("head ready", leader=leader, name_resolves_to=named)
            return True
        return self._closed(f"{self._head_name} resolves to {named}")

    def _renew_secret(self) -> None:
        if self._clock() - self._refreshed_at >= SECRET_INTERVAL:
            self._refreshed_at = self._clock()
            self._refresh_secret()

    def _closed(self, why: str) -> bool:
        """Log why, once for each reason in a row; return False."""
        if why != self._reason:
            self._reason = why
            self._log("gate closed", level=INFO if why == NO_LEADER else WARNING, why=why)
        return False


def jittered(seconds: float) -> float:
    """Return up to a half less or more, so that a thousand nodes do not act at once."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
