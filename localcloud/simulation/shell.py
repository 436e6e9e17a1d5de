"""What simulated machines answer: probes of their ports, and the few commands deploy sends them."""

import re

from localcloud.driver import Answer, Probed
from localcloud.simulation.machine import Machine
from localcloud.simulation.network import NobodyListens, Silence
from localcloud.simulation.nodes import Nodes
from localcloud.simulation.ray import HeadRay, Rays

GUARD = 8479
RAY_PORTS = (6379, 8265, 10001)
STATUS = re.compile(r"ray status\b(?:.*--address[ =](?P<address>[\d.]+):\d+)?")


class Shell:
    """Answers for every machine."""

    def __init__(self, rays: Rays, nodes: Nodes) -> None:
        self._rays, self._nodes = rays, nodes

    def listen(self, machine: Machine, port: int, path: str | None) -> Probed:
        """Answer a connection; raises NobodyListens, and Silence where a process is paused."""
        process = self._nodes.head_process(machine.host.instance_id)
        if process is None:
            raise NobodyListens(str(port))
        if port == GUARD:
            if process.paused:
                raise Silence(str(port))
            status = 200 if process.guard.takes_traffic and path == "/leader" else 503
            return Probed(connected=True, status=status if path else None)
        if port in RAY_PORTS and process.ray.life and process.ray.life.answers:
            return Probed(connected=True)
        raise NobodyListens(str(port))

    def command(self, machine: Machine, script: str) -> Answer:
        """Run a script; anything but `ray status` is not found."""
        asked = STATUS.search(script)
        if asked is None:
            return Answer(127, "", f"sh: {script.strip()}: not found\n")
        try:
            head = self._rays.find(machine, asked["address"] or machine.address)
        except Silence:
            head = None
        if head is None:
            return Answer(1, "", "ConnectionError: Ray is trying to start at no such address\n")
        return Answer(0, ray_status(head), "")


def ray_status(head: HeadRay) -> str:
    """Return what `ray status` prints: ray/autoscaler/v2/utils.py, ClusterStatusFormatter."""
    counts = {"head": int(head.own is not None)}
    counts["worker"] = len(head.nodes) - counts["head"]
    lines = [
        "======== Autoscaler status ========",
        "Node status",
        "---------------------------------------------------------------",
        "Active:",
        " (no active nodes)",
        "Idle:",
        *[f" {count} {kind}" for kind, count in counts.items() if count],
        "Pending:",
        " (no pending nodes)",
        "Recent failures:",
        " (no failures)",
    ]
    return "\n".join(lines) + "\n"
