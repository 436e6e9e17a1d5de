"""Ray in an image: the locked packages and no others, compiled, and usable by its command."""

import json
from hashlib import sha256
from typing import Any

from bake.ray_lock import Target, pins_for
from common.accelerators import PREFIX, RAYS_NAMES
from common.environment import load_environment
from deploy.release.autoscaler_yaml import Source, autoscaler_yaml
from deploy.release.ray_schema import FOLDER
from tests.image.conftest import Expected
from tests.unit.deploy.builders import the_settings

# node/ uses parts of Ray that are not documented.
HOLDS = """
import inspect, os
import ray
from node.ray.dashboard import import_everything
from node.ray import autoscaler, dashboard_agent
from node.ray.head_start import head_node
from node.ray.gcs import round_in, state_version_in
from ray._private import node, ray_constants, services
from ray.core.generated import autoscaler_pb2

ours = vars(head_node(node.Node))
overridden = [name for name in ours if not name.startswith("__")]
assert {"start_api_server", "start_ray_processes"} <= set(overridden)
print(*[name for name in overridden if not hasattr(node.Node, name)], sep="\\n")
assert {"command", "process_type"} <= set(services.start_ray_process.__annotations__)
assert ray_constants.PROCESS_TYPE_GCS_SERVER == "gcs_server"
assert ray_constants.PROCESS_TYPE_DASHBOARD == "dashboard"
assert ray_constants.PROCESS_TYPE_RAYLET == "raylet"
assert os.path.exists(os.path.join(os.path.dirname(ray.__file__), autoscaler.SCRIPT))
agent = os.path.join(services.RAY_PATH, "dashboard", "agent.py")
command = "--dashboard_agent_command=python -u {} --a"
found = dashboard_agent.with_our_agent(["raylet", command.format(agent)])
assert found == ["raylet", command.format("-m node.ray.dashboard_agent")], found
from ray.dashboard.modules.job.job_manager import JobManager
wanted = {"entrypoint_resources", "entrypoint_label_selector"}
assert wanted <= set(inspect.signature(JobManager.submit_job).parameters)
# node/ray/grpc_gcs.py and gcs.py ask for these by name and number.
service = autoscaler_pb2.DESCRIPTOR.services_by_name["AutoscalerStateService"]
assert service.full_name == "ray.rpc.autoscaler.AutoscalerStateService"
assert {"GetClusterStatus", "DrainNode"} <= set(service.methods_by_name)
reply = autoscaler_pb2.GetClusterStatusReply()
reply.autoscaling_state.last_seen_cluster_resource_state_version = 300
reply.autoscaling_state.autoscaler_state_version = 17
reply.cluster_resource_state.cluster_resource_state_version = 301
assert round_in(reply.SerializeToString()) == 300
assert state_version_in(reply.SerializeToString()) == 17
autoscaler.number_states_from(17)
from ray.autoscaler.v2.instance_manager.storage import InMemoryStorage
storage = InMemoryStorage()
storage.batch_update("instances", {"one": "launching"})
assert storage.get_version() == 18
import_everything()
"""
# What the drivers of NVIDIA call the GPUs of EC2's instance types (nvidia-smi -L), and EC2 itself.
DRIVERS = {
    "Tesla T4": "T4",
    "Tesla V100-SXM2-16GB": "V100",
    "NVIDIA A10G": "A10G",
    "NVIDIA L4": "L4",
    "NVIDIA L40S": "L40S",
    "NVIDIA A100-SXM4-40GB": "A100",
    "NVIDIA H100 80GB HBM3": "H100",
    "NVIDIA H200": "H200",
    "NVIDIA B200": "B200",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "RTX PRO Server 6000",
}
# Prints the names that tasks may ask for, and what Ray finds on a node with such a driver.
ACCELERATORS = """
import json
import sys
from ray._common.utils import RESOURCE_CONSTRAINT_PREFIX
from ray._private.accelerators import NvidiaGPUAcceleratorManager
from ray.util.accelerators import accelerators

names = [value for value in vars(accelerators).values() if isinstance(value, str)]
found = {n: NvidiaGPUAcceleratorManager._gpu_name_to_accelerator_type(n) for n in sys.argv[1:]}
print(json.dumps([RESOURCE_CONSTRAINT_PREFIX, names, found]))
"""
COMMANDS = """
import json, sys
from node.ray.launcher import warm_up
warm_up()
from ray.scripts import scripts
print(json.dumps([sorted(scripts.cli.commands), sorted(sys.modules)]))
"""
IMPORT = "import json, ray, boto3, yaml; print(json.dumps([ray.__version__, ray.__file__]))"


def test_what_waits_to_become_ray_start_has_not_imported_other_commands(machine: Any) -> None:
    command = "cd /opt/raykiln && /opt/ray/bin/python -B -c %s"

    commands, modules = json.loads(machine.check_output(command, COMMANDS))

    assert "start" in commands
    assert {"job", "list", "serve"} & set(commands) == set()
    assert {"aiohttp", "pydantic"} & set(modules) == set()


def test_ray_imports_from_its_own_environment(machine: Any, expected: Expected) -> None:
    version, file = json.loads(machine.check_output("/opt/ray/bin/python -B -c %s", IMPORT))

    assert version == expected.ray
    assert file == f"/opt/ray/lib/python{expected.python}/site-packages/ray/__init__.py"


def test_the_environment_holds_what_is_locked_and_nothing_else(
    machine: Any, expected: Expected
) -> None:
    software = json.loads(machine.check_output("cat /etc/raykiln/software.json"))
    architecture = machine.check_output("uname -m").replace("aarch64", "arm64")
    added = expected.additions / "added.txt"
    locks = [expected.provisioners / "ray.lock", *([added] if added.exists() else [])]
    target = Target(expected.python, architecture)
    locked = [pin for lock in locks for pin in pins_for(lock.read_text(), target)]

    found = {name.lower().replace("_", "-"): v for name, v in software["python"].items()}

    assert found == {pin.name: pin.version for pin in locked}
    assert software["python_version"].startswith(f"{expected.python}.")


def test_every_module_is_compiled(machine: Any, expected: Expected) -> None:
    tag = f"cpython-{expected.python.replace('.', '')}"
    found = "find /opt/ray/lib /opt/raykiln -name"
    counts = machine.check_output(f"{found} '*.py' | wc -l; {found} '*.{tag}.pyc' | wc -l").split()

    assert counts[0] == counts[1] != "0"


def test_no_compiled_module_is_older_than_its_source(machine: Any, expected: Expected) -> None:
    verbose = machine.run("/opt/ray/bin/python -v -c 'import ray'").stderr

    assert "ray/__pycache__/__init__" in verbose
    assert [line for line in verbose.splitlines() if line.startswith("# wrote")] == []


def test_the_command_ray_uses_the_clusters_token(machine: Any, expected: Expected) -> None:
    assert machine.check_output("ray --version") == f"ray, version {expected.ray}"
    assert {
        "export RAY_AUTH_MODE=token",
        'export RAY_AUTH_TOKEN_PATH="${RAY_AUTH_TOKEN_PATH:-/run/ray/token}"',
    } <= set(machine.check_output("cat /usr/local/bin/ray").splitlines())


def test_ray_has_the_parts_that_node_uses(machine: Any) -> None:
    done = machine.run("cd /opt/raykiln && /opt/ray/bin/python -B -c %s", HOLDS)

    assert (done.rc, done.stdout.split()) == (0, []), done.stderr


def test_ray_calls_accelerators_as_the_autoscaler_expects_them(machine: Any) -> None:
    command = "/opt/ray/bin/python -B -c %s " + " ".join(["%s"] * len(DRIVERS))
    prefix, names, found = json.loads(machine.check_output(command, ACCELERATORS, *DRIVERS))

    assert prefix == PREFIX
    assert set(RAYS_NAMES.values()) - set(names) == set()
    assert found == {driver: RAYS_NAMES[name] for driver, name in DRIVERS.items()}


def test_rays_schema_is_the_one_in_the_repository(machine: Any, expected: Expected) -> None:
    path = f"/opt/ray/lib/python{expected.python}/site-packages/ray/autoscaler/ray-schema.json"

    found = machine.check_output("sha256sum %s", path).split()[0]

    assert found == sha256((FOLDER / f"{expected.ray}.json").read_bytes()).hexdigest()


def test_ray_accepts_the_configuration_that_a_deploy_makes(machine: Any) -> None:
    assert checked(machine, a_configuration()) == "accepted"


def test_ray_refuses_an_unknown_key_of_the_autoscalers_configuration(machine: Any) -> None:
    assert checked(machine, a_configuration() + "max_worker: 5\n") == (
        "refused: Additional properties are not allowed ('max_worker' was unexpected)"
    )


def a_configuration() -> str:
    """Return the YAML of a deploy that removes a group."""
    environment = load_environment("local")
    settings = the_settings(environment)
    sources = {group.name: Source("lt-1", 1, ("subnet-a",)) for group in settings.groups}
    return autoscaler_yaml(environment, settings, sources, removed=("old",))


def checked(machine: Any, text: str) -> str:
    """Return what the image's Ray says of an autoscaler's YAML."""
    check = "/opt/ray/bin/python -B -m node.ray.config_check /dev/stdin"
    return str(machine.check_output(f"cd /opt/raykiln && printf %s %s | {check}", "%s", text))
