"""How programs connect to Ray, and which of its nodes they use."""

import time
from typing import Any

import ray
from ray.exceptions import RayError

from common.errors import PipelineError

NAMESPACE = "documents"
CONNECTS_WITHIN = 180.0
PAUSE = 2.0
GROUP = "ray.io/node-group"  # a label of each node (resource_and_label_spec.py, Ray 2.60)


def connect(seconds: float = CONNECTS_WITHIN, variables: dict[str, str] | None = None) -> None:
    """Connect to the cluster that RAY_ADDRESS names, or to that of this machine.

    ``variables`` are for the environment of every actor that is started from here. Ray's port
    answers some seconds before a driver can join. Raises PipelineError when none could.
    """
    given: dict[str, Any] = {"runtime_env": {"env_vars": variables}} if variables else {}
    deadline = time.monotonic() + seconds
    while True:
        try:
            ray.init(address="auto", namespace=NAMESPACE, log_to_driver=False, **given)
            return
        except (RayError, RuntimeError, OSError) as error:
            if time.monotonic() > deadline:
                raise PipelineError(
                    f"Ray could not be joined within {seconds:.0f} s: {error}",
                    hint="is the head running, and RAY_ADDRESS its address?",
                ) from error
            ray.shutdown()
            time.sleep(PAUSE)


def selector(group: str) -> dict[str, str]:
    """Return the labels of the nodes that may be used; of all, where there is no group."""
    return {GROUP: group} if group else {}


def nodes_of(group: str) -> list[dict[str, Any]]:
    """Return the nodes that are alive, have CPUs and may be used."""
    return [
        node
        for node in ray.nodes()
        if node["Alive"]
        and node["Resources"].get("CPU", 0) > 0
        and selector(group).items() <= node["Labels"].items()
    ]
