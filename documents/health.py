"""A container's health check: ``python3 -m documents.health head`` or ``worker``. Exits 1 if ill.

The head is healthy while its GCS and the answers are, a worker while its raylet is, and while it
has no head to join: another worker would wait for that one too. Needs only the standard library, so
that a check costs 0.1 s of CPU.
"""

import http.client
import os
import socket
import sys
import urllib.request

GCS_PORT = 6379
RAYLET = 52365
DASHBOARD = 8265
ANSWERS = 8000
SECONDS = 3.0


def head_url(address: str) -> str:
    """Return where a head's dashboard says whether its GCS is healthy, to anyone."""
    return f"http://{address}:{DASHBOARD}/api/gcs_healthz"


def answers(url: str) -> bool:
    """Say whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 # our own
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def takes_connections(host: str, port: int) -> bool:
    """Say whether anything listens there."""
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def has_head(name: str) -> bool:
    """Say whether the GCS of the head of this name takes connections."""
    return takes_connections(name, GCS_PORT)


def is_healthy(role: str) -> bool:
    """Say whether this container does what its role asks."""
    address = socket.gethostbyname(socket.gethostname())
    if role == "head":
        return answers(head_url(address)) and answers(f"http://{address}:{ANSWERS}/healthz")
    raylet = f"http://{address}:{RAYLET}/api/local_raylet_healthz"
    return answers(raylet) or not has_head(os.environ.get("HEAD_NAME", ""))


if __name__ == "__main__":
    sys.exit(not is_healthy(sys.argv[1]))
