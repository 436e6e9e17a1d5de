"""The pipeline in a group of a cluster: a keeper, which deploys the answers and keeps consumers.

The keeper is a detached actor, of which Ray allows one by its name, and which it restarts for as
long as the cluster knows it. Its name has the version of the settings: a keeper of newer ones
removes older ones with all that is theirs, and one that comes too late removes itself. This module
is imported, not run, so that a restarted actor runs the code of its new node.
"""

import os
import threading

import ray
from ray import serve
from ray.exceptions import RayError

from common.clients import Clients
from documents.consumer import keep, names, stop
from documents.entry import NAMESPACE, selector
from documents.errors import Unavailable
from documents.log import JsonLog
from documents.reporting import report_failure
from documents.serve import NAME, deploy
from documents.settings import load_settings
from documents.stored_settings import REGION, StoredSettings, completed

KEEPER = "keeper-"
FINISHES_WITHIN = 90.0  # a consumer, what it has, before a pause
ENVIRONMENT = "RAYKILN_ENVIRONMENT"

log = JsonLog("group")


class Keeper:
    """The actor that sees to answers and consumers, by one version of the settings."""

    def __init__(self, version: int) -> None:
        self._version = version
        threading.Thread(target=self._run, daemon=True).start()

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
