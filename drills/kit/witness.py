"""Look at a cluster from outside all along: its lease, Ray's nodes, a client's jobs. Reads AWS."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError
from deploy.cluster.ray_api import RayApi
from deploy.cluster.state import find_lease
from drills.kit.client import Client, Repeated
from drills.kit.phases import LeaseLook, NodesLook, Seen

LEASE_EVERY, NODES_EVERY = 0.2, 0.5  # seconds: the width of a phase's error


class Witness:
    """Keeps what it sees; what it cannot see it leaves out."""

    def __init__(self, clients: Clients, environment: Environment, api: RayApi) -> None:
        self._clients, self._environment, self._api = clients, environment, api
        self.seen = Seen()

    @contextmanager
    def watching(self, job_every: float) -> Iterator["Witness"]:
        """Look until the end of the block."""
        client = Client(self._api, job_every, self.seen.samples)
        with (
            Repeated(self._look_at_lease, LEASE_EVERY),
            Repeated(self._look_at_nodes, NODES_EVERY),
            client,
        ):
            yield self

    def _look_at_lease(self) -> None:
        try:
            found = find_lease(self._clients, self._environment)
        except PipelineError:
            return
        if found:
            look = LeaseLook(time.time(), found.holder, found.address, found.epoch, found.released)
            self.seen.leases.append(look)

    def _look_at_nodes(self) -> None:
        try:
            nodes = self._api.nodes()
        except PipelineError:
            return
        self.seen.nodes.append(
            NodesLook(
                time.time(),
                frozenset(node.address for node in nodes if node.leads),
                frozenset(node.id for node in nodes if node.works),
            )
        )
