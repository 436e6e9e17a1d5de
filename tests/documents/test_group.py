"""The pipeline on a group of a real Ray cluster: kept up by its instances, whatever is lost."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.waiting import Seen, SystemClock, wait_for
from tests.documents import files
from tests.documents.cloud import TOKEN, PipelineCloud, cloud
from tests.documents.ray_cluster import RayCluster, await_served, free_port, ray_cluster
from tests.marks import THOROUGH_ONLY

pytestmark = THOROUGH_ONLY

PARAMETER = "/ray-documents-dev/settings"
SECONDS = 150.0


@dataclass
class Group:
    """A cluster of a head, an instance of the group and one that is not; and what AWS has."""

    aws: PipelineCloud
    cluster: RayCluster
    port: int

    def store(self, paused: bool = False, **variables: str) -> None:
        """Do what the stack does: write the settings, with the secrets' ARNs."""
        variables = {
            "ENVIRONMENT_NAME": "dev",
            **{key: value for key, value in self.aws.variables.items() if "DOCUMENTS_" in key},
            **variables,
        }
        del variables["DOCUMENTS_TOKEN"]
        value = {
            "group": "documents",
            "paused": paused,
            "target_group": self._target_group(),
            "variables": variables,
            "secrets": {"DOCUMENTS_TOKEN": self._secret(), "OPENAI_API_KEY": ""},
        }
        self.aws.client("ssm").put_parameter(
            Name=PARAMETER, Value=json.dumps(value), Type="String", Overwrite=True
        )

    def targets(self) -> list[str]:
        """Return the instances that the balancer would send questions to."""
        found = self.aws.client("elbv2").describe_target_health(TargetGroupArn=self._target_group())
        return [one["Target"]["Id"] for one in found["TargetHealthDescriptions"]]

    def start(self) -> None:
        """Start a head, unless there is one, and the two workers that join it."""
        if "head" not in self.cluster.processes:
            self.cluster.start_head()
            self.cluster.await_started("head")
        for name, group in (("mine", "documents"), ("other", "cpu")):
            self.cluster.start_worker(name, 2, group)
            self.cluster.await_started(name)

    def start_unit(self) -> None:
        """Start what systemd starts on the instance of the group."""
        told = {
            "AWS_REGION": "us-east-1",
            "RAYKILN_ENVIRONMENT": "dev",
            "RAY_CLOUD_INSTANCE_ID": "i-1",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
        }
        self.cluster.run("documents.instance", "unit", **told)

    def ask(self, question: str) -> list[str]:
        """Return the sources of the first passage."""
        body = json.dumps({"question": question}).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/ask", data=body)
        asked.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 # to ourselves
            first = json.loads(answer.readline())
        return list(first["passages"][0]["sources"])

    def _secret(self) -> str:
        client = self.aws.client("secretsmanager")
        found = client.list_secrets()["SecretList"]
        if not found:
            content = json.dumps({"DOCUMENTS_TOKEN": TOKEN})
            return str(client.create_secret(Name="token", SecretString=content)["ARN"])
        return str(found[0]["ARN"])

    def _target_group(self) -> str:
        client = self.aws.client("elbv2")
        if found := client.describe_target_groups()["TargetGroups"]:
            return str(found[0]["TargetGroupArn"])
        vpc = self.aws.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        made = client.create_target_group(Name="a", Protocol="TCP", Port=8000, VpcId=vpc)
        return str(made["TargetGroups"][0]["TargetGroupArn"])


@pytest.fixture(scope="module")
def group(model: Path) -> Iterator[Group]:
    port = free_port()
    settings = {"claim_seconds": 9, "sweep_seconds": 5, "port": port, "consumer_memory": 0}
    with cloud(model, **settings) as aws:
        told = {key: value for key, value in aws.variables.items() if "DOCUMENTS_" not in key}
        with ray_cluster(told, {}) as cluster:
            yield Group(aws, cluster, port)


def until(what: str, look: Any) -> None:
    def see() -> Seen[bool]:
        seen = look()
        return Seen(seen is True or None, str(seen))

    wait_for(what, see, clock=SystemClock(), seconds=SECONDS)


def ended(cluster: RayCluster, name: str) -> bool:
    return cluster.processes[name].poll() is not None


def test_it_waits_for_its_settings_answers_and_outlives_its_head(group: Group) -> None:
    group.start()
    group.start_unit()
    group.store()
    await_served(group.port, SECONDS)
    assert group.targets() == ["i-1"]
    group.aws.put("pump.pdf", files.pdf(["The pump's warranty lasts 31 months."]))
    group.aws.wait({"pump.pdf": "DONE"}, SECONDS)
    assert group.ask("How long is the pump's warranty?") == ["pump.pdf"]

    for name in ("head", "mine", "other"):
        group.cluster.kill(name)
    until("the unit ends", lambda: ended(group.cluster, "unit"))
    group.start()
    group.start_unit()

    await_served(group.port, SECONDS)
    assert group.ask("How long is the pump's warranty?") == ["pump.pdf"]
    group.aws.put("rent.docx", files.word([("Rent", "The rent is 420 euros a week.")]))
    group.aws.wait({"rent.docx": "DONE"}, SECONDS)


def test_other_settings_replace_keeper_answers_and_consumers(group: Group) -> None:
    group.store(DOCUMENTS_ATTEMPTS="2")

    until("another keeper's consumer", lambda: '"consumer-v2-0"' in said(group.cluster))
    await_served(group.port, SECONDS)
    group.aws.put("bees.md", b"# Bees\n\nA hive holds about forty thousand bees.\n")
    group.aws.wait({"bees.md": "DONE"}, SECONDS)


def test_a_pause_leaves_nothing_and_a_resume_takes_in_what_waited(group: Group) -> None:
    group.store(paused=True)
    until("nothing answers", lambda: not answers(group))
    group.aws.put("trains.html", b"<h1>Trains</h1><p>The train leaves at 18:12.</p>")

    group.store()

    await_served(group.port, SECONDS)
    group.aws.wait({"trains.html": "DONE"}, SECONDS)
    assert group.ask("When does the train leave?") == ["trains.html"]


def said(cluster: RayCluster) -> str:
    """Return what the actors have logged."""
    logs = cluster.folder.glob("ray/session_latest/logs/worker-*.err")
    return "".join(path.read_text() for path in logs)


def answers(group: Group) -> bool:
    try:
        group.ask("anything")
    except OSError:
        return False
    return True
