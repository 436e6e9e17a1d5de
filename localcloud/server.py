"""The local cloud's one process: moto, the machines, the metadata service and the resolver.

Started inside the VPC's namespace by control.py (``python -m localcloud.server``); serves AWS's
API. It logs to standard error, and writes a file once it is ready.
"""

import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from common.waiting import SystemClock
from localcloud import behaviour, outages, patches, quick, world
from localcloud.account import ACCOUNT, SECOND_ACCOUNT
from localcloud.base_image import base_images
from localcloud.certificates import certificates
from localcloud.images import Images
from localcloud.machine import Machines
from localcloud.metadata import Metadata
from localcloud.metadata import serve as serve_metadata
from localcloud.network import API, METADATA, REGISTRY, SESSIONS, TASKS, Network
from localcloud.paths import Paths, paths
from localcloud.resolver import Resolver, public_resolver

STEP_SECONDS = 0.2
SLOW_STEP_SECONDS = 1.0
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}

log = logging.getLogger("localcloud")

_complaints: set[str] = set()


def main() -> None:
    """Serve until a signal to stop."""
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", level=logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    place = paths()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    serve(place, stopping)


def serve(place: Paths, stopping: threading.Event) -> None:
    """Build the world, start its servers, and step it until ``stopping``."""
    behaviour.install(behaviour.parse(os.environ.get(behaviour.VARIABLE, "")))
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
    from localcloud.containers import front
    from localcloud.containers.agent import Agent
    from localcloud.containers.endpoint import Endpoint, serve_endpoint
    from localcloud.containers.registry import LISTENS, Registry
    from localcloud.data_channels import PORT, DataChannels
    from localcloud.patches import (
        clocks,
        ecs,
        iam,
        internal,
        interruptions,
        machine_images,
        s3_events,
        shortages,
        web_identity,
    )
    from localcloud.patches.autoscaling import lateness
    from localcloud.security_groups import SecurityGroups
    from localcloud.stores import Stores

    patches.install(here)
    quick.install()
    found = certificates(place.certificates)
    for base in base_images(place.base_images, found.ca, log.info):
        images.add_base(base.ami_id, base.root)
        machine_images.seed(base)
    operators = {
        name: iam.make_user("operator", EVERYTHING, account)
        for name, account in (("default", ACCOUNT), (SECOND_ACCOUNT, SECOND_ACCOUNT))
    }
    write_credentials(place.credentials, operators)
    iam.enforce()
    iam.record.follow(place.decisions)
    shortages.follow(place.shortages)
    interruptions.follow(place.interruptions)
    interruptions.follow_recommendations(place.recommendations)
    clocks.follow(place.clocks)
    lateness.follow(place.late_groups)
    ecs.spot.follow(place.task_interruptions)
    s3_events.follow(place.s3_events)
    outages.follow(place.outages)
    web_identity.follow(place.issuers)
    resolver = Resolver(place.run / "resolver")
    resolver.start()
    outside = public_resolver(place.run / "public-resolver")
    outside.start()
    here.reconcilers.append(SecurityGroups(network).reconcile)
    here.reconcilers.append(Balancers(network, place.run / "balancers").reconcile)
    here.reconcilers.append(Stores(network, place.run / "stores", found).reconcile)
    here.reconcilers.append(resolver.reconcile)
    here.reconcilers.append(outside.reconcile)
    here.reconcilers.append(Registry(place.run / "registry").reconcile)
    here.reconcilers.append(Agent(here, place, network).reconcile)
    step(here)
    threading.Thread(target=internal.prepare, daemon=True).start()
    _in_background(serve_metadata(Metadata(here), METADATA))
    _in_background(serve_endpoint(Endpoint(here), TASKS))
    _in_background(front.serve(here, REGISTRY, LISTENS, found))
    _in_background(DataChannels(here, (SESSIONS, PORT), found.server, found.server_key))
    _in_background(ApiServer(here, API, found.server, found.server_key))


def _in_background(server: Any) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


def step(here: world.World) -> None:
    """Take one step; a reconciler that fails is logged, and stops nothing else."""
    begun = time.monotonic()
    for reconcile in here.reconcilers:
        try:
            with here.lock:
                reconcile(here.clock.now())
        except Exception as error:
            _complain(getattr(reconcile, "__qualname__", str(reconcile)), error)
    taken = time.monotonic() - begun
    if taken > SLOW_STEP_SECONDS:
        log.warning("a step took %.1f s", taken)


def _complain(part: str, error: Exception) -> None:
    """Log a failure with its traceback, but only once: it recurs five times a second."""
    message = f"{part} failed: {error!r}"
    if message not in _complaints:
        _complaints.add(message)
        log.error(message, exc_info=error)


def write_credentials(path: Path, keys: dict[str, dict[str, str]]) -> None:
    """Write a shared credentials file, with keys by profile, that only its owner can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(
        "".join(
            f"[{profile}]\n" + "".join(f"{name} = {value}\n" for name, value in key.items())
            for profile, key in keys.items()
        )
    )


if __name__ == "__main__":
    main()
