"""Names and load balancers as a simulated node meets them: read from moto, by the same rules as
the real resolver and the real data plane.
"""

from localcloud.patches.elbv2.plan import READY, plans
from localcloud.resolver import Records, wanted_records
from localcloud.simulation.timeline import Timeline


class Names:
    """What the VPC's resolver and the load balancers answer; looked up once a moment."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._records = Records()
        self._backends: dict[tuple[str, int], tuple[str, ...]] = {}
        self._read_at = float("-inf")

    def address(self, name: str) -> str:
        """Return the address of a name; raises OSError when there is none."""
        self._read()
        known = self._records
        found = known.addresses.get(known.aliases.get(name, name), ())
        if not found:
            raise OSError(f"{name} does not resolve")
        return found[0]

    def target(self, address: str, port: int) -> str | None:
        """Return where a connection ends: a load balancer's is passed on to a healthy target."""
        self._read()
        if (address, port) not in self._backends:
            return address
        ready = self._backends[address, port]
        return ready[0] if ready else None

    def _read(self) -> None:
        if self._read_at == self._timeline.now():
            return
        self._read_at = self._timeline.now()
        self._records = wanted_records()
        self._backends = {
            (frontend.address, frontend.port): tuple(
                server.address for server in frontend.servers if server.state == READY
            )
            for plan in plans()
            for frontend in plan.frontends
        }
