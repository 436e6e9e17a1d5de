"""The whole way, with the commands an operator types: bake, deploy, use, lose the head, destroy.

Each test continues where the one before it stopped. All but those with the mark LOCAL run on an
account of AWS too: ``invoke test --only cloud --env NAME``.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import control
from localcloud.session import operator_command
from tests.cloud.browser import browser
from tests.cloud.cluster_facts import (
    FILL_LAKE,
    READ_SECRET,
    ROOT,
    RUN_JOB,
    TASKS,
    TEXTS,
    Groups,
    ami_ids,
    environments,
    ids,
    inside,
    job_lines,
    launched,
    leader_address,
    on,
    one_of,
    running,
    running_heads,
)
from tests.cloud.connection import connected
from tests.cloud.harness import eventually, require_machines
from tests.cloud.invocation import Invoke, invoking
from tests.marks import THOROUGH_ONLY

HOSTILE = Path(__file__).with_name("hostile") / "job.py"
WHERE = ("python", "-c", "import os; print('ran on', os.environ['RAYKILN_ADDRESS'])")
CALLS = ("read the lease", "write the lease", "launch", "terminate", "the secret's parameter")
# What a hostile job gets wherever it runs; the token is what lets it use Ray at all. systemd takes
# what is sent to it from anyone, and heeds no one but the guard.
NOTHING = {
    "the identity": "PermissionError",
    "the autoscaler's YAML": "PermissionError",
    "a file beside": "PermissionError",
    "the autoscaler's folder": "PermissionError",
    "the guard's code": "PermissionError",
    "environment of others": "got 0",
    "the guard": "PermissionError",
    "the guard's watchdog": "sent",
    "the guard's unit": "refused",
    "the worker's unit": "refused",
    "systemd": "PermissionError",
    "another job's log": "got it",
    "Ray's raylet": "got it",
    "Ray's object store": "got it",
    "the token": "got it",
}
TOKEN_FIELD = "input[type=password]"
JOB = ("job.submit", "--", "true")
# What a data scientist may not do.
DEPLOYERS = (
    *(("deploy", "--yes"), ("pause", "--yes"), ("destroy", "--yes"), ("cost",)),
    *(("token.rotate", "--yes"), ("head.restart", "--yes")),
)
EXAMPLE = ("job.submit", "--working-dir", str(ROOT / "examples"), "--follow", "--", "python")
IN_LAKE = ("--bucket", "lake", "--group", "tools")
# Of the plan and of the rollout, in this order.
REMOVAL = ("drain the ", "autoscaler configuration without ")


LOCAL = pytest.mark.usefixtures("local_means")


@pytest.fixture(scope="module")
def invoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Invoke]:
    """Invoke on an environment of this run alone."""
    with invoking(tmp_path_factory.mktemp("e2e")) as found:
        yield found


@pytest.fixture(scope="module")
def local_means() -> None:
    """Skip on AWS what needs the local cloud's machines, or an account that has nothing else."""
    require_machines()


def test_without_images_a_deploy_is_refused_and_says_what_to_do(invoke: Invoke) -> None:
    before = ami_ids(invoke("images").stdout)

    done = invoke("deploy", "--yes", code=1)

    assert "invoke bake" in done.stderr
    assert ami_ids(invoke("images").stdout) == before


def test_a_bake_makes_a_verified_image_of_each_role(invoke: Invoke) -> None:
    before = ami_ids(invoke("images").stdout)

    done = invoke("bake").stdout

    listed = invoke("images").stdout
    made = ami_ids(listed) - before
    assert not any(" no" in line for line in listed.splitlines() if ami_ids(line) & made)
    assert len(made) == done.count("baked and verified") == 2
    assert made == ami_ids(done)


def test_the_same_content_is_not_baked_twice(invoke: Invoke) -> None:
    before = ami_ids(invoke("images").stdout)

    done = invoke("bake")

    assert done.stdout.count("nothing to do") == 2
    assert ami_ids(invoke("images").stdout) == before


def test_a_plan_changes_nothing(invoke: Invoke) -> None:
    first, second = invoke("plan").stdout, invoke("plan").stdout

    assert f"+ group ray-head-asg-{invoke.run.name}" in first
    assert first == second
    assert "not deployed" in invoke("status", code=2).stdout


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


@LOCAL
def test_all_of_that_was_done_without_a_line_into_the_vpc(invoke: Invoke) -> None:
    names = [
        invoke.run.environment().head_dns,
        leader_address(json.loads(invoke("status", "--json").stdout)),
    ]
    asked = operator_command([sys.executable, "-c", LINES, *names])
    found = subprocess.run(asked, capture_output=True, text=True, check=True)

    assert found.stdout.split("\n")[:2] == ["Network is unreachable", "no address"]
    checks = json.loads(invoke("verify", "--json").stdout)
    seen = {check["name"]: check["seen"] for check in checks}
    assert seen["job submission works"].endswith("through Session Manager")


def test_a_job_of_ones_own_runs_with_its_folder_and_its_log_comes_back(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text("import sys; print(open('data').read(), sys.argv[1:])\n")
    (tmp_path / "data").write_text("epochs:")

    submit = ("job.submit", "--working-dir", str(tmp_path), "--follow", "--")
    done = invoke(*submit, "python", "train.py", "3 times").stdout
    job = re.search(r"^job-[0-9a-f]{12}$", done, re.MULTILINE)

    assert job
    assert "epochs: ['3 times']" in done
    assert done.endswith("the job has succeeded\n")
    assert "epochs: ['3 times']" in invoke("job.logs", job[0]).stdout
    listed = json.loads(invoke("job.list", "--json").stdout)
    assert {line["id"]: line["status"] for line in listed}[job[0]] == "SUCCEEDED"


@LOCAL
def test_what_a_job_prints_is_in_cloudwatch_by_its_name(invoke: Invoke) -> None:
    printed = invoke("job.submit", "--follow", "--", "python", "-c", PRINTS).stdout
    (job,) = re.findall(r"^job-[0-9a-f]{12}$", printed, re.MULTILINE)
    (worker,) = ids(json.loads(invoke("status", "--json").stdout)["workers"])

    eventually("its lines in CloudWatch", lambda: len(job_lines(job).get(worker, {})) > 1)

    lines = job_lines(job)[worker]
    assert lines["the driver says so"] == ""
    assert lines["a task says so"] == "say"


def test_a_job_is_stopped(invoke: Invoke) -> None:
    job = invoke("job.submit", "--", "sleep", "600").stdout.splitlines()[-1]

    invoke("job.stop", job)

    listed = json.loads(invoke("job.list", "--json").stdout)
    assert {line["id"]: line["status"] for line in listed}[job] == "STOPPED"


def test_a_jobs_driver_runs_on_a_worker_unless_a_person_says_otherwise(invoke: Invoke) -> None:
    report = json.loads(invoke("status", "--json").stdout)
    workers = {worker["address"] for worker in report["workers"]}

    assert where(invoke("job.submit", "--follow", "--", *WHERE).stdout) in workers
    on_head = invoke("job.submit", "--on-head", "--follow", "--", *WHERE).stdout
    assert where(on_head) == leader_address(report)


@LOCAL
def test_a_hostile_job_gets_neither_the_heads_role_nor_at_its_guard(invoke: Invoke) -> None:
    report = json.loads(invoke("status", "--json").stdout)
    worker = report["workers"][0]["id"]
    submit = ("job.submit", "--working-dir", str(HOSTILE.parent), "--follow")
    name = invoke.run.name
    job = ("--", "python", HOSTILE.name, name, f"raykiln-lease-{name}", worker)

    on_head, on_worker = (
        attempts(invoke(*submit, *place, *job).stdout) for place in (("--on-head",), ())
    )

    assert on_head == NOTHING | {
        "metadata": "ConnectionRefusedError",
        "the guard's port": "answered 501",
        "ports of others": "saw 22 8479 44217",
        **dict.fromkeys(CALLS, "NoCredentialsError"),
    }
    assert on_worker == NOTHING | {
        "metadata": "got a role",
        "the guard's port": "ConnectionRefusedError",
        "ports of others": "saw 22",
        **dict.fromkeys(CALLS, "AccessDeniedException"),
        "read the lease": "got it",
        "launch": "UnauthorizedOperation",
        "terminate": "UnauthorizedOperation",
        "the secret's parameter": "got it",
        "a file beside": "got it",
        "the autoscaler's YAML": "FileNotFoundError",
        "the autoscaler's folder": "FileNotFoundError",
    }
    after = json.loads(invoke("status", "--json").stdout)
    assert (after["leader"], after["epoch"]) == (report["leader"], report["epoch"])


@LOCAL
def test_a_data_scientist_runs_jobs_and_changes_nothing(invoke: Invoke) -> None:
    before = json.loads(invoke("status", "--json").stdout)

    printed = as_scientist("job.submit", "--follow", "--", "echo", "hello").stdout

    assert "\nhello\n" in printed
    (job,) = re.findall(r"^job-[0-9a-f]{12}$", printed, re.MULTILINE)
    assert "hello\n" in as_scientist("job.logs", job).stdout
    for command in DEPLOYERS:
        assert "not authorized to perform" in as_scientist(*command, code=2).stderr
    after = json.loads(invoke("status", "--json").stdout)
    assert (after["epoch"], after["problems"]) == (before["epoch"], [])


def test_a_job_that_fails_fails_the_command(invoke: Invoke) -> None:
    done = invoke("job.submit", "--follow", "--", "python", "-c", "raise SystemExit(3)", code=2)

    assert done.stdout.endswith("the job has failed\n")


@LOCAL
def test_connect_opens_the_dashboard_in_a_browser_and_ends_cleanly(invoke: Invoke) -> None:
    with connected() as lines, browser() as window:
        window.open(lines.dashboard)
        eventually("the dashboard's question for the token", lambda: window.count(TOKEN_FIELD))
        window.type(TOKEN_FIELD, lines.token_file.read_text() + "\n")
        window.open(f"{lines.dashboard}/#/cluster")
        address = leader_address(json.loads(invoke("status", "--json").stdout))
        eventually("the head in the dashboard", lambda: address in window.text())
        mode = lines.token_file.stat().st_mode

    assert mode & 0o777 == 0o600
    assert not lines.token_file.exists()
    assert lines.process.returncode == 0
    eventually("its last words", lambda: lines.said[-1] == f"{invoke.run.name}: closed")


@LOCAL
def test_the_secret_is_only_where_it_belongs(invoke: Invoke) -> None:
    secret = inside(READ_SECRET).strip()
    assert re.fullmatch(r"[0-9a-f]{64}", secret)

    for machine in control.status().machines:
        assert places_of(secret, machine) == ["/run/ray/token"]


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
    assert [head["id"] for head in running_heads(after)] == [after["leader"]]
    assert after["leader"] != before["leader"]
    assert ids(after["workers"]) == ids(before["workers"])
    assert after["leader"] in invoke("smoke").stdout
    assert "nothing to change" in invoke("deploy", "--yes").stdout


def test_the_previous_release_is_served_again(invoke: Invoke) -> None:
    before = json.loads(invoke("status", "--json").stdout)

    invoke("rollback", "--yes")

    after = json.loads(invoke("status", "--json").stdout)
    assert after["problems"] == []
    assert running_heads(after)[0]["image"] != running_heads(before)[0]["image"]
    assert ids(after["workers"]) == ids(before["workers"])
    assert after["release"] in invoke("releases").stdout.splitlines()[2]


def test_the_cluster_survives_the_loss_of_its_head(invoke: Invoke) -> None:
    before = json.loads(invoke("status", "--json").stdout)
    job = invoke("job.submit", "--", "sleep", "600").stdout.splitlines()[-1]

    with connected() as lines:
        assert lines.ran_on() in {worker["address"] for worker in before["workers"]}
        checks = json.loads(invoke("verify", "--destructive", "--yes", "--json").stdout)
        again = re.compile(
            rf"{invoke.run.name}: connected to (\S+) through Session Manager after ([\d.]+) s"
        )
        eventually("another connection", lambda: len(lines.matching(again)) > 1)
        ran_on = lines.ran_on()

    after = json.loads(invoke("status", "--json").stdout)
    assert ran_on in {worker["address"] for worker in after["workers"]}
    assert lines.matching(again)[-1][1] == after["leader"]
    assert float(lines.matching(again)[-1][2]) < (60 if invoke.run.is_local else 300)
    lost = invoke("job.logs", job, code=2).stderr
    assert f"{job} was lost with its head" in lost
    again_by = f"run it again: invoke job.submit --env {invoke.run.name} -- sleep 600"
    assert again_by in lost
    last = invoke("head.logs", "--id", before["leader"], "--lines", "500").stdout
    assert "now=leading" in last
    assert "stopping Ray" in last
    assert [check["name"] for check in checks if not check["passed"]] == []
    assert after["leader"] != before["leader"]
    assert after["epoch"] > before["epoch"]
    assert after["problems"] == []


@pytest.fixture(scope="module")
def groups(invoke: Invoke, tmp_path_factory: pytest.TempPathFactory) -> Groups:
    """Environments with the heads that there are, which differ in their groups of workers.

    The group tools reads and writes the bucket lake.
    """
    inside(FILL_LAKE)
    (head,) = running_heads(json.loads(invoke("status", "--json").stdout))
    return environments(invoke.run, tmp_path_factory.mktemp("environments"), head["image"])


@LOCAL
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
        "gib": 24,
        "asked": [24, 4000, 250],
        "opens": [["tcp", 5432, "10.0.0.0/8"]],
    }
    assert launched(worker)["opens"] == []


@LOCAL
def test_rays_metrics_are_at_one_port_of_each_node_for_heads_alone(invoke: Invoke) -> None:
    report = json.loads(invoke("status", "--json").stdout)
    worker, tools = (one_of(report, group) for group in ("worker", "tools"))

    for address in (leader_address(report), worker["address"], tools["address"]):
        assert "ray_node_cpu_utilization{" in metrics_of(address, seen_by=report["leader"])
    assert metrics_of(tools["address"], seen_by=worker["id"]) == ""
    assert metrics_of(leader_address(report), seen_by=worker["id"]) == ""
    named = on(report["leader"], "cat /tmp/ray/prom_metrics_service_discovery.json")
    for address in (leader_address(report), worker["address"], tools["address"]):
        assert f'"{address}:8480"' in named


@LOCAL
def test_a_task_runs_in_the_group_that_has_what_it_wants(invoke: Invoke) -> None:
    printed = inside(RUN_JOB, TASKS)

    ran = dict(re.findall(r"^(\w+) ran on (\S+)$", printed, re.MULTILINE))
    after = json.loads(invoke("status", "--json").stdout)
    tools, gpu = (one_of(after, group) for group in ("tools", "gpu"))
    assert ran == {"resource": tools["address"], "label": tools["address"], "gpu": gpu["address"]}
    assert gpu["type"] == "g6.xlarge"
    assert int(re.findall(r"^(\d+) bytes spilled$", printed, re.MULTILINE)[0]) > 100 * 1024**2
    assert after["problems"] == []


@LOCAL
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


@LOCAL
def test_a_rollback_restores_the_groups(invoke: Invoke, groups: Groups) -> None:
    invoke("rollback", "--yes", "--env", groups.one)

    after = json.loads(invoke("status", "--json").stdout)
    assert after["problems"] == []
    assert running(after) == {"worker": 1, "tools": 1, "gpu": 0}
    assert launched(one_of(after, "tools"))["gib"] == 24


@LOCAL
def test_the_examples_run_on_a_cluster(invoke: Invoke) -> None:
    mapped = invoke(*EXAMPLE, "parallel_map.py").stdout
    assert "148933 primes below 2000000" in mapped

    scored = invoke(*EXAMPLE, "batch_inference.py", *IN_LAKE).stdout
    assert f"{TEXTS} texts scored in 2 batches" in scored
    assert "0 texts scored in 0 batches" in invoke(*EXAMPLE, "batch_inference.py", *IN_LAKE).stdout


@LOCAL
def test_training_goes_on_from_its_checkpoint_after_a_rotation_has_ended_it(
    invoke: Invoke,
) -> None:
    training = ("train.py", *IN_LAKE, "--steps", "600")
    begun = [word for word in EXAMPLE if word != "--follow"]
    job = invoke(*begun, *training, "--pause", "0.1").stdout.splitlines()[-1]
    eventually("a checkpoint", lambda: "checkpoint at step 100" in invoke("job.logs", job).stdout)

    before = inside(READ_SECRET)
    said = invoke("token.rotate", "--yes").stdout

    assert f"1 job ends: {job}\n" in said
    assert inside(READ_SECRET) != before
    assert f"{job} was lost with its head" in invoke("job.logs", job, code=2).stderr
    printed = invoke(*EXAMPLE, *training).stdout
    step = re.search(r"goes on from step (\d+)", printed)
    assert step
    assert 100 <= int(step[1]) < 600
    assert re.search(r"y = \d\.\d x \+ -\d\.\d after 600 steps", printed)


def costs(invoke: Invoke) -> set[str]:
    """Return what costs something."""
    return {line["what"] for line in json.loads(invoke("cost", "--json").stdout)["lines"]}


@LOCAL
def test_a_paused_cluster_has_no_instance_and_is_whole_again_after_a_resume(
    invoke: Invoke, groups: Groups
) -> None:
    before = json.loads(invoke("status", "--json").stdout)
    assert {"heads", "group worker", "volumes", "load balancer"} <= costs(invoke)

    began = time.monotonic()
    invoke("pause", "--yes")
    paused = time.monotonic() - began
    assert control.status().machines == ()
    during = json.loads(invoke("status", "--json").stdout)
    assert (during["paused"], during["problems"]) == (True, [])
    assert costs(invoke) == {"load balancer", "VPC endpoints"}
    refused = (
        *(("deploy", "--yes", "--env", groups.three), ("verify",), ("head.id",)),
        *(JOB, ("job.list",), ("job.logs", "job-0"), ("job.stop", "job-0")),
    )
    for command in refused:
        assert f"{invoke.run.name} is paused" in invoke(*command, code=1).stderr

    began = time.monotonic()
    invoke("resume", "--yes")
    print(f"paused in {paused:.1f} s, resumed in {time.monotonic() - began:.1f} s")
    after = json.loads(invoke("status", "--json").stdout)
    assert (after["paused"], after["problems"]) == (False, [])
    assert after["release"] == before["release"]
    assert running(after) == {"worker": 1, "tools": 1, "gpu": 0}
    assert after["leader"] in invoke("smoke").stdout


@THOROUGH_ONLY
@LOCAL
def test_with_stored_state_a_rotation_ends_what_runs_and_keeps_what_is_stored(
    invoke: Invoke, groups: Groups
) -> None:
    env = ("--env", groups.stored)
    submit = ("job.submit", *env, "--follow", "--", "python", "-c")
    invoke("deploy", "--yes", *env)
    made = invoke(*submit, MAKE_KEEPERS).stdout
    assert {"once 3", "again 3"} <= set(made.splitlines())
    job = invoke("job.submit", *env, "--", "sleep", "600").stdout.splitlines()[-1]
    token, password = inside(READ_SECRET), inside(READ_SECRET, "state_password")

    began = time.monotonic()
    said = invoke("token.rotate", "--yes", *env).stdout
    print(f"rotated in {time.monotonic() - began:.1f} s: {said}")

    assert f"1 job ends: {job}\n" in said
    assert inside(READ_SECRET) != token != password == inside(READ_SECRET, "state_password")
    leader = invoke("head.id", *env).stdout.strip()
    listed = invoke("job.list", *env).stdout
    assert "SUCCEEDED" in listed
    found = set(invoke(*submit, CALL_KEEPERS).stdout.splitlines())
    assert {"once is gone", "again 1"} <= found
    for machine in control.status().machines:
        places = places_of(password.strip(), machine)
        leads = machine == leader
        assert places == (["/run/ray/redis/redis.flags", "/run/ray/redis_password"] * leads)


def test_destroy_leaves_nothing_but_the_images(invoke: Invoke) -> None:
    images = ami_ids(invoke("images").stdout)

    invoke("destroy", "--yes")

    assert "not deployed" in invoke("status", code=2).stdout
    assert control.status().machines == ()
    assert "nothing to change" in invoke("destroy", "--yes").stdout
    assert ami_ids(invoke("images").stdout) == images


def as_scientist(*arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    """Invoke a command with the credentials of the role of data scientists."""
    command = operator_command([sys.executable, "-c", SCIENTIST, *arguments])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{arguments}:\n{done.stdout[-4000:]}{done.stderr}"
    return done


def places_of(secret: str, machine: str) -> list[str]:
    """Return where a machine has a secret: files, processes, or its journal."""
    found = subprocess.run(
        control.shell_command(machine, ["bash", "-c", WHERE_IS_IT]),
        input=secret,
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted(found.stdout.split())


def metrics_of(address: str, *, seen_by: str) -> str:
    """Return a node's metrics as another machine sees them; empty when it cannot."""
    return on(seen_by, f"curl --silent --max-time 5 http://{address}:8480/metrics")


def where(printed: str) -> str:
    """Return the address that a job printed."""
    return str(re.findall(r"^ran on (\S+)$", printed, re.MULTILINE)[0])


def attempts(printed: str) -> dict[str, str]:
    """Return what a hostile job got, by what it tried."""
    return dict(json.loads(re.findall(r"^tried: (.+)$", printed, re.MULTILINE)[0]))


SCIENTIST = """
import os, sys
from common.clients import Clients
from common.environment import load_environment
from deploy.account.account_setup import assume_role
environment = load_environment(os.environ["RAYKILN_ENV"])
os.environ.update(assume_role(Clients(environment.region), environment, "scientist"))
os.execv(sys.executable, [sys.executable, "-m", "invoke", *sys.argv[1:]])
"""
# Two detached actors, one of which Ray may restart.
MAKE_KEEPERS = """
import ray
ray.init(namespace="kept")
@ray.remote(num_cpus=0)
class Keeper:
    def __init__(self):
        self.calls = 0
    def call(self):
        self.calls += 1
        return self.calls
for name, restarts in (("once", 0), ("again", -1)):
    keeper = Keeper.options(name=name, lifetime="detached", max_restarts=restarts).remote()
    print(name, [ray.get(keeper.call.remote()) for _ in range(3)][-1])
"""
CALL_KEEPERS = """
import ray
ray.init(namespace="kept")
for name in ("once", "again"):
    try:
        print(name, ray.get(ray.get_actor(name).call.remote(), timeout=60))
    except (ValueError, ray.exceptions.RayActorError):
        print(name, "is gone")
"""
# A driver and a task, which both print.
PRINTS = """
import ray
@ray.remote
def say():
    print("a task says so")
ray.get(say.remote())
print("the driver says so")
"""
# Whether the leader's address can be connected to, and whether the stable name resolves.
LINES = """
import socket, sys
try:
    socket.create_connection((sys.argv[2], 8265), 3)
    print("connected")
except OSError as error:
    print(error.strerror or error)
try:
    print(socket.getaddrinfo(sys.argv[1], 8265))
except socket.gaierror:
    print("no address")
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
