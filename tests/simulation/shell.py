"""What simulated machines answer: probes of their ports, and the few commands deploy sends them."""

import json
import re
import shlex
from dataclasses import asdict

from localcloud.driver import Answer, Probed
from node.contract import GUARD_PORT, RAY_PORTS, STATUS_PATH
from tests.simulation.machine import Machine
from tests.simulation.names import Names
from tests.simulation.network import NobodyListens, Silence
from tests.simulation.nodes import Nodes
from tests.simulation.ray import HeadRay, Rays
from tests.simulation.service import Service

ACCEPTED = "DRAIN_NODE_REASON_PREEMPTION"  # Ray may refuse any other
STATUS = re.compile(r"ray status\b(?:.*--address[ =](?P<address>[\d.]+):\d+)?")
RESOLVE = re.compile(r"for name in (?P<names>[^;]+); do .*getent --service=dns ahostsv4 .*")
NODE_ID = re.compile(r"[0-9a-f]{56}")
NO_RAY = Answer(1, "", "ConnectionError: Ray is trying to start at no such address\n")


class Shell:
    """Answers for every machine."""

    def __init__(self, rays: Rays, nodes: Nodes, names: Names) -> None:
        self._rays, self._nodes, self._names = rays, nodes, names

    def listen(self, machine: Machine, port: int, path: str | None) -> Probed:
        """Answer a connection; raises NobodyListens, and Silence where a process is paused."""
        process = self._nodes.head_process(machine.host.instance_id)
        if process is None:
            raise NobodyListens(str(port))
        if port == GUARD_PORT:
            if process.paused:
                raise Silence(str(port))
            status = 200 if process.guard.takes_traffic and path == "/leader" else 503
            return Probed(connected=True, status=status if path else None)
        if port in RAY_PORTS and process.ray.life and process.ray.life.answers:
            return Probed(connected=True)
        raise NobodyListens(str(port))

    def command(self, machine: Machine, script: str) -> Answer:
        """Run a script: `ray status`, `ray drain-node`, `curl` of the guard's status, `getent` of
        a name and, of the guard's unit, `systemctl reset-failed` and `restart`, joined by && or on
        lines of their own.

        Anything else is not found.
        """
        answer = Answer(0, "", "")
        for line in script.strip().splitlines():
            for part in line.split("&&"):
                answer = self._run(machine, part.strip())
                if answer.exit_code:
                    break
        return answer

    def _run(self, machine: Machine, command: str) -> Answer:
        if names := RESOLVE.fullmatch(command):
            return self._resolve(names["names"].split())
        status = STATUS.search(command)
        if status:
            head = self._head(machine, status["address"] or machine.address)
            return Answer(0, ray_status(head), "") if head else NO_RAY
        words = shlex.split(command)
        if words[:2] == ["/usr/local/bin/ray", "drain-node"]:
            return self._drain(machine, dict(zip(words[2::2], words[3::2], strict=False)))
        if words[0] == "curl":
            return self._guard_status(machine, words[-1])
        service = self._nodes.heads.get(machine.host.instance_id)
        if words[0] == "systemctl" and words[-1] == "ray-head" and service:
            return self._systemctl(service, words[1])
        return Answer(127, "", f"sh: {command}: not found\n")

    def _resolve(self, names: list[str]) -> Answer:
        """Return each name with a colon, then its addresses as getent(1) prints them."""
        lines = []
        for name in names:
            found = self._names.addresses(name)
            lines += [f"{name}:", *(f"{address:15} STREAM {name}" for address in found)]
        return Answer(0, "\n".join(lines) + "\n", "")

    def _guard_status(self, machine: Machine, url: str) -> Answer:
        process = self._nodes.head_process(machine.host.instance_id)
        if process is None or url != f"http://localhost:{GUARD_PORT}{STATUS_PATH}":
            return Answer(7, "", f"curl: (7) Failed to connect to {url}\n")
        if process.paused:
            return Answer(28, "", "curl: (28) Operation timed out\n")
        return Answer(0, json.dumps(asdict(process.guard.status())) + "\n", "")

    def _systemctl(self, service: Service, verb: str) -> Answer:
        if verb == "reset-failed":
            service.forget_starts()
        elif verb == "restart":
            service.restart()
        else:
            return Answer(1, "", f"Unknown command verb {verb}.\n")
        return Answer(0, "", "")

    def _head(self, machine: Machine, address: str) -> HeadRay | None:
        try:
            return self._rays.find(machine, address)
        except Silence:
            return None

    def _drain(self, machine: Machine, options: dict[str, str]) -> Answer:
        """See ray/scripts/scripts.py, drain_node; click ends with 2 on a wrong option."""
        seconds = options.get("--deadline-remaining-seconds", "0")
        node_id = options.get("--node-id", "")
        fine = (
            options.get("--reason") == ACCEPTED
            and "--reason-message" in options
            and seconds.isdigit()
            and NODE_ID.fullmatch(node_id)
        )
        if not fine:
            return Answer(2, "", f"Usage: ray drain-node [OPTIONS]\n{options}\n")
        head = self._head(machine, options.get("--address", "").partition(":")[0])
        if head is None:
            return NO_RAY
        head.drain(bytes.fromhex(node_id))
        return Answer(0, "", "")


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
