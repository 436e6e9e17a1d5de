"""Names and load balancers as simulated nodes see them: read from moto, by the same rules as
the real resolver and the real data plane.
"""

from localcloud.patches.elbv2.forwarding import READY, plans
from localcloud.resolver import Records, desired_records


class Names:
    """What the VPC's resolver and the load balancers answer, as of the last ``reconcile``."""

    def __init__(self) -> None:
        self._records = Records()
        self._backends: dict[tuple[str, int], tuple[str, ...]] = {}

    def address(self, name: str) -> str:
        """Return the address of a name; raises OSError when there is none."""
        found = self.addresses(name)
        if not found:
            raise OSError(f"{name} does not resolve")
        return found[0]

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return every address of a name; none when it does not resolve."""
        known = self._records
        return known.addresses.get(known.aliases.get(name, name), ())

    def target(self, address: str, port: int) -> str | None:
        """Return where a connection ends: a load balancer passes it on to a healthy target."""
        if (address, port) not in self._backends:
            return address
        ready = self._backends[address, port]
        return ready[0] if ready else None

    def reconcile(self, now: float) -> None:
        """Follow moto's state, with each step of the world."""
        self._records = desired_records()
        self._backends = {
            (frontend.address, frontend.port): tuple(
                server.address for server in frontend.servers if server.state == READY
            )
            for plan in plans()
            for frontend in plan.frontends
        }
