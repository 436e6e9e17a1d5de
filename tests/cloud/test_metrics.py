"""Metrics, from Ray on each node to Prometheus on the head, a workspace and the dashboard's graphs.

The Prometheus is Debian's, of an image of the head's own; the workspace checks signatures and
policies as AWS does. Grafana is a stand-in: what is tested is what Ray's dashboard asks of it.
"""

import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from common.network import METRICS_INTERFACE
from localcloud import control
from localcloud.paths import paths
from localcloud.session import operator_command
from node.contract import SIGNER_PORT
from tests.cloud.browser import browser
from tests.cloud.cluster_facts import ROOT, inside, on
from tests.cloud.connection import Connection, connected
from tests.cloud.grafana import Grafana, grafana
from tests.cloud.harness import Cloud, eventually, require_machines
from tests.cloud.invocation import Invoke, invoking
from tests.marks import THOROUGH_ONLY

pytestmark = THOROUGH_ONLY

VPC_ADDRESS, GRAFANA_PORT = "10.77.0.1", 3000  # of an operator in the VPC
TOKEN_FIELD = "input[type=password]"
DASHBOARDS = "/tmp/ray/session_latest/metrics/grafana/dashboards"


class Site(NamedTuple):
    """A cluster whose metrics go to a workspace, and a Grafana that a browser here reaches."""

    invoke: Invoke
    workspace: str
    other: str  # a workspace of somebody else
    grafana: Grafana

    def report(self) -> dict[str, Any]:
        """Return the report of status."""
        return dict(json.loads(self.invoke("status", "--json").stdout))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Bake an image with Prometheus for the head, and deploy."""
    require_machines()
    folder = tmp_path_factory.mktemp("metrics")
    archive = fetched(folder / "archive")
    with invoking(folder) as invoke, grafana() as shown, grafana_in_the_vpc():
        base = base_with(archive)
        workspace, other = json.loads(inside(CREATE))
        url = f"https://aps-workspaces.us-east-1.amazonaws.com/workspaces/{workspace}"
        run, image = invoke.run, f"{invoke.run.name}-head"
        head = run.content()["head"] | {
            "image": image,
            "egress": [f"tcp/{GRAFANA_PORT} to {VPC_ADDRESS}/32"],
        }
        network = run.base.network
        ways = [*network.interfaces, *network.gateways, METRICS_INTERFACE]
        written = run.write(
            folder / "metrics",
            image=on_base(run.content()["image"], base),
            network=run.content()["network"] | {"endpoints": ways},
            images={run.name: {}, image: {"packages": ["prometheus"]}},
            head=head,
            metrics={
                "grafana": f"http://{VPC_ADDRESS}:{GRAFANA_PORT}",
                "grafana_in_browser": f"http://127.0.0.1:{shown.server_port}",
                "remote_write": f"{url}/api/v1/remote_write",
            },
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAYKILN_ENV", written)
            invoke("bake")
            invoke("deploy", "--yes")
            yield Site(invoke, workspace, other, shown)
            invoke("destroy", "--yes")


def fetched(folder: Path) -> Path:
    """Fetch Debian's Prometheus and all that it needs, with apt, into a folder."""
    folder.mkdir()
    known = subprocess.run(
        ["apt-cache", "depends", "--recurse", "--important", "prometheus"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # Packages are at the margin, except those that are only a name; what they need is not.
    names = [line for line in known.splitlines() if re.match(r"[a-z0-9]", line)]
    subprocess.run(["apt-get", "download", "--quiet", *names], cwd=folder, check=True)
    return folder


def base_with(archive: Path) -> str:
    """Return a base image that has these packages in an archive, since machines reach no other."""
    cloud = Cloud(paths())
    try:
        machine = cloud.booted(cloud.launch())["InstanceId"]
        packed = subprocess.run(["tar", "-c", "."], cwd=archive, capture_output=True, check=True)
        unpack = ["sh", "-c", "mkdir /srv/archive && tar -x -C /srv/archive"]
        subprocess.run(control.shell_command(machine, unpack), input=packed.stdout, check=True)
        cloud.on(machine, INDEX)
        base = cloud.image_of(machine, "with-prometheus")
        cloud.terminate(machine)
    finally:
        cloud.aws.close()
    return base


def on_base(image: dict[str, Any], base: str) -> dict[str, Any]:
    """Return the table of an image that is built on another base."""
    kept = {key: value for key, value in image.items() if key not in ("base_name", "base_owner")}
    return kept | {"base_id": base}


@contextmanager
def grafana_in_the_vpc() -> Iterator[None]:
    """The Grafana that heads reach."""
    command = [sys.executable, "-m", "tests.cloud.grafana", VPC_ADDRESS, str(GRAFANA_PORT)]
    with subprocess.Popen(operator_command(command, inside=True), cwd=ROOT) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def addresses(site: Site) -> dict[str, str]:
    """The id of each node by its address."""
    report = site.report()
    return {node["address"]: node["id"] for node in (*report["heads"], *report["workers"])}


@pytest.fixture(scope="module")
def leader(site: Site) -> str:
    return str(site.report()["leader"])


def found(answer: str) -> dict[str, float]:
    """Return the value of each node that an answer of Prometheus has, by the node's address."""
    result = json.loads(answer)["data"]["result"]
    return {
        one["metric"]["instance"].removesuffix(":8480"): float(one["value"][1]) for one in result
    }


def on_head(leader: str, query: str) -> dict[str, float]:
    """Ask the head's Prometheus."""
    asked = shlex.quote(f"query={query}")
    answer = on(leader, f"curl -s --get 127.0.0.1:9090/api/v1/query --data-urlencode {asked}")
    return found(answer) if answer else {}


def in_workspace(workspace: str, query: str) -> str:
    """Ask the workspace, as its owner."""
    return inside(QUERY, workspace, query)


def test_prometheus_on_the_head_has_samples_of_every_node(
    addresses: dict[str, str], leader: str
) -> None:
    cores = {address: float(on(node, "nproc")) for address, node in addresses.items()}
    eventually("each node's cores", lambda: on_head(leader, "ray_node_cpu_count") == cores)

    assert len(cores) == 2
    up = on_head(leader, 'up{job="ray"}')
    assert {address: up[address] for address in addresses} == dict.fromkeys(addresses, 1.0)
    busy = on_head(leader, "ray_node_cpu_utilization")
    assert set(busy) == set(addresses)
    assert all(0 <= percent <= 100 for percent in busy.values())


def test_so_has_it_what_a_job_counts_itself(site: Site, leader: str) -> None:
    (worker,) = site.report()["workers"]
    job = site.invoke("job.submit", "--", "python", "-c", GAUGE).stdout.splitlines()[-1]

    eventually(
        "the job's own gauge", lambda: on_head(leader, "ray_answer") == {worker["address"]: 42.0}
    )
    site.invoke("job.stop", job)


def test_the_workspace_gets_the_same_samples_with_the_environments_name(
    site: Site, addresses: dict[str, str], leader: str
) -> None:
    eventually(
        "samples in the workspace",
        lambda: set(found(in_workspace(site.workspace, "ray_node_cpu_count"))) == set(addresses),
    )

    answer = in_workspace(site.workspace, "ray_node_cpu_count")
    assert found(answer) == on_head(leader, "ray_node_cpu_count")
    named = {one["metric"]["environment"] for one in json.loads(answer)["data"]["result"]}
    assert named == {site.invoke.run.name}
    assert json.loads(in_workspace(site.other, "ray_node_cpu_count"))["data"]["result"] == []


def test_a_verification_sees_that_they_are_sent(site: Site, leader: str) -> None:
    checks = json.loads(site.invoke("verify", "--json").stdout)

    (sent,) = (check for check in checks if check["name"] == "metrics are sent")
    assert sent["passed"]
    assert re.fullmatch(rf"{leader}: [1-9]\d* bytes were taken while we looked", sent["seen"])


def test_the_heads_role_writes_to_that_workspace_and_may_do_nothing_else(
    site: Site, leader: str
) -> None:
    script = f"cd /opt/raykiln && /opt/ray/bin/python -c {shlex.quote(AS_HEAD)}"
    printed = on(leader, f"{script} {site.workspace} {site.other}")

    own, others, query = (tuple(line) for line in json.loads(printed))
    assert own == (200, "")
    for action, workspace, (status, words) in (
        ("RemoteWrite", site.other, others),
        ("QueryMetrics", site.workspace, query),
    ):
        resource = f"arn:aws:aps:us-east-1:123456789012:workspace/{workspace}"
        assert status == 403
        assert f"not authorized to perform: aps:{action} on resource: {resource}" in words


def test_a_job_on_the_head_does_not_reach_the_signer(leader: str) -> None:
    ask = f"curl -s -o /dev/null -w '%{{http_code}}\\n' 127.0.0.1:{SIGNER_PORT}/ ; true"

    assert on(leader, ask).strip() == "501"  # it takes no GET
    assert on(leader, f"runuser -u ray -- {ask}").strip() == "000"


def test_an_outage_is_in_the_journal_and_no_sample_is_lost(site: Site, leader: str) -> None:
    def says(words: str) -> bool:
        return words in on(leader, "journalctl -u ray-remote-write --output cat")

    paths().outages.write_text("aps down\n")
    try:
        eventually("the journal's line", lambda: says('"metrics are not sent" status=503'))
        eventually("Prometheus' retries", lambda: own_metric(leader, "samples_retried_total") > 0)
    finally:
        paths().outages.unlink()
    eventually("the end of the outage", lambda: says('"metrics are sent again"'))
    assert own_metric(leader, "samples_failed_total") == 0
    assert own_metric(leader, "samples_dropped_total") == 0


def own_metric(leader: str, name: str) -> float:
    """Return one of Prometheus' own metrics of what it sends."""
    printed = on(leader, f"curl -s 127.0.0.1:9090/metrics | grep ^prometheus_remote_storage_{name}")
    return float(printed.split()[-1])


def health(lines: Connection, of: str) -> dict[str, Any]:
    """Return what Ray's dashboard says of a Prometheus or a Grafana."""
    answer = urllib3.request(
        "GET",
        f"{lines.dashboard}/api/{of}_health",
        headers={"Authorization": f"Bearer {lines.token_file.read_text().strip()}"},
    )
    return dict(answer.json())


def test_rays_dashboard_shows_its_graphs_in_a_browser(site: Site, leader: str) -> None:
    with connected() as lines, browser() as window:
        prometheus, told = health(lines, "prometheus"), health(lines, "grafana")
        window.open(lines.dashboard)
        eventually("the dashboard's question for the token", lambda: window.count(TOKEN_FIELD))
        window.type(TOKEN_FIELD, lines.token_file.read_text() + "\n")
        window.open(f"{lines.dashboard}/#/metrics")
        eventually("graphs", lambda: site.grafana.asked)
        sources = window.attributes("iframe", "src")
        text = window.text()

    assert (prometheus["result"], prometheus["msg"]) == (True, "prometheus running")
    shown = f"http://127.0.0.1:{site.grafana.server_port}"
    assert told["data"]["grafanaHost"] == shown
    board = json.loads(on(leader, f"cat {DASHBOARDS}/default_grafana_dashboard.json"))
    (source,) = sources
    assert source.startswith(f"{shown}/d/{board['uid']}/?")
    asked = parse_qs(urlsplit(source).query)
    assert asked["var-datasource"] == ["Prometheus"]
    assert asked["var-SessionName"] == [told["data"]["sessionName"]]
    assert source.removeprefix(shown) in site.grafana.asked
    assert "VIEW TAB IN GRAFANA" in text.upper()


def test_the_dashboards_for_grafana_are_those_that_ray_on_the_head_embeds(
    site: Site, leader: str, tmp_path: Path
) -> None:
    printed = site.invoke("dashboards", "--to", str(tmp_path / "new")).stdout

    on_the_head = on(leader, f"cd {DASHBOARDS} && sha256sum *").splitlines()
    here = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for path in map(Path, printed.split())
    ]
    assert sorted(here) == sorted(on_the_head)
    assert len(here) == 8
    (tmp_path / "file").touch()
    refused = site.invoke("dashboards", "--to", str(tmp_path / "file"), code=1).stderr
    assert f"{tmp_path}/file is no folder" in refused


# Makes the packages an archive, and the machine one that has not booted.
INDEX = r"""
set -e
cd /srv/archive
for file in *.deb; do
  dpkg-deb --field "$file"
  echo "Filename: ./$file"
  echo "Size: $(stat -c %s "$file")"
  echo "SHA256: $(sha256sum "$file" | cut -d' ' -f1)"
  echo
done >Packages
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/archive ./' >/etc/apt/sources.list
cloud-init clean --logs
: >/etc/machine-id
rm -f /etc/ssh/ssh_host_*
"""
CREATE = """
import boto3, json
amp = boto3.client("amp", region_name="us-east-1")
print(json.dumps([amp.create_workspace(alias=name)["workspaceId"] for name in (NAME, "other")]))
"""
# The head of each script that signs.
SIGN = """
import json, os, sys
from urllib.parse import urlencode
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

def call(credentials, method, workspace, path, headers={}, body=b""):
    url = f"https://aps-workspaces.us-east-1.amazonaws.com/workspaces/{workspace}/api/v1/{path}"
    request = AWSRequest(method, url, headers=headers, data=body)
    SigV4Auth(credentials.get_frozen_credentials(), "aps", "us-east-1").add_auth(request)
    bundle = os.environ.get("AWS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
    answer = URLLib3Session(verify=bundle).send(request.prepare())
    return answer.status_code, answer.text
"""
QUERY = f"""{SIGN}
import boto3
credentials = boto3.session.Session().get_credentials()
query = urlencode({{"query": sys.argv[2]}})
status, text = call(credentials, "GET", sys.argv[1], f"query?{{query}}")
assert status == 200, text
print(text)
"""
# A write of no samples, to either workspace, and a query.
AS_HEAD = f"""{SIGN}
from node.clients import find_credentials
credentials, (own, other) = find_credentials("us-east-1"), sys.argv[1:]
kind = {{"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}}
print(json.dumps([
    *(call(credentials, "POST", one, "remote_write", kind, bytes(1)) for one in (own, other)),
    call(credentials, "GET", own, "query?query=up"),
]))
"""
GAUGE = """
import time
import ray
from ray.util.metrics import Gauge
ray.init()
answer = Gauge("answer", description="of a test")
while True:
    answer.set(42)
    time.sleep(1)
"""
