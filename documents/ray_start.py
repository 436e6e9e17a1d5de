"""How Ray is started in a task: its ports, its environment, its arguments. Pure: starts nothing."""

from collections.abc import Mapping

from common.errors import Refused
from documents.health import DASHBOARD, GCS_PORT, RAYLET
from documents.task import Task

# All that other nodes connect to, for the rules of a security group.
PORTS = {
    "--node-manager-port": 6380,
    "--object-manager-port": 6381,
    "--runtime-env-agent-port": 6382,
    "--dashboard-agent-grpc-port": 6383,
    "--metrics-export-port": 6384,
    "--dashboard-agent-listen-port": RAYLET,
    "--min-worker-port": 10002,
    "--max-worker-port": 10999,
}
OBJECT_STORE = 0.1  # of the task's memory: no documents pass through it, and consumers need theirs
LEAST_OBJECT_STORE = 80_000_000  # Ray takes no less (ray_constants.py, 2.60)
# A raylet looks every second whether its head still knows it, and ends 20 s after it last heard of
# one; by default that takes a minute (node/ray/start_settings.py has the figures).
WATCHFUL = {
    "RAY_raylet_liveness_self_check_interval_ms": "1000",
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "3000",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
}


def ray_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what Ray is told by its environment; raises Refused without the cluster's token."""
    if not environ.get("RAY_AUTH_TOKEN"):
        raise Refused("there is no RAY_AUTH_TOKEN", hint="let the task definition name its secret")
    return {
        **WATCHFUL,
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_LOG_TO_STDERR": "1",
        # Ray would drain the node once more, for as long as a consumer is on it.
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        "RAY_BACKEND_LOG_LEVEL": "warning",
    }


def ray_arguments(task: Task, role: str, head_name: str) -> list[str]:
    """Return ``ray``'s arguments: no consumers on the head, and a size that is the task's."""
    store = max(LEAST_OBJECT_STORE, int(task.memory * OBJECT_STORE))
    place = (
        [
            *("--head", f"--port={GCS_PORT}", "--num-cpus=0"),
            *("--dashboard-host=0.0.0.0", f"--dashboard-port={DASHBOARD}"),
        ]
        if role == "head"
        else [f"--address={head_name}:{GCS_PORT}", f"--num-cpus={task.cpus}"]
    )
    return [
        *("ray", "start", "--block", "--disable-usage-stats", "--log-color=false"),
        *(*place, f"--node-ip-address={task.address}"),
        *(f"--memory={task.memory - store}", f"--object-store-memory={store}"),
        *(f"{option}={port}" for option, port in PORTS.items()),
    ]
