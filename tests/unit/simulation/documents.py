"""A pipeline on a group of a simulated cluster, and the commands an operator has for it.

The application is not simulated but for what commands see of it: it runs for as long as the
settings say so, and a consumer first finishes what it has (documents/instance.py).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from boto3.s3 import inject
from boto3.s3.transfer import TransferConfig
from moto.ssm.models import ssm_backends

from common.clients import Clients
from common.environment import Environment
from common.progress import Progress, Say
from common.waiting import Clock
from deploy.cluster.ray_access import cluster_token
from deploy.cluster.ray_api import Actor
from deploy.documents import in_use, on_cluster
from deploy.documents.deploy import Deployment
from deploy.documents.destroy import EXPORT, Destruction
from deploy.documents.image import GivenImage
from deploy.documents.pause import change_pause
from deploy.documents.pipeline import Pipeline
from deploy.foundation.stack import find_foundation, find_stack
from localcloud.account import ACCOUNT, REGION
from tests.simulation.cloud import Cloud
from tests.simulation.node_aws import client
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.calls import Call
from tests.unit.simulation.conftest import Cluster
from tests.unit.simulation.ray_dashboard import FakeRayApi
from tests.unit.simulation.test_faults import QUICK, SETTLES
from tests.unit.simulation.watch import Watch

LOOKS_EVERY = 5.0  # seconds; see documents/instance.py
FINISHES = 12.0  # what a consumer has, before a pause
NAME = "docs"
STACK = f"ray-documents-{NAME}"
BUCKET = f"{STACK}-{ACCOUNT}-{REGION}"
SETTINGS = f"/{STACK}/settings"
LOSES = ("DeleteObjects", "DeleteStack", "DeleteTable")


def documents_environment(most: int = 2, **documents: Any) -> Environment:
    """Return the environment ``docs`` whose group ``documents``, up to so many, runs a pipeline."""
    image = {"base_name": "debian-12-*", "base_owner": "136693071363", "documents": True}
    return an_environment(
        name=NAME,
        documents={"runs_on": "ec2", **documents},
        image=image,
        workers={"documents": {"instance_types": ["m6i.large"], "min": 1, "max": most}},
        network={"operator_cidrs": ["10.77.0.1/32"], "endpoints": False, "nat": True},
        **QUICK,
    )


@dataclass
class Application:
    """What the group's instances keep up: by which settings, if any."""

    cloud: Cloud
    settings: str = ""
    _ends: float = 0.0

    def __post_init__(self) -> None:
        self.cloud.clock.every(LOOKS_EVERY, self._look)

    @property
    def runs(self) -> bool:
        """Documents are read, and questions answered."""
        return bool(self.settings)

    def _look(self) -> None:
        found = ssm_backends[ACCOUNT][REGION].get_parameter(SETTINGS)
        if found and not json.loads(found.value)["paused"]:
            self.settings, self._ends = found.value, 0.0
        elif self.settings and not self._ends:
            self._ends = self.cloud.clock.now() + FINISHES
        elif self._ends <= self.cloud.clock.now():
            self.settings = ""


@dataclass(frozen=True)
class DocumentsRay(FakeRayApi):
    """Ray on the cluster's head, with the application's actors."""

    application: Application = field(kw_only=True)

    def actors(self) -> tuple[Actor, ...]:
        """See deploy.cluster.ray_api.RayApi."""
        node = self.nodes()[-1].id
        names = ("keeper-1", "consumer-1") if self.application.runs else ()
        return tuple(Actor(name, name, name, node) for name in names)


@dataclass
class Documents:
    """A pipeline on a cluster; its commands do what those of ``invoke`` do, as with --yes."""

    cluster: Cluster
    application: Application
    progress: Progress

    def deployment(self) -> Deployment:
        """Return a deploy, which will see whether it is in use."""
        cloud, environment = self.cluster.cloud, self.cluster.environment
        return Deployment(
            environment,
            cloud.clients,
            cloud.clock,
            GivenImage(""),
            in_use=self._in_use,
            way=lambda *_: (),
        )

    def deploy(self) -> None:
        """Plan it and carry it out, unless the plan is empty."""
        deployment = self.deployment()
        plan = deployment.plan()
        if not plan.is_empty:
            keys = dict.fromkeys(plan.keys, "sk-simulated")
            deployment.run(plan, self.progress, keys=keys)

    def pause(self, paused: bool = True) -> None:
        """Pause it, or resume it."""
        cloud, environment = self.cluster.cloud, self.cluster.environment
        change_pause(
            cloud.clients,
            environment,
            paused,
            clock=cloud.clock,
            progress=self.progress,
            in_use=self._in_use,
        )

    def destroy(self, keep_data: bool = False) -> None:
        """Delete it."""
        cloud, environment = self.cluster.cloud, self.cluster.environment
        Destruction(environment, cloud.clients, cloud.clock, keep_data).run(self.progress)

    def ending(self) -> dict[str, object]:
        """Return everything that must be as after a run without a fault."""
        self.cluster.cloud.clock.sleep(SETTLES)
        stack = find_stack(self.cluster.cloud.clients, STACK)
        has = stack is not None
        return {
            "the plan": self.deployment().plan().words if has else (),
            "the parameters": stack.parameters if stack else {},
            "the outputs": sorted(stack.outputs) if stack else [],
            "the change sets": change_sets() if has else [],
            "the resources": resources() if has else [],
            "the settings": settings(),
            "the keys": keys(),
            "the objects": objects(),
            "what runs": self.application.runs,
            "the stacks": stacks(),
            "the cluster's plan": self.cluster.prepare().rollout.plan.words,
            "what fails of the cluster": self.cluster.failed_checks(),
            "the policies of the group": policies(self.cluster),
        }

    def _in_use(self, pipeline: Pipeline, clients: Clients, *, clock: Clock, progress: Say) -> str:
        return in_use.await_in_use(pipeline, clients, clock=clock, progress=progress)


@dataclass
class DocumentsWatch(Watch):
    """Checks also that nothing is deleted for good while the application runs."""

    application: Application = field(kw_only=True)

    def sends(self, call: Call, *, faulty: bool) -> None:
        """A call is about to be sent."""
        super().sends(call, faulty=faulty)
        if call.operation in LOSES and self.application.runs and STACK in str(call.arguments):
            self._expect(False, f"{call.name} is sent while documents are read")


@contextmanager
def seen_from_inside(application: Application) -> Iterator[None]:
    """Have deploy ask Ray and the application in the simulation; the secrets it reads first.

    Uploads have no threads of their own: a call that one makes could not be tried on a copy.
    """

    def ray(clients: Clients, environment: Environment) -> DocumentsRay:
        cluster_token(clients, environment)
        return DocumentsRay(application.cloud, environment, application=application)

    class Api:
        def __init__(self, *_: object) -> None:
            """Need nothing: there is one pipeline."""

        def answered(self) -> str:
            return "200" if application.runs else "503"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_use, "ray_api", ray)
        patch.setattr(in_use, "Api", Api)
        patch.setattr(on_cluster, "ray_api", ray)
        patch.setattr(inject, "TransferConfig", partial(TransferConfig, use_threads=False))
        yield


def stacks() -> list[tuple[str, str]]:
    """Return name and status of every stack that is there."""
    found = client("cloudformation").describe_stacks()["Stacks"]
    return sorted((one["StackName"], one["StackStatus"]) for one in found)


def change_sets() -> list[str]:
    """Return the change sets that wait to be executed."""
    found = client("cloudformation").list_change_sets(StackName=STACK)["Summaries"]
    return [one["ChangeSetName"] for one in found if one["ExecutionStatus"] == "AVAILABLE"]


def resources() -> list[tuple[str, str, str]]:
    """Return logical id, type and status of each resource of the pipeline."""
    pages = client("cloudformation").get_paginator("list_stack_resources")
    return sorted(
        (one["LogicalResourceId"], one["ResourceType"], one["ResourceStatus"])
        for page in pages.paginate(StackName=STACK)
        for one in page["StackResourceSummaries"]
    )


def settings() -> dict[str, Any]:
    """Return what the application is told, but for the names that differ each time."""
    found = ssm_backends[ACCOUNT][REGION].get_parameter(SETTINGS)
    if found is None:
        return {}
    told: dict[str, Any] = json.loads(found.value)
    secrets = {name: bool(arn) for name, arn in told["secrets"].items()}
    return told | {"target_group": bool(told["target_group"]), "secrets": secrets}


def keys() -> list[tuple[str, bool]]:
    """Return the names of the pipeline's secrets, and whether each has a value."""
    found = client("secretsmanager").list_secrets()["SecretList"]
    return sorted((s["Name"], bool(s.get("SecretVersionsToStages"))) for s in found)


def objects() -> list[str]:
    """Return the keys of all versions in the pipeline's bucket; none without a bucket.

    An export that was written again is the newest one: the older versions harm nothing.
    """
    s3 = client("s3")
    if BUCKET not in {one["Name"] for one in s3.list_buckets()["Buckets"]}:
        return ["there is no bucket"]
    versions = s3.list_object_versions(Bucket=BUCKET).get("Versions", [])
    return [one["Key"] for one in versions if one["IsLatest"] or not one["Key"].startswith(EXPORT)]


def policies(cluster: Cluster) -> list[str]:
    """Return the names of the policies of the group's role, without what is random in them."""
    foundation = find_foundation(cluster.cloud.clients, cluster.environment)
    assert foundation
    role = foundation.documents_role("documents")
    attached = client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return sorted(one["PolicyName"].rpartition("-")[0] for one in attached)
