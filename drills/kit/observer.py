"""Observe a cluster from outside: its lease, Ray's nodes, and a client's jobs. Reads AWS."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError
from deploy.cluster.ray_api import RayApi
from deploy.cluster.state import find_lease
from drills.kit.client import JobClient, Repeater
from drills.kit.phases import LeaseReading, NodesReading, Observations

LEASE_EVERY, NODES_EVERY = 0.2, 0.5  # seconds between two readings: the error of a phase


class Observer:
    """Collects readings; a reading that fails is left out."""

    def __init__(self, clients: Clients, environment: Environment, api: RayApi) -> None:
        self._clients, self._environment, self._api = clients, environment, api
        self.observations = Observations()

    @contextmanager
    def observing(self, job_every: float) -> Iterator["Observer"]:
        """Observe until the end of the block; the client submits every ``job_every`` seconds."""
        client = JobClient(self._api, job_every, self.observations.attempts)
        with (
            Repeater(self._read_lease, LEASE_EVERY),
            Repeater(self._read_nodes, NODES_EVERY),
            client,
        ):
            yield self

    def _read_lease(self) -> None:
        try:
            found = find_lease(self._clients, self._environment)
        except PipelineError:
            return
        if found:
            self.observations.leases.append(
                LeaseReading(time.time(), found.holder, found.address, found.epoch, found.released)
            )

    def _read_nodes(self) -> None:
        try:
            nodes = self._api.nodes()
        except PipelineError:
            return
        self.observations.nodes.append(
            NodesReading(
                time.time(),
                frozenset(node.address for node in nodes if node.leads),
                frozenset(node.id for node in nodes if node.works),
            )
        )
