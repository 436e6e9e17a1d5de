"""A person's own tests of an image, as testinfra has them."""

import json
from typing import Any

import pytest

# A task of Ray's, with the environment that the unit of heads and workers reads.
TASK = """
import json, os, ray
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)

@ray.remote
def look():
    import iniconfig
    return [os.environ["HF_HOME"], os.environ["GREETING"], iniconfig.__file__]

print(json.dumps(ray.get(look.remote())))
"""
AS_THE_UNIT = (
    "systemd-run --quiet --wait --pipe --property=User=ray "
    "--property=EnvironmentFile=/etc/raykiln/image.env --property=WorkingDirectory=/var/lib/ray "
    "/opt/ray/bin/python -B -c %s 2>/dev/null"
)


def test_a_task_sees_the_environment_and_the_package(host: Any) -> None:
    home, greeting, module = json.loads(host.check_output(AS_THE_UNIT, TASK).splitlines()[-1])

    assert home == "/data/hf"
    assert greeting == 'a "quoted" $HOME \\ `word`'
    assert module.startswith("/opt/ray/lib/")


def test_the_package_is_installed(host: Any) -> None:
    assert host.check_output("apps-tool") == "from the base's archive"


def test_the_provisioners_ran_in_order(host: Any) -> None:
    assert host.file("/opt/apps/owner").content_string == "apps\n"


def test_the_service_serves_a_file_of_the_provisioners(host: Any) -> None:
    fetch = "curl --silent --retry 5 --retry-connrefused http://127.0.0.1:9105/"

    assert host.check_output(fetch) == "served by the image"


def test_a_gpu_is_there(host: Any) -> None:
    if host.run("nvidia-smi").rc:
        pytest.skip("the build instance has no GPU")
