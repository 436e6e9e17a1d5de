"""Health probes as a load balancer makes them: from its own address, never waited for. No AWS."""

import socket
import threading

from localcloud.driver import Probed
from localcloud.network import Network, entered
from localcloud.paths import namespace_path

Target = tuple[str, str, int, str | None]

AGENT = "ELB-HealthChecker/2.0"  # as AWS's checks name themselves in access logs
REFUSED = Probed(connected=False)


class Probes:
    """Runs probes in threads, one at a time a target, and keeps what each met until it is asked."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._met: dict[Target, Probed | None] = {}

    def probe(
        self, from_ip: str, ip: str, port: int, http_path: str | None, seconds: float
    ) -> Probed | None:
        """Begin a probe, or tell once what the one begun before met; None while it is under way."""
        target = (from_ip, ip, port, http_path)
        if target not in self._met:
            self._met[target] = None
            threading.Thread(target=self._probe, args=(target, seconds), daemon=True).start()
            return None
        met = self._met[target]
        if met is not None:
            del self._met[target]
        return met

    def _probe(self, target: Target, seconds: float) -> None:
        from_ip, ip, port, path = target
        try:
            space = namespace_path(self._network.space_holding(from_ip))
            with entered(space):
                connection = socket.socket()
            with connection:
                self._met[target] = met_at(connection, ip, port, path, seconds)
        except (OSError, ValueError):
            self._met[target] = REFUSED


def met_at(
    connection: socket.socket, ip: str, port: int, path: str | None, seconds: float
) -> Probed:
    """Connect to ``ip:port``, GET ``path`` if given; raises OSError, ValueError on nonsense."""
    connection.settimeout(seconds)
    connection.connect((ip, port))
    if path is None:
        return Probed(connected=True)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {ip}\r\nUser-Agent: {AGENT}\r\nConnection: close\r\n\r\n"
    )
    connection.sendall(request.encode())
    status = connection.makefile("rb").readline().split()
    return Probed(connected=True, status=int(status[1]) if len(status) > 1 else None)
