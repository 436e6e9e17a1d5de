"""The local cloud's one process: moto, the machines, the metadata service and the resolver.

Started inside the VPC's namespace by control.py (``python -m localcloud.server``); answers AWS's API. It
writes its log to its own output, and a file once it is ready.
"""

import logging
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from deploy.waiting import SystemClock
from localcloud import patches, world
from localcloud.account import ACCOUNT, REGION
from localcloud.base_image import base_image
from localcloud.certificates import certificates
from localcloud.images import Images
from localcloud.machine import Machines
from localcloud.metadata import Metadata
from localcloud.metadata import serve as serve_metadata
from localcloud.network import API, METADATA, Network
from localcloud.paths import Paths, paths
from localcloud.resolver import Resolver

STEP_SECONDS = 0.2
SLOW_STEP_SECONDS = 1.0
OPERATOR = "operator"

log = logging.getLogger("localcloud")


def main() -> None:
    """Serve until told to stop."""
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", level=logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    place = paths()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    serve(place, stopping)


def serve(place: Paths, stopping: threading.Event) -> None:
    """Build the world, open its doors, and step it until ``stopping``."""
    network = Network(place.name)
    images = Images(place.images, place.machines)
    here = world.World(SystemClock(), Machines(place, network, images))
    world.install(here)
    _open(here, place, images, network)
    place.ready_file.write_text(f"{time.time()}\n")
    log.info("ready")
    while not stopping.wait(STEP_SECONDS):
        step(here)
    log.info("stopping")


def _open(here: world.World, place: Paths, images: Images, network: Network) -> None:
    from localcloud.api import ApiServer
    from localcloud.balancer import Balancers
    from localcloud.patches import machine_images
    from localcloud.security_groups import SecurityGroups

    patches.install(here)
    found = certificates(place.certificates)
    base = base_image(place.base_images, found.ca, log.info)
    images.add_base(base.ami_id, base.root)
    machine_images.seed(base)
    write_credentials(place.credentials, *operator_key())
    resolver = Resolver(place.run / "resolver")
    resolver.start()
    here.reconcilers.append(SecurityGroups(network).reconcile)
    here.reconcilers.append(Balancers(network, place.run / "balancers").reconcile)
    here.reconcilers.append(resolver.reconcile)
    here.step()
    _in_background(serve_metadata(Metadata(here), METADATA))
    _in_background(ApiServer(here, API, found.server, found.server_key))


def _in_background(server: Any) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


def step(here: world.World) -> None:
    """Take one step; a part that fails is logged and met again at the next step."""
    begun = time.monotonic()
    try:
        here.step()
    except Exception:
        log.exception("a step failed")
    taken = time.monotonic() - begun
    if taken > SLOW_STEP_SECONDS:
        log.warning("a step took %.1f s", taken)


def operator_key() -> tuple[str, str]:
    """Make the operator's IAM user, who may do everything, and return an access key of it."""
    from moto.iam.models import iam_backends

    iam = iam_backends[ACCOUNT]["aws"]
    everything = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    iam.create_user(REGION, OPERATOR)
    iam.put_user_policy(OPERATOR, "everything", everything)
    key = iam.create_access_key(OPERATOR)
    key.secret_access_key = secrets.token_urlsafe(30)
    return key.access_key_id, key.secret_access_key


def write_credentials(path: Path, key_id: str, secret: str) -> None:
    """Write a shared credentials file that its owner alone can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n")


if __name__ == "__main__":
    sys.exit(main())
