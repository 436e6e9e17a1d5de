"""The configuration of Prometheus on a head. ``python -m node.ray.prometheus`` before
ray-prometheus.service starts it; writes into that unit's own folder. No AWS.

Prometheus finds the nodes in a file that Ray on the leader keeps up to date
(PrometheusServiceDiscoveryWriter, ray/_private/metrics_agent.py, Ray 2.60). On a standby there is
none, so its Prometheus has nothing to do until it leads.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from node.contract import SIGNER_PORT
from node.identity import Identity, write_whole

DISCOVERY = "/tmp/ray/prom_metrics_service_discovery.json"  # noqa: S108 (Ray's, not ours)
CONFIG = "prometheus.yml"
EVERY = "15s"
# Of one node in one look. More would be a job that makes metrics without end; they are refused.
SAMPLES, BYTES = 50_000, "16MB"


def configuration(identity: Identity) -> dict[str, Any]:
    """Return the configuration.

    https://prometheus.io/docs/prometheus/2.42/configuration/configuration/
    """
    ray = {
        "job_name": "ray",
        "file_sd_configs": [{"files": [DISCOVERY], "refresh_interval": EVERY}],
        "sample_limit": SAMPLES,
        "body_size_limit": BYTES,
    }
    found: dict[str, Any] = {
        "global": {
            "scrape_interval": EVERY,
            "scrape_timeout": "10s",
            "external_labels": {"environment": identity.environment},
        },
        "scrape_configs": [ray],
    }
    if identity.remote_write:
        found["remote_write"] = [_remote_write(identity.remote_write)]
    return found


def _remote_write(url: str) -> dict[str, Any]:
    """Return how metrics are sent to a workspace: through the signer (remote_write.py).

    Few samples wait in memory; those that cannot be sent for two hours are lost. What AWS throttles
    is sent again: docs.aws.amazon.com/prometheus/latest/userguide/AMP-troubleshooting.html
    """
    return {
        "url": f"http://127.0.0.1:{SIGNER_PORT}{urlsplit(url).path}",
        "queue_config": {
            "max_samples_per_send": 1000,
            "max_shards": 1,  # the signer takes one request at a time
            "capacity": 2500,
            "retry_on_http_429": True,
        },
    }


def main() -> int:
    """Write the configuration; JSON is YAML too."""
    folder = Path(os.environ["RUNTIME_DIRECTORY"])
    text = json.dumps(configuration(Identity.read()), indent=2)
    write_whole(folder / CONFIG, text + "\n", 0o644)
    return 0


if __name__ == "__main__":
    sys.exit(main())
