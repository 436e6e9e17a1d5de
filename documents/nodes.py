"""The nodes that consumers use: all there are, or as many of a group as what waits asks for.

Ray's autoscaler launches a node for work that finds no room, so a task that takes all CPUs of a
node waits for each one that is missing. It does nothing, and is withdrawn when no more is missing:
the request is the group's alone, where ``ray.autoscaler.sdk.request_resources`` would replace that
of any other job (its docstring, Ray 2.60). A node whose consumers have ended is idle, and the
autoscaler terminates it by the group's idle time-out, down to its minimum.
"""

import time
from collections.abc import Callable
from typing import Any

import ray
from ray import serve

from documents.entry import nodes_of, selector
from documents.errors import Unavailable
from documents.growth import Growth
from documents.log import JsonLog
from documents.settings import Settings

Node = dict[str, Any]


class Nodes:
    """Sees to the number of nodes; ``waiting`` says how many messages no one works on."""

    def __init__(self, settings: Settings, waiting: Callable[[], int], log: JsonLog) -> None:
        self._settings, self._waiting, self._log = settings, waiting, log
        self._growth: Growth | None = None
        self._asked = list[Any]()

    def in_use(self) -> list[Node]:
        """Return the nodes for consumers; ask for those that are missing."""
        nodes = nodes_of(self._settings.group)
        if not self._settings.group or not self._settings.workers_max:
            return nodes
        wanted = self._wanted(len(nodes))
        if nodes:
            self._ask(wanted - len(nodes), nodes[0])
        if len(nodes) <= wanted:
            return nodes
        needed = _needed()
        return sorted(nodes, key=lambda node: (node["NodeID"] not in needed, node["NodeID"]))[
            :wanted
        ]

    def _wanted(self, there: int) -> int:
        if self._growth is None:
            self._growth = Growth(self._settings, there, time.monotonic())
        before = self._growth.wanted
        try:
            wanted = self._growth.step(self._waiting(), time.monotonic())
        except Unavailable:  # consumers wait as well
            return before
        if wanted != before:
            self._log("scaling", workers=wanted, before=before)
        return wanted

    def _ask(self, missing: int, like: Node) -> None:
        """Have a task wait for each missing node; nodes of a group have as many CPUs."""
        if self._asked:
            _, self._asked = ray.wait(self._asked, num_returns=len(self._asked), timeout=0)
        for ref in self._asked[max(0, missing) :]:
            ray.cancel(ref)
        del self._asked[max(0, missing) :]
        task = ray.remote(_arrive).options(
            num_cpus=like["Resources"]["CPU"],
            max_retries=0,
            label_selector=selector(self._settings.group),
        )
        self._asked += [task.remote() for _ in range(missing - len(self._asked))]


def _arrive() -> None:
    """Do nothing: there is a node."""


def _needed() -> set[str]:
    """Return the nodes that cannot become idle: the keeper's own, and those that answer."""
    return {ray.get_runtime_context().get_node_id(), *serve.status().proxies}
