"""What the programs beside a head do first: connect to Ray."""

import time

import ray
from ray.exceptions import RayError

from common.errors import PipelineError

NAMESPACE = "documents"
CONNECTS_WITHIN = 180.0
PAUSE = 2.0


def connect(seconds: float = CONNECTS_WITHIN) -> None:
    """Connect to the cluster that RAY_ADDRESS names, or to that of this machine.

    Ray's port answers some seconds before a driver can join. Raises PipelineError when none could.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            ray.init(address="auto", namespace=NAMESPACE, log_to_driver=False)
            return
        except (RayError, RuntimeError, OSError) as error:
            if time.monotonic() > deadline:
                raise PipelineError(
                    f"Ray could not be joined within {seconds:.0f} s: {error}",
                    hint="is the head running, and RAY_ADDRESS its address?",
                ) from error
            ray.shutdown()
            time.sleep(PAUSE)
