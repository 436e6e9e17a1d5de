"""Ray's autoscaler, as the guard's child: ``python -m node.ray.autoscaler ADDRESS``.

Ray starts it below ``ray start``, as the user of every job; here it runs as another user, since it
needs the head's role. Waits for the GCS, imports Ray only then, and becomes the autoscaler. Reads
the metadata service and changes AWS (EC2), by provider.py.
"""

import os
import runpy
import sys
import time
from pathlib import Path

from node.contract import GCS_PORT
from node.ray.gcs import NotAdmitted, Unreachable
from node.ray.grpc_gcs import GrpcGcs
from node.ray.processes import die_with_parent
from node.ray.start_settings import AUTOSCALER, TOKEN

SCRIPT = "autoscaler/v2/monitor.py"
# Those of Ray's running session, so that drivers and the dashboard see what it says.
LOGS = "/tmp/ray/session_latest/logs"  # noqa: S108 (Ray's own place)
PAUSE = 0.5  # seconds between looks at the GCS
# A refused launch is not repeated with the same type, beyond once in each subnet: the provider has
# others (ray/autoscaler/_private/aws/node_provider.py, Ray 2.60: five times by default).
# Its client to AWS asks the metadata service for credentials once, for a second, and then never
# again (botocore's configuration, metadata_service_num_attempts).
SETTINGS = {"BOTO_CREATE_MAX_RETRIES": "1", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "10"}


def arguments(address: str) -> list[str]:
    """Return what Ray starts its autoscaler with (start_monitor, ray/_private/services.py)."""
    return [
        f"--logs-dir={LOGS}",
        f"--gcs-address={address}:{GCS_PORT}",
        f"--stdout-filepath={LOGS}/monitor.out",
        f"--stderr-filepath={LOGS}/monitor.err",
        f"--autoscaling-config={AUTOSCALER}",
        f"--monitor-ip={address}",
    ]


def is_up(gcs: GrpcGcs, address: str) -> bool:
    """Say whether this head's own raylet is alive in the GCS."""
    try:
        return any(node.address == address for node in gcs.alive_nodes())
    except (Unreachable, NotAdmitted, ValueError):
        return False


def number_states_from(version: int) -> None:
    """Have Ray give its first state a higher number than this.

    Each process begins at 0 (InMemoryStorage), and the GCS discards a state with a lower number
    than the last it got (HandleReportAutoscalingState, gcs_autoscaler_state_manager.cc of Ray
    2.60): the rounds of an autoscaler that was started again would not show.
    """
    from ray.autoscaler.v2.instance_manager.storage import InMemoryStorage

    begin = InMemoryStorage.__init__

    def __init__(self: InMemoryStorage) -> None:  # noqa: N807
        begin(self)
        self._version = version

    InMemoryStorage.__init__ = __init__


def main() -> None:
    """Become the autoscaler once there is a GCS; raises Unreachable when that is gone again."""
    die_with_parent()
    address = sys.argv[1]
    gcs = GrpcGcs(address, TOKEN)
    while not is_up(gcs, address):
        time.sleep(PAUSE)
    version = gcs.autoscaler_state_version()
    gcs.close()
    os.environ.update(SETTINGS)
    import ray

    number_states_from(version)
    sys.argv = [str(Path(str(ray.__file__)).parent / SCRIPT), *arguments(address)]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
