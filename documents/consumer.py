"""Keep consumers on the Ray cluster, and sweep: ``python -m documents.consumer``, beside the head.

A consumer is a detached actor: it outlives this process, and Ray restarts it for ever, on another
node if need be (docs.ray.io/en/latest/ray-core/actors/named-actors.html, fault-tolerance.html). It
works from its start on, so a restarted one needs no one to call it. This process only sees to their
number, one for each CPU of the nodes in use (nodes.py) as far as their memory goes, and to the
sweep; it may be killed and started at any time.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from common.clients import Clients
from common.errors import PipelineError
from documents.access import access
from documents.entry import NAMESPACE, connect, nodes_of, selector
from documents.errors import Unavailable
from documents.log import JsonLog
from documents.nodes import Nodes
from documents.program import run
from documents.providers import choose
from documents.reporting import Reporter
from documents.settings import Settings, load_settings
from documents.sweep import sweep
from documents.work import make_work
from documents.worker import Worker

EVERY = 5.0  # seconds between two looks at the cluster
ANSWERS_WITHIN = 5.0
STOPS_WITHIN = 30.0
PREFIX = "consumer-"


class Consumer:
    """One consumer; its settings come from the environment of its node."""

    def __init__(self, name: str) -> None:
        settings, self._log = load_settings(), JsonLog(name)
        clients = Clients(settings.region)
        work = make_work(settings, clients, name)
        self._worker = Worker(work, access(settings, clients).queue, self._log)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._worker.run()
        except BaseException as error:
            # Ray restarts an actor whose process ends, not one whose thread does.
            self._log("failed", error=f"{type(error).__name__}: {error}")
            os._exit(1)
        # It was stopped. Only a killed actor ends for good: one that exits is restarted.
        with suppress(RayError):  # or whoever has stopped it kills it
            ray.kill(ray.get_runtime_context().current_actor, no_restart=True)

    def state(self) -> dict[str, Any]:
        """Return what it is working on, how many objects it has finished, and on which node."""
        return {**self._worker.state, "node": ray.get_runtime_context().get_node_id()}

    def stop(self, seconds: float) -> bool:
        """Finish the object that it is working on, and take no other; say whether it has ended.

        Returns after so many seconds at most: each call that waits takes one of its threads.
        """
        self._worker.stop()
        self._thread.join(seconds)
        return not self._thread.is_alive()


class Keeper:
    """Sees to the number of consumers; those of another ``version`` of the settings are stopped."""

    def __init__(self, settings: Settings, nodes: Nodes, log: JsonLog, version: str = "") -> None:
        self._settings, self._nodes, self._log = settings, nodes, log
        self._prefix = f"{PREFIX}{version}-" if version else PREFIX

    def step(self) -> None:
        """Start the consumers that are missing, and stop those that are too many."""
        nodes = self._nodes.in_use()
        wanted = self._settings.consumers or max(1, sum(map(self._room, nodes)))
        if others := [name for name in names() if not name.startswith(self._prefix)]:
            self._log("stopping", consumers=others)
            stop(others)
        there = [name for name in names() if name.startswith(self._prefix)]
        missing = [name for n in range(wanted) if (name := f"{self._prefix}{n}") not in there]
        for name in missing[: max(0, wanted - len(there))]:
            self._log("starting", consumer=name)
            self._start(name)
        if len(there) > wanted:
            used = {node["NodeID"] for node in nodes}
            ends = sorted(there, key=lambda name: _worth(name, used))[: len(there) - wanted]
            self._log("stopping", consumers=ends)
            stop(ends)

    def _room(self, node: dict[str, Any]) -> int:
        """Return how many consumers a node has room for."""
        found, each = node["Resources"], self._settings.consumer_memory
        cpus = int(found.get("CPU", 0))
        return min(cpus, int(found.get("memory", 0) // each)) if each else cpus

    def _start(self, name: str) -> None:
        options = {
            "num_cpus": 1,
            "memory": self._settings.consumer_memory,
            "label_selector": selector(self._settings.group),
        }
        ray.remote(Consumer).options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            max_restarts=-1,
            get_if_exists=True,
            max_concurrency=4,
            **options,
        ).remote(name)


def names() -> list[str]:
    """Return the names of all consumers."""
    listed = ray.util.list_named_actors(all_namespaces=True)
    return sorted(
        one["name"]
        for one in listed
        if one["namespace"] == NAMESPACE and one["name"].startswith(PREFIX)
    )


def states() -> dict[str, dict[str, Any]]:
    """Return the state of each consumer, by name; empty for one that is not running."""
    return {name: _state(name) for name in names()}


def _state(name: str) -> dict[str, Any]:
    try:
        actor = ray.get_actor(name, namespace=NAMESPACE)
        return dict(ray.get(actor.state.remote(), timeout=ANSWERS_WITHIN))
    except (RayError, ValueError, GetTimeoutError):
        return {}


def _worth(name: str, used: set[str]) -> tuple[bool, bool, bool]:
    """Order consumers by what is lost with them: those that wait for a node come first.

    Then come those on nodes that are not used any more, whatever they work on: they finish it.
    """
    state = _state(name)
    return bool(state), state.get("node") in used, bool(state.get("at"))


def stop(names: list[str], seconds: float = STOPS_WITHIN) -> None:
    """End consumers once they have finished what they have; those that take longer go on."""
    stopping = {}
    for name in names:
        try:
            actor = ray.get_actor(name, namespace=NAMESPACE)
            if not _state(name):  # it waits for a node
                ray.kill(actor, no_restart=True)
                continue
            stopping[actor.stop.remote(seconds)] = actor
        except (RayError, ValueError):
            continue  # it is gone, or whoever asks tries again
    if not stopping:
        return
    refs, longest = list(stopping), seconds + ANSWERS_WITHIN
    for one in ray.wait(refs, num_returns=len(refs), timeout=longest)[0]:
        if _has_ended(one):
            ray.kill(stopping[one], no_restart=True)


def _has_ended(stopped: Any) -> bool:
    try:
        return bool(ray.get(stopped))
    except RayError:
        return True  # it ended before it could say so


def main() -> None:
    """Run until SIGTERM; consumers stay."""
    settings, over = load_settings(), threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        over.set()

    signal.signal(signal.SIGTERM, stop)
    connect()
    keep(settings, os.environ.get("ENVIRONMENT_NAME", ""), over)


def keep(settings: Settings, environment: str, over: threading.Event, version: str = "") -> None:
    """Keep consumers, sweep and report until ``over`` is set; consumers stay.

    ``environment`` is the dimension of what is reported; empty: nothing is.
    """
    log = JsonLog("keeper")
    clients = Clients(settings.region)
    found, index = access(settings, clients), choose.index(settings, clients)
    keeper = Keeper(settings, Nodes(settings, found.queue.waiting, log), log, version)
    swept_at = 0.0
    reporter = Reporter(clients("cloudwatch"), found, environment)
    while not over.is_set():
        try:
            keeper.step()
            reporter.step(len(nodes_of(settings.group)))
            if time.monotonic() - swept_at >= settings.sweep_seconds:
                swept_at = time.monotonic()
                done = sweep(found, index, settings)
                log("swept", messages=done.messages, sets=done.sets)
        except (Unavailable, PipelineError, RayError) as error:
            log("waiting", reason=str(error))
        over.wait(EVERY)


if __name__ == "__main__":
    run(main)
