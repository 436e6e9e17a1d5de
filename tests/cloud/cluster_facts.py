"""A cluster on machines as its operator sees it: the report of status, AWS, and jobs on Ray."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from localcloud import control
from localcloud.session import operator_command
from tests.cloud.suite_run import SuiteRun

ROOT = Path(__file__).resolve().parents[2]
Report = dict[str, Any]

# Of environments/local.toml.
ONE_GROUP = """[workers]
instance_type = "m6i.large"
min = 1
max = 3
"""
THREE_GROUPS = """[worker]
instance_types = ["m6i.large"]
min = 1
max = 3

[tools]
instance_types = ["m6i.large", "m6a.large"]
min = 1
max = 2
resources = { big_disk = 1 }
labels = { team = "search" }
egress = ["tcp/5432 to 10.0.0.0/8"]
s3_read = ["lake/*"]
s3_write = ["lake/*"]
volume = { gib = 24, iops = 4000, throughput = 250 }

[gpu]
instance_types = ["g6.xlarge"]
min = 0
max = 1
instance_store = "spill"
object_store_gib = 1
"""
STORED = {"state": "redis", "redis_node_type": "cache.t4g.small"}
QUICK = {"drain_seconds": 10, "watch_seconds": 10}


class Groups(NamedTuple):
    """Environments by what ``--env`` takes, alike but for their groups of workers.

    ``stored`` has one, and keeps Ray's state in a Redis.
    """

    one: str
    three: str
    stored: str


def environments(run: SuiteRun, folder: Path, head_image: str) -> Groups:
    """Write the run's environment with these heads, as each of ``Groups``."""
    held = {run.name: {"head_id": head_image}}
    three = {
        name: group | {"image": run.name} for name, group in tomllib.loads(THREE_GROUPS).items()
    }
    one, head = run.content()["workers"], run.content()["head"]
    made = (
        run.write(folder / kind, images=held, workers=workers, head=head | more, rollout=QUICK)
        for kind, workers, more in (("one", one, {}), ("three", three, {}), ("stored", one, STORED))
    )
    return Groups(*made)


def ids(machines: list[dict[str, str]]) -> set[str]:
    return {machine["id"] for machine in machines}


def running_heads(report: Report) -> list[dict[str, str]]:
    """Return the heads that run; one that a deploy has terminated shuts down for a while."""
    return [head for head in report["heads"] if head["state"] == "running"]


def running(report: Report) -> dict[str, int]:
    """Return how many workers of each group run."""
    return {group["name"]: group["running"] for group in report["groups"]}


def one_of(report: Report, group: str) -> dict[str, str]:
    """Return the one worker of a group."""
    (found,) = (worker for worker in report["workers"] if worker["group"] == group)
    return dict(found)


def leader_address(report: Report) -> str:
    """Return the leader's address in the VPC."""
    return next(str(head["address"]) for head in report["heads"] if head["id"] == report["leader"])


def launched(worker: dict[str, str]) -> Report:
    """Return what EC2 says of a worker: its volume in GiB, the volume that its template asks for,
    and which connections into the range 10.0.0.0/8 it may open besides its cluster's.
    """
    return dict(json.loads(inside(DESCRIBE, worker["id"], worker["group"])))


def job_lines(job: str) -> dict[str, dict[str, str]]:
    """Return what a job printed, by instance: the task that did by line, or an empty name."""
    return dict(json.loads(inside(JOB_LINES, job)))


def inside(script: str, *arguments: str) -> str:
    """Run Python as an operator; return what it prints."""
    named = f"NAME = {Path(os.environ['RAYKILN_ENV']).name!r}\n{script}"
    command = operator_command([sys.executable, "-c", named, *arguments])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def on(machine: str, script: str) -> str:
    """Run a script on a machine; return what it prints, whether or not it succeeds."""
    command = control.shell_command(machine, ["bash", "-c", script])
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def ami_ids(listed: str) -> set[str]:
    """Return the image ids that a list shows."""
    return set(re.findall(r"\bami-[0-9a-f]{17}\b", listed))


# NAME is the environment's name, which `inside` sets.
READ_SECRET = """
import sys
import boto3
ssm = boto3.client("ssm", region_name="us-east-1")
name = f"/ray/{NAME}/{sys.argv[1] if sys.argv[1:] else 'redis_password'}"
print(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
"""
# Of each instance what a job printed there, with the task that did.
JOB_LINES = """
import json, sys
import boto3
logs = boto3.client("logs", region_name="us-east-1")
group, found = f"/raykiln/{NAME}/jobs", {}
streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=sys.argv[1] + "/")
for stream in streams["logStreams"]:
    name = stream["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)
    lines = [json.loads(event["message"]) for event in events["events"]]
    found[name.partition("/")[2]] = {line["message"]: line.get("task", "") for line in lines}
print(json.dumps(found))
"""
DESCRIBE = """
import json, sys
import boto3
ec2 = boto3.client("ec2", region_name="us-east-1")
instance_id, group = sys.argv[1:]
found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
volume = found["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
name = "ray-worker-" + NAME + ("" if group == "worker" else "." + group)
template = ec2.describe_launch_template_versions(LaunchTemplateName=name, Versions=["$Default"])
asked = template["LaunchTemplateVersions"][0]["LaunchTemplateData"]["BlockDeviceMappings"][0]["Ebs"]
groups = [group["GroupId"] for group in found["SecurityGroups"]]
opens = [
    [rule["IpProtocol"], rule["FromPort"], address["CidrIp"]]
    for group in ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"]
    for rule in group["IpPermissionsEgress"]
    for address in rule["IpRanges"]
    if address["CidrIp"] == "10.0.0.0/8"
]
print(json.dumps({
    "gib": ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Size"],
    "asked": [asked.get(key) for key in ("VolumeSize", "Iops", "Throughput")],
    "opens": opens,
}))
"""
# A bucket of a person's own, with texts to score.
TEXTS = 20
FILL_LAKE = f"""
import boto3
s3 = boto3.client("s3", region_name="us-east-1")
s3.create_bucket(Bucket="lake")
for number in range({TEXTS}):
    s3.put_object(Bucket="lake", Key=f"texts/{{number:02}}.txt", Body=b"a good day")
"""
RUN_JOB = """
import os, shlex, sys
from common.clients import Clients
from common.environment import load_environment
from common.waiting import SystemClock
from deploy.cluster.ray_access import ray_api
from deploy.verify.smoke import PYTHON, run_job
environment = load_environment(os.environ["RAYKILN_ENV"])
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
