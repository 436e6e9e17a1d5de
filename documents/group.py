"""The pipeline on a group of a cluster: ``python -m documents.group``, on each of its instances.

An instance of the group is there before the pipeline is deployed, and outlives its head. So this
program, one on each, waits for the settings, connects to the cluster that the instance has joined,
and makes sure that a keeper exists: a detached actor, of which Ray allows one. The keeper deploys
the answers and keeps consumers (consumer.py). Ray restarts it for as long as the cluster knows it;
where the next head does not, this program makes it again. It ends when the instance is no part of
the cluster any more, and systemd starts it again.
"""

import os
import signal
import threading
from types import FrameType

import ray
from botocore.exceptions import BotoCoreError, ClientError
from ray import serve
from ray.exceptions import RayError

from common.clients import Clients
from common.errors import PipelineError, Refused
from documents.consumer import keep, names, stop
from documents.entry import NAMESPACE, connect, selector
from documents.errors import Unavailable
from documents.log import JsonLog
from documents.program import run
from documents.reporting import report_failure
from documents.serve import NAME, deploy
from documents.settings import load_settings
from documents.stored_settings import PARAMETER, REGION, StoredSettings, completed, read_stored

KEEPER = "keeper-"
EVERY = 5.0  # seconds between two looks
FINISHES_WITHIN = 90.0  # a consumer, what it has, before a pause
ENVIRONMENT, INSTANCE = "RAYKILN_ENVIRONMENT", "RAY_CLOUD_INSTANCE_ID"
# What actors on other instances must be told; their nodes have the rest.
HANDED_ON = (PARAMETER, "PYTHONPATH")

log = JsonLog("group")


class Keeper:
    """The actor that sees to answers and consumers, by one version of the settings."""

    def __init__(self, version: int) -> None:
        self._version = version
        threading.Thread(target=self._run, daemon=True).start()

    def version(self) -> int:
        """Return the version, which says that it lives."""
        return self._version

    def _run(self) -> None:
        try:
            newest = max(keepers(), default=self._version)
            for version in keepers():
                if version < newest:
                    _remove(version)  # itself, where it came too late
            environ = completed(os.environ)
            settings = load_settings(environ)
            name = f"{NAME}-{self._version}"
            if not _serves_only(name):
                deploy(settings, name=name)
            keep(settings, environ["ENVIRONMENT_NAME"], threading.Event(), f"v{self._version}")
        except BaseException as error:
            # Ray restarts an actor whose process ends, not one whose thread does.
            JsonLog("keeper")("failed", error=f"{type(error).__name__}: {error}")
            _report()
            os._exit(1)


def _report() -> None:
    """Report that a keeper has failed, whether CloudWatch knows or not."""
    try:
        cloudwatch = Clients(os.environ[REGION])("cloudwatch")
        report_failure(cloudwatch, os.environ[ENVIRONMENT])
    except Unavailable as error:
        log("not reported", reason=str(error))


def keepers() -> list[int]:
    """Return the versions of all keepers."""
    listed = ray.util.list_named_actors(all_namespaces=True)
    return sorted(
        int(one["name"].removeprefix(KEEPER))
        for one in listed
        if one["namespace"] == NAMESPACE and one["name"].startswith(KEEPER)
    )


def start(stored: StoredSettings) -> None:
    """Have a keeper of these settings, unless there is one, or one of newer settings."""
    if any(version >= stored.version for version in keepers()):
        return
    log("starting", keeper=stored.version)
    ray.remote(Keeper).options(
        name=f"{KEEPER}{stored.version}",
        namespace=NAMESPACE,
        lifetime="detached",
        max_restarts=-1,
        max_concurrency=2,
        get_if_exists=True,
        num_cpus=0,
        label_selector=selector(stored.group),
    ).remote(stored.version)


def stop_all() -> None:
    """Remove keepers, answers and consumers; these finish what they have."""
    for version in keepers():
        log("stopping", keeper=version)
        _remove(version)
    for name in _applications():
        serve.delete(name)
    if there := names():
        stop(there, FINISHES_WITHIN)


def _remove(version: int) -> None:
    try:
        ray.kill(ray.get_actor(f"{KEEPER}{version}", namespace=NAMESPACE), no_restart=True)
    except (RayError, ValueError):
        return  # another instance has removed it


def _applications() -> list[str]:
    """Return the applications of Ray Serve that are the pipeline's."""
    return [name for name in serve.status().applications if name.startswith(f"{NAME}-")]


def _serves_only(name: str) -> bool:
    """Say whether this application is there; delete those of other settings, whose route it has."""
    there = _applications()
    for other in there:
        if other != name:
            serve.delete(other)
    return name in there


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
    log("waiting", parameter=parameter)
    while not _is_deployed(clients, parameter):
        if over.wait(EVERY):
            return
    connect(variables={key: environ[key] for key in HANDED_ON if key in environ})
    log("joined")
    instance = Instance(clients, environ[INSTANCE], parameter)
    while not over.is_set():
        try:
            instance.step()
        except Unavailable as error:
            log("waiting", reason=str(error))
        over.wait(EVERY)
    instance.leave()


def _is_deployed(clients: Clients, parameter: str) -> bool:
    try:
        return read_stored(clients, parameter) is not None
    except Unavailable:
        return False


if __name__ == "__main__":
    run(main)
