"""Let a worker start Ray only when it can join: who leads, is it alive, does its name lead there.
Reads AWS through its arguments.

``ray start`` without a head wastes 16 s a try, and waits for the head's raylet in steps of 2 s:
it is cheaper to look from here.
"""

import random
from collections.abc import Callable

from node.lease.table import LeaseTable, Unknown
from node.log import INFO, WARNING, Log
from node.ray.gcs import Gcs, NotAdmitted, Unreachable

Clock = Callable[[], float]
NAME_TIMEOUT = 5.0  # seconds until we go by the load balancer's name, should nobody mind /etc/hosts
SECRET_INTERVAL = 5.0


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
        spread: float = 0.0,
    ) -> None:
        self._table, self._head_name = table, head_name
        self._resolve, self._gcs, self._refresh_secret = resolve, gcs, refresh_secret
        self._clock, self._log = clock, log
        self._spread = spread
        self._turn: float | None = None
        self._said = ""
        self._ready_since: float | None = None
        self._refreshed_at = clock()

    def step(self) -> bool:
        """Look once; True when ``ray start`` can join through the head's name now.

        A thousand workers find the same head ready in the same second. So each waits a random part
        of ``spread`` seconds for its turn, asks nobody meanwhile, and looks once more.
        """
        if self._turn is not None and self._clock() < self._turn:
            return False
        if not self._head_is_ready():
            self._turn = None
            return False
        if self._turn is None:
            self._turn = self._clock() + random.uniform(0.0, self._spread)  # noqa: S311 (no secret)
        if self._clock() < self._turn:
            return self._closed("waiting for our turn")
        self._log("gate open")
        return True

    def _head_is_ready(self) -> bool:
        leader, by_name = self._leader()
        if leader is None:
            return self._closed("nobody leads")
        try:
            nodes = self._gcs(leader).alive_nodes()
        except NotAdmitted as error:
            self._renew_secret()
            return self._closed(f"not admitted: {error}")
        except (Unreachable, ValueError) as error:
            return self._closed(f"the head does not answer: {error}")
        if not any(by_name or node.address == leader for node in nodes):
            return self._closed("the head's own raylet is not alive yet")
        return self._name_leads_to(leader)

    def _leader(self) -> tuple[str | None, bool]:
        """Return the address to try, and whether the name gave it as the lease cannot be read.

        Behind a name may be a load balancer: there the head's raylet has another address.
        """
        try:
            item = self._table.read()
        except Unknown as error:
            self._closed(f"going by the name, the lease is unreadable: {error}")
            return self._named(), True
        return (item.address if item and not item.released else None), False

    def _named(self) -> str | None:
        try:
            return self._resolve(self._head_name)
        except OSError:
            return None

    def _name_leads_to(self, leader: str) -> bool:
        """Wait a little for the watchdog to write /etc/hosts; the load balancer gets there too."""
        now = self._clock()
        if self._ready_since is None:
            self._ready_since = now
        named = self._named()
        if named == leader or (named and now - self._ready_since >= NAME_TIMEOUT):
            self._log("head ready", leader=leader, name_leads_to=named)
            return True
        return self._closed(f"{self._head_name} leads to {named}")

    def _renew_secret(self) -> None:
        if self._clock() - self._refreshed_at >= SECRET_INTERVAL:
            self._refreshed_at = self._clock()
            self._refresh_secret()

    def _closed(self, why: str) -> bool:
        """Say why, once for each reason."""
        if why != self._said:
            self._said = why
            self._log("gate closed", level=INFO if why == "nobody leads" else WARNING, why=why)
        return False


def jittered(seconds: float) -> float:
    """Spread what a thousand nodes do at once, by half of it either way."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
