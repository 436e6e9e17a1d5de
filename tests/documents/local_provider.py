"""Workers for Ray's autoscaler on this machine: each a process of ``ray start``. No AWS.

What the autoscaler calls of a provider is in ray/autoscaler/node_provider.py (Ray 2.60); here it
runs in the monitor's process, below the head.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

from ray.autoscaler.node_provider import NodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_HEAD,
    TAG_RAY_NODE_KIND,
    TAG_RAY_USER_NODE_TYPE,
)

from tests.documents.ray_cluster import worker_command

HEAD = "head"


class LocalProvider(NodeProvider):  # type: ignore[misc] # Ray has no types
    """Starts and ends nodes; their ids are ``node-1`` and so on."""

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        super().__init__(provider_config, cluster_name)
        head = {TAG_RAY_NODE_KIND: NODE_KIND_HEAD, TAG_RAY_USER_NODE_TYPE: HEAD}
        self._tags = {HEAD: head}
        self._processes = dict[str, subprocess.Popen[bytes]]()

    def non_terminated_nodes(self, tag_filters: dict[str, str]) -> list[str]:
        for name, process in self._processes.items():
            if process.poll() is not None:  # Ray gives up where it takes longer than 30 s to start
                self._tags.pop(name, None)
        return [name for name, tags in self._tags.items() if tag_filters.items() <= tags.items()]

    def is_running(self, node_id: str) -> bool:
        return node_id in self._tags

    def is_terminated(self, node_id: str) -> bool:
        return node_id not in self._tags

    def node_tags(self, node_id: str) -> dict[str, str]:
        return self._tags[node_id]

    def internal_ip(self, node_id: str) -> str:
        return node_id

    external_ip = internal_ip

    def create_node_with_resources_and_labels(
        self,
        node_config: dict[str, Any],
        tags: dict[str, str],
        count: int,
        resources: dict[str, float],
        labels: dict[str, str],
    ) -> dict[str, Any]:
        for _ in range(count):
            self._create(f"node-{len(self._processes) + 1}", tags, resources)
        return {}

    def _create(self, name: str, tags: dict[str, str], resources: dict[str, float]) -> None:
        config, kind = self.provider_config, tags[TAG_RAY_USER_NODE_TYPE]
        told = {"RAY_NODE_TYPE_NAME": kind, "RAY_CLOUD_INSTANCE_ID": name}
        with (Path(config["folder"]) / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                worker_command(config["address"], int(resources["CPU"]), config["folder"]),
                env={**os.environ, **told},
                stdout=log,
                stderr=log,
            )
        self._tags[name] = tags

    def terminate_node(self, node_id: str) -> None:
        self._tags.pop(node_id, None)
        self._processes[node_id].terminate()
