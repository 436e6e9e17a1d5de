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
    """Runs probes in threads, one at a time per target, and keeps each result until it is read."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._results: dict[Target, Probed | None] = {}

    def probe(
        self, from_ip: str, ip: str, port: int, http_path: str | None, seconds: float
    ) -> Probed | None:
        """Begin a probe, or return the last one's result, once; None while it runs."""
        target = (from_ip, ip, port, http_path)
        if target not in self._results:
            self._results[target] = None
            threading.Thread(target=self._probe, args=(target, seconds), daemon=True).start()
            return None
        result = self._results[target]
        if result is not None:
            del self._results[target]
        return result

    def _probe(self, target: Target, seconds: float) -> None:
        from_ip, ip, port, path = target
        try:
            space = namespace_path(self._network.space_holding(from_ip))
            with entered(space):
                connection = socket.socket()
            with connection:
                self._results[target] = probe_once(connection, ip, port, path, seconds)
        except (OSError, ValueError):
            self._results[target] = REFUSED


def probe_once(
    connection: socket.socket, ip: str, port: int, path: str | None, seconds: float
) -> Probed:
    """Connect to ``ip:port``, GET ``path`` if given; raises OSError, ValueError on a bad answer."""
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
