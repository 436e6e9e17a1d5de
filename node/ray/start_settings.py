"""How Ray is started on heads and workers: arguments and environment. Pure: no AWS.

Each setting was measured with Ray 2.60. None is secret, since other users can read argv and
environment.
"""

import json
from pathlib import Path

from node.contract import (
    DRIVER_RESOURCE,
    DRIVERS_PER_WORKER,
    GCS_PORT,
    INSTANCE_STORE,
    LAUNCHES_FILE,
    METRICS_PORT,
    PROMETHEUS_PORT,
    REDIS_PASSWORD_FILE,
    SPILL,
    TOKEN_FILE,
)
from node.identity import RUN, Identity

TOKEN = Path(TOKEN_FILE)
REDIS_PASSWORD = Path(REDIS_PASSWORD_FILE)
AUTOSCALER = RUN / "autoscaler.yaml"
LAUNCHES = Path(LAUNCHES_FILE)  # what could not be launched
LOG_BYTES = 32 * 1024 * 1024  # of each of Ray's logs, after which it is rotated
LOG_BACKUPS = 2
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # Debian, Ubuntu: update-ca-certificates(8)


def common_environment(identity: Identity) -> dict[str, str]:
    """Return what head and workers share.

    Autoscaler v2 matches nodes to instances by the first two; usage statistics would dial out.
    Without RAY_ROTATION_MAX_BYTES, Ray 2.60 never rotates what a worker prints
    (ray/_private/workers/default_worker.py), and other logs at 512 MiB, five times. What it never
    rotates, node/logs/limit.py bounds.
    """
    return {
        "RAY_CLOUD_INSTANCE_ID": identity.instance_id,
        "RAY_NODE_TYPE_NAME": identity.node_type,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(TOKEN),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ROTATION_MAX_BYTES": str(LOG_BYTES),
        "RAY_ROTATION_BACKUP_COUNT": str(LOG_BACKUPS),
        "AWS_DEFAULT_REGION": identity.region,
    }


def head_environment(identity: Identity) -> dict[str, str]:
    """Return what a head's Ray adds to its environment; v2 replaces dead workers, v1 never does.

    With Redis the GCS keeps its tables there, under the environment's name; redis_password.py
    passes the password. With TLS it trusts the machine's authorities; by default it trusts none.
    The dashboard shows graphs of a Grafana that reaches a Prometheus; DISABLED keeps it from
    looking for one (ray/dashboard/modules/metrics/metrics_head.py, Ray 2.60).
    """
    environment = {
        **common_environment(identity),
        "RAY_enable_autoscaler_v2": "1",
        "RAY_PROMETHEUS_HOST": f"http://127.0.0.1:{PROMETHEUS_PORT}",
        "RAY_GRAFANA_HOST": identity.grafana or "DISABLED",
    }
    if identity.grafana_in_browser:
        environment["RAY_GRAFANA_IFRAME_HOST"] = identity.grafana_in_browser
    if identity.redis:
        environment["RAY_REDIS_ADDRESS"] = identity.redis
        environment["RAY_external_storage_namespace"] = identity.environment
    if identity.redis.startswith("rediss://"):
        environment["RAY_REDIS_CA_CERT"] = AUTHORITIES
    return environment


def head_arguments(identity: Identity) -> list[str]:
    """Return ``ray``'s arguments: no tasks on the head, an explicit address, and no autoscaler,
    which the guard starts as another user.
    """
    return [
        "start",
        "--head",
        "--block",
        "--num-cpus=0",
        f"--node-ip-address={identity.address}",
        f"--port={GCS_PORT}",
        "--no-monitor",
        "--dashboard-host=0.0.0.0",
        f"--metrics-export-port={METRICS_PORT}",
        "--disable-usage-stats",
        "--log-color=false",
    ]


def worker_environment(identity: Identity) -> dict[str, str]:
    """Return what makes a raylet its own watchdog; measured with Ray 2.60 (docs on Ray).

    It checks every second whether its GCS still knows it (default 60 s), notices a silent one by
    keepalive within 8 s, and ends 20 s after the last answer. With stored state the next head
    knows it, so it waits for that one, and its tasks and actors go on.
    """
    return {
        **common_environment(identity),
        "RAY_raylet_liveness_self_check_interval_ms": "1000",
        "RAY_grpc_client_keepalive_time_ms": "5000",
        "RAY_grpc_client_keepalive_timeout_ms": "3000",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "600" if identity.redis else "20",
    }


def worker_arguments(identity: Identity) -> list[str]:
    """Return ``ray``'s arguments: the head by its name, which raylets resolve again.

    Every worker offers the resource that drivers of jobs take (dashboard_agent.py). Ray finds CPUs
    and memory of a node itself. Its group gives GPUs, resources and labels: those that the
    autoscaler counts on, also where Ray would not find a GPU or not know its name.

    A node's sessions are in its own temporary directory, not the head's, and where neither names a
    directory to spill objects to, it is the session's (ray/_private/node.py, Ray 2.60): one option
    moves both to the instance store. Ray lets everyone write to its temporary directory
    (try_to_create_directory, ray/_common/utils.py), so it is one below the mount, where only the
    user ray can go.
    """
    resources = json.loads(identity.resources or "{}") | {DRIVER_RESOURCE: DRIVERS_PER_WORKER}
    group = {
        "--num-gpus": identity.gpus,
        "--resources": json.dumps(resources),
        "--labels": identity.labels,
        "--object-store-memory": identity.object_store_bytes,
        "--temp-dir": f"{INSTANCE_STORE}/ray" if identity.instance_store == SPILL else "",
    }
    return [
        "start",
        "--block",
        f"--address={identity.head_name}:{GCS_PORT}",
        f"--node-ip-address={identity.address}",
        f"--metrics-export-port={METRICS_PORT}",
        "--disable-usage-stats",
        "--log-color=false",
        *(f"{option}={value}" for option, value in group.items() if value),
    ]
