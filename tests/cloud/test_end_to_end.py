"""The whole way, with the commands an operator types: bake, deploy, use, lose the head, destroy.

Each test continues where the one before it stopped.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from localcloud import control
from localcloud.session import operator_command
from tests.cloud.harness import home, require_machines

ROOT = Path(__file__).resolve().parents[2]
Invoke = Callable[..., "subprocess.CompletedProcess[str]"]
Report = dict[str, Any]

# Of environments/local.toml, and what a test has instead.
ONE_GROUP = """[workers]
instance_type = "m6i.large"
min = 1
max = 3
"""
THREE_GROUPS = """[workers.worker]
instance_types = ["m6i.large"]
min = 1
max = 3

[workers.tools]
instance_types = ["m6i.large", "m6a.large"]
min = 1
max = 2
resources = { big_disk = 1 }
labels = { team = "search" }
egress = ["tcp/5432 to 10.0.0.0/8"]
volume = { gib = 24, iops = 4000, throughput = 250 }

[workers.gpu]
instance_types = ["g6.xlarge"]
min = 0
max = 1
instance_store = "spill"
object_store_gib = 1
"""
# Of the plan and of the rollout, in this order.
REMOVAL = ("drain the 1 worker of ", "autoscaler configuration without ")
IMAGE = "[image]\n"
SLOW_DRAIN, QUICK_DRAIN = "drain_seconds = 30", "drain_seconds = 10"


class Groups(NamedTuple):
    """Environments by what ``--env`` takes, alike but for their groups of workers."""

    one: str
    three: str


@pytest.fixture(scope="module")
def invoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Invoke]:
    """Invoke in its own local cloud, as ./run.sh does."""
    require_machines()
    with home(tmp_path_factory.mktemp("e2e") / "home"):
        control.up()

        def run(*arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
            command = [sys.executable, "-m", "invoke", *arguments]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == code, f"{arguments}:\n{done.stdout[-4000:]}{done.stderr}"
            return done

        try:
            yield run
        finally:
            control.down()


def test_without_images_a_deploy_is_refused_and_says_what_to_do(invoke: Invoke) -> None:
    done = invoke("deploy", "--yes", code=1)

    assert "invoke bake" in done.stderr
    assert ami_ids(invoke("images").stdout) == set()


def test_a_bake_makes_a_verified_image_of_each_role(invoke: Invoke) -> None:
    invoke("bake")

    listed = invoke("images").stdout
    assert len(ami_ids(listed)) == 2
    assert " no" not in listed


def test_the_same_content_is_not_baked_twice(invoke: Invoke) -> None:
    before = ami_ids(invoke("images").stdout)

    done = invoke("bake")

    assert done.stdout.count("nothing to do") == 2
    assert ami_ids(invoke("images").stdout) == before


def test_a_plan_changes_nothing(invoke: Invoke) -> None:
    first, second = invoke("plan").stdout, invoke("plan").stdout

    assert "+ group ray-head-asg-local" in first
    assert first == second
    assert "instances" not in invoke("cloud.status").stdout


def test_without_a_terminal_a_deploy_is_refused_and_changes_nothing(invoke: Invoke) -> None:
    done = invoke("deploy", code=1)

    assert "Nothing was changed" in done.stderr


def test_a_deploy_brings_up_a_healthy_cluster(invoke: Invoke) -> None:
    invoke("deploy", "--yes")

    report = json.loads(invoke("status", "--json").stdout)
    assert report["leader"]
    assert len(report["heads"]) == 1
    assert len(report["workers"]) >= 1
    assert report["problems"] == []


def test_a_second_deploy_changes_nothing_and_says_so(invoke: Invoke) -> None:
    assert "nothing to change" in invoke("deploy", "--yes").stdout


def test_a_job_runs_on_the_head_and_on_every_worker(invoke: Invoke) -> None:
    report = json.loads(invoke("status", "--json").stdout)
    nodes = {node["id"] for node in (*report["heads"], *report["workers"])}

    printed = invoke("smoke").stdout

    assert {node for node in nodes if f"{node} " in printed} == nodes


def test_the_secret_is_only_where_it_belongs(invoke: Invoke) -> None:
    secret = inside(READ_SECRET).strip()
    assert re.fullmatch(r"[0-9a-f]{64}", secret)

    for machine in control.status().machines:
        place = subprocess.run(
            control.shell_command(machine, ["bash", "-c", WHERE_IS_IT]),
            input=secret,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
        assert place == ["/run/ray/token"]


def test_an_operator_reads_and_restarts_the_head(invoke: Invoke) -> None:
    report = json.loads(invoke("status", "--json").stdout)
    leader = report["leader"]

    assert invoke("head.id").stdout == f"{leader}\n"
    assert "now=leading" in invoke("head.logs", "--lines", "500").stdout
    done = invoke("head.restart", "--yes").stdout

    after = json.loads(invoke("status", "--json").stdout)
    gap = re.search(rf"{leader} leads \(epoch (\d+)\); no head for ([\d.]+) s", done)
    assert gap
    assert int(gap[1]) == after["epoch"] > report["epoch"]
    assert float(gap[2]) < 60
    assert ids(after["workers"]) == ids(report["workers"])
    assert "no standby" in invoke("head.hand-over", "--yes", code=1).stderr


def test_another_head_image_is_rolled_out_and_no_worker_is_lost(invoke: Invoke) -> None:
    before = json.loads(invoke("status", "--json").stdout)
    invoke("bake", "--force", "--role", "head")
    assert json.loads(invoke("plan", "--json").stdout)["strategy"] == "hand-over"

    invoke("deploy", "--yes")

    after = json.loads(invoke("status", "--json").stdout)
    assert after["problems"] == []
    assert len(after["heads"]) == 1
    assert after["leader"] != before["leader"]
    assert ids(after["workers"]) == ids(before["workers"])
    assert after["leader"] in invoke("smoke").stdout
    assert "nothing to change" in invoke("deploy", "--yes").stdout


def test_the_previous_release_is_served_again(invoke: Invoke) -> None:
    before = json.loads(invoke("status", "--json").stdout)

    invoke("rollback", "--yes")

    after = json.loads(invoke("status", "--json").stdout)
    assert after["problems"] == []
    assert after["heads"][0]["image"] != before["heads"][0]["image"]
    assert ids(after["workers"]) == ids(before["workers"])
    assert after["release"] in invoke("releases").stdout.splitlines()[2]


def test_the_cluster_survives_the_loss_of_its_head(invoke: Invoke) -> None:
    before = json.loads(invoke("status", "--json").stdout)

    checks = json.loads(invoke("verify", "--destructive", "--yes", "--json").stdout)

    after = json.loads(invoke("status", "--json").stdout)
    last = invoke("head.logs", "--id", before["leader"], "--lines", "500").stdout
    assert "now=leading" in last
    assert "stopping Ray" in last
    assert [check["name"] for check in checks if not check["passed"]] == []
    assert after["leader"] != before["leader"]
    assert after["epoch"] > before["epoch"]
    assert after["problems"] == []


@pytest.fixture(scope="module")
def groups(invoke: Invoke, tmp_path_factory: pytest.TempPathFactory) -> Groups:
    """The environment local with the heads that it has, and with one group of workers or three."""
    (head,) = json.loads(invoke("status", "--json").stdout)["heads"]
    text = (ROOT / "environments/local.toml").read_text()
    for before, after in (
        (SLOW_DRAIN, QUICK_DRAIN),
        (IMAGE, f'{IMAGE}head_id = "{head["image"]}"\n'),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    assert text.count(ONE_GROUP) == 1
    made = []
    for kind, workers in (("one", ONE_GROUP), ("three", THREE_GROUPS)):
        path = tmp_path_factory.mktemp(kind) / "local.toml"
        path.write_text(text.replace(ONE_GROUP, workers))
        made.append(str(path.with_suffix("")))
    return Groups(*made)


def test_groups_are_added_and_their_workers_are_what_they_promise(
    invoke: Invoke, groups: Groups
) -> None:
    before = json.loads(invoke("status", "--json").stdout)

    invoke("deploy", "--yes", "--env", groups.three)

    after = json.loads(invoke("status", "--json").stdout)
    assert after["problems"] == []
    assert after["leader"] == before["leader"]
    assert running(after) == {"worker": 1, "tools": 1, "gpu": 0}
    assert ids(before["workers"]) <= ids(after["workers"])
    worker, tools = (one_of(after, group) for group in ("worker", "tools"))
    assert launched(tools) == {
        "volume": {"Size": 24, "Iops": 4000, "Throughput": 250},
        "opens": [["tcp", 5432, "10.0.0.0/8"]],
    }
    assert launched(worker)["opens"] == []


def test_a_task_runs_in_the_group_that_has_what_it_wants(invoke: Invoke) -> None:
    printed = inside(RUN_JOB, TASKS)

    ran = dict(re.findall(r"^(\w+) ran on (\S+)$", printed, re.MULTILINE))
    after = json.loads(invoke("status", "--json").stdout)
    tools, gpu = (one_of(after, group) for group in ("tools", "gpu"))
    assert ran == {"resource": tools["address"], "label": tools["address"], "gpu": gpu["address"]}
    assert gpu["type"] == "g6.xlarge"
    assert int(re.findall(r"^(\d+) bytes spilled$", printed, re.MULTILINE)[0]) > 100 * 1024**2
    assert after["problems"] == []


def test_removed_groups_are_drained_before_the_heads_forget_them(
    invoke: Invoke, groups: Groups
) -> None:
    before = json.loads(invoke("status", "--json").stdout)

    printed = invoke("deploy", "--yes", "--env", groups.one).stdout

    after = json.loads(invoke("status", "--json").stdout)
    assert after["problems"] == []
    assert running(after) == {"worker": 1}
    assert ids(after["workers"]) == {one_of(before, "worker")["id"]}
    drained, forgotten = (printed.rindex(words) for words in REMOVAL)
    assert drained < forgotten


def test_a_rollback_restores_the_groups(invoke: Invoke, groups: Groups) -> None:
    invoke("rollback", "--yes", "--env", groups.one)

    after = json.loads(invoke("status", "--json").stdout)
    assert after["problems"] == []
    assert running(after) == {"worker": 1, "tools": 1, "gpu": 0}
    assert launched(one_of(after, "tools"))["volume"]["Size"] == 24


def test_destroy_leaves_nothing_but_the_images(invoke: Invoke) -> None:
    images = ami_ids(invoke("images").stdout)

    invoke("destroy", "--yes")

    assert control.status().machines == ()
    assert "not deployed" in invoke("status", code=2).stdout
    assert "nothing to change" in invoke("destroy", "--yes").stdout
    assert ami_ids(invoke("images").stdout) == images


def ids(machines: list[dict[str, str]]) -> set[str]:
    return {machine["id"] for machine in machines}


def running(report: Report) -> dict[str, int]:
    """Return how many workers of each group run."""
    return {group["name"]: group["running"] for group in report["groups"]}


def one_of(report: Report, group: str) -> dict[str, str]:
    """Return the one worker of a group."""
    (found,) = (worker for worker in report["workers"] if worker["group"] == group)
    return dict(found)


def launched(worker: dict[str, str]) -> Report:
    """Return what EC2 says of a worker's root volume, and which connections it may open in VPCs."""
    return dict(json.loads(inside(DESCRIBE, worker["id"])))


def inside(script: str, *arguments: str) -> str:
    """Run Python inside the VPC, as an operator; return what it prints."""
    command = operator_command([sys.executable, "-c", script, *arguments])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


READ_SECRET = """
import boto3
ssm = boto3.client("ssm", region_name="us-east-1")
name = "/ray/local/redis_password"
print(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
"""
DESCRIBE = """
import json, sys
import boto3
ec2 = boto3.client("ec2", region_name="us-east-1")
found = ec2.describe_instances(InstanceIds=sys.argv[1:])["Reservations"][0]["Instances"][0]
volume = found["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
volume = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
groups = [group["GroupId"] for group in found["SecurityGroups"]]
groups = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"]
opens = [
    [rule["IpProtocol"], rule["FromPort"], address["CidrIp"]]
    for group in groups
    for rule in group["IpPermissionsEgress"]
    for address in rule["IpRanges"]
    if address["CidrIp"].startswith("10.0.")
]
volume = {key: volume[key] for key in ("Size", "Iops", "Throughput")}
print(json.dumps({"volume": volume, "opens": opens}))
"""
RUN_JOB = """
import shlex, sys
from common.clients import Clients
from common.environment import load_environment
from common.waiting import SystemClock
from deploy.cluster.ray_api import ray_api
from deploy.verify.smoke import PYTHON, run_job
environment = load_environment("local")
api = ray_api(Clients(environment.region), environment)
print(run_job(api, shlex.join([PYTHON, "-c", sys.argv[1]]), clock=SystemClock()).logs)
"""
# The last one fills an object store of 1 GiB with 1.3 GiB.
TASKS = """
import os
from pathlib import Path
import ray

def here():
    return ray.util.get_node_ip_address()

def fill():
    kept = [ray.put(bytes(100 * 1024**2)) for _ in range(13)]
    disk = Path("/mnt/instance-store")
    assert disk.is_mount()
    files = [path for path in disk.rglob("ray_spilled_objects*/*") if path.is_file()]
    assert len(ray.get(kept[0])) == 100 * 1024**2
    return here(), sum(path.stat().st_size for path in files)

ray.init(log_to_driver=False, logging_level="ERROR")
tasks = {
    "resource": ray.remote(num_cpus=0, resources={"big_disk": 1})(here).remote(),
    "label": ray.remote(num_cpus=0, label_selector={"team": "search"})(here).remote(),
}
filled = ray.remote(num_cpus=0, num_gpus=1, accelerator_type="L4")(fill).remote()
for name, task in tasks.items():
    print(name, "ran on", ray.get(task))
address, spilled = ray.get(filled)
print("gpu ran on", address)
print(spilled, "bytes spilled")
"""
# The secret comes on standard input, so that this search does not find itself.
WHERE_IS_IT = r"""
read -r secret
for place in /etc /opt/raykiln /root /home /tmp /var/log /var/lib/cloud /var/lib/ray /run; do
  printf '%s\n' "${secret}" | grep -rlD skip -Ff - "${place}" 2>/dev/null
done
for process in /proc/[0-9]*; do
  printf '%s\n' "${secret}" | grep -lFf - "${process}/cmdline" "${process}/environ" 2>/dev/null
done
journalctl --no-pager 2>/dev/null | grep -qFf <(printf '%s\n' "${secret}") && echo journal
"""


def ami_ids(listed: str) -> set[str]:
    """Return the image ids that a list shows."""
    return set(re.findall(r"\bami-[0-9a-f]{17}\b", listed))
