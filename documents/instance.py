"""Keep the pipeline up: ``python -m documents.instance``, on each instance of a cluster's group.

An instance is there before the pipeline is deployed, and outlives its head. So this program waits
for the settings, connects to the cluster that the instance has joined, takes its place in the
answers' target group, and makes sure that there is a keeper (group.py), again where the next head
does not know the last one. It ends when the instance is no part of the cluster any more, and
systemd starts it again.
"""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType

import ray
from botocore.exceptions import BotoCoreError, ClientError
from ray.exceptions import RayError

from common.clients import Clients
from common.errors import PipelineError, Refused
from documents.entry import connect
from documents.errors import Unavailable
from documents.group import ENVIRONMENT, start, stop_all
from documents.log import JsonLog
from documents.program import run
from documents.stored_settings import EVERY, PARAMETER, REGION, await_stored, read_stored

INSTANCE = "RAY_CLOUD_INSTANCE_ID"
# What the processes of actors are told: the rest is in the parameter.
HANDED_ON = (PARAMETER, REGION, ENVIRONMENT, "PYTHONPATH")

log = JsonLog("instance")


class Instance:
    """This instance: its place in the answers' target group, and the keeper that it sees to."""

    def __init__(self, clients: Clients, instance_id: str, parameter: str) -> None:
        self._clients, self._id, self._parameter = clients, instance_id, parameter
        self._registered = ""

    def step(self) -> None:
        """Do what the settings say; raises Unavailable, and RayError when the cluster is lost."""
        stored = read_stored(self._clients, self._parameter)
        if not _is_joined():
            raise PipelineError(
                "this instance is no part of its cluster any more", hint="it joins the next head"
            )
        if stored is None or stored.paused:
            stop_all()
            return
        self._register(stored.target_group)
        start(stored)

    def leave(self) -> None:
        """Take no questions any more."""
        with suppress(Unavailable):  # its health check fails, then
            if self._registered:
                self._targets("deregister_targets", self._registered)

    def _register(self, target_group: str) -> None:
        if target_group != self._registered:
            self._targets("register_targets", target_group)
            self._registered = target_group

    def _targets(self, call: str, target_group: str) -> None:
        try:
            getattr(self._clients("elbv2"), call)(
                TargetGroupArn=target_group, Targets=[{"Id": self._id}]
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"Elastic Load Balancing: {error}") from error


def _is_joined() -> bool:
    """Say whether the head knows this node as alive."""
    here = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == here and node["Alive"] for node in ray.nodes())


def main() -> None:
    """Run until SIGTERM, or until the cluster is lost."""
    environ = os.environ
    if missing := [key for key in (ENVIRONMENT, INSTANCE, REGION) if not environ.get(key)]:
        raise Refused(
            f"there is no {', '.join(missing)}", hint="run this in the unit documents.service"
        )
    over = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        over.set()

    signal.signal(signal.SIGTERM, end)
    parameter = f"/ray-documents-{environ[ENVIRONMENT]}/settings"
    os.environ[PARAMETER] = parameter
    clients = Clients(environ[REGION])
    if not await_stored(clients, parameter, over, log):
        return
    connect(variables={key: environ[key] for key in HANDED_ON if key in environ})
    log("joined")
    look_after(Instance(clients, environ[INSTANCE], parameter), over)


def look_after(instance: Instance, over: threading.Event) -> None:
    """Do what the settings say until ``over`` is set; raises PipelineError when Ray is lost."""
    last = ""
    while not over.is_set():
        reason = ""
        try:
            instance.step()
        except Unavailable as error:
            reason = str(error)
        except RayError as error:
            raise PipelineError(f"Ray is lost: {error}", hint="it joins the next head") from error
        if reason and reason != last:
            log("waiting", reason=reason)
        last = reason
        over.wait(EVERY)
    instance.leave()


if __name__ == "__main__":
    run(main)
