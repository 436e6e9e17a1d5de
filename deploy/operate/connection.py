"""Ray's ports on this machine for as long as a person wants, and the token for Ray's own tools.

Touches AWS: the lease, the token, the road to the leader.
"""

import os
import shlex
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from common.waiting import Clock
from deploy.cluster.ray_access import cluster_token, open_road
from deploy.reach.forward import Forward, listen
from deploy.reach.road import LOCALHOST, Road
from deploy.reach.watch import RoadWatch
from node.contract import CLIENT_PORT, DASHBOARD_PORT

# Ray's dashboard answers it without a look at the cluster (dashboard/http_server_head.py).
ALIVE_PATH = "/api/version"


@dataclass(frozen=True)
class Ports:
    """Listeners on this machine for the dashboard (with the jobs API) and Ray client."""

    dashboard: socket.socket
    client: socket.socket

    @classmethod
    def listening(cls, dashboard: int, client: int) -> "Ports":
        """Open both; raises Refused when one is taken."""
        options = "--dashboard, --client"
        return cls(listening(dashboard, options), listening(client, options))


def listening(port: int, options: str) -> socket.socket:
    """Listen on a port of this machine; raises Refused with the options for it when it is taken."""
    try:
        return listen(port)
    except (OSError, OverflowError) as error:
        raise Refused(
            f"port {port} of this machine cannot be opened: {error}",
            hint=f"is another `connect` open? choose another port: {options}",
        ) from error


class Connection:
    """Forwards both ports to whoever leads, and says when that changes."""

    def __init__(self, clients: Clients, environment: Environment, ports: Ports) -> None:
        self._road = open_road(clients, environment)
        self._dashboard = Forward(ports.dashboard, self._road, DASHBOARD_PORT)
        self._client = Forward(ports.client, self._road, CLIENT_PORT)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._dashboard.close()
        self._client.close()
        self._road.close()

    def lines(self, token_file: Path) -> tuple[str, str, str]:
        """Return what to paste into a shell, for Ray's own tools.

        RAY_API_SERVER_ADDRESS is read by ``ray job`` before RAY_ADDRESS
        (ray/dashboard/modules/job/cli.py).
        """
        return (
            f"export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={shlex.quote(str(token_file))}",
            f"export RAY_API_SERVER_ADDRESS=http://{LOCALHOST}:{self._dashboard.local_port}",
            f"export RAY_ADDRESS=ray://{LOCALHOST}:{self._client.local_port}",
        )

    def watch(self, clock: Clock, say: Callable[[str], None]) -> None:
        """Say when the leader answers and when it does not, until interrupted.

        Raises NotReached when there can be no road from here.
        """
        RoadWatch(self._road, ALIVE_PATH, DASHBOARD_PORT, CLIENT_PORT).run(clock, say)


@contextmanager
def token_file(clients: Clients, environment: Environment, home: Path) -> Iterator[Path]:
    """Yield a file that holds the cluster's token, readable by its owner only; remove it after.

    Ray's tools read it by RAY_AUTH_TOKEN_PATH. Raises Refused when there is no token.
    """
    token = cluster_token(clients, environment)
    folder = home / "connect"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{environment.name}-{os.getpid()}.token"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(token)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def forwarded(road: Road, port: int) -> Forward:
    """Return a port of this machine, any that is free, that leads to a port of the leader."""
    return Forward(listen(0), road, port)
