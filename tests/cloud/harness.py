"""The local cloud under test and its operator, for the tests of this folder."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from common.waiting import Seen, SystemClock, wait_for
from localcloud import control, session
from localcloud.cgroups import Group
from localcloud.network import DEVICE, namespaces
from localcloud.paths import Paths, paths
from tests.cloud.suite_run import is_local

TIMEOUT_SECONDS = 240.0  # is reached only by what fails, on however slow a machine
REPOSITORY = Path(__file__).parents[2]


class AwsError(Exception):
    """The error that AWS returned; ``code`` is its code."""

    def __init__(self, error: dict[str, str]) -> None:
        super().__init__(f"{error['Code']}: {error['Message']}")
        self.code = error["Code"]


class Service:
    """A service as the operator reaches it: ``operator.ec2.describe_instances(...)``."""

    def __init__(self, operator: "Operator", name: str) -> None:
        self._operator = operator
        self._name = name

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            reply = self._operator.ask("aws", self._name, operation, parameters)
            assert "unlike" not in reply, reply["unlike"]
            if "error" in reply:
                raise AwsError(reply["error"])
            return reply["answer"]

        return call


class Operator:
    """A process inside the VPC that acts for the tests (tests/cloud/agent.py)."""

    def __init__(self, account: str = "") -> None:
        agent = [sys.executable, "-m", "tests.cloud.agent"]
        profile = ["env", f"AWS_PROFILE={account}"] if account else []
        command = session.operator_command([*profile, *agent], inside=True)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )

    def __getattr__(self, service: str) -> Service:
        return Service(self, service)

    def ask(self, *request: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def dial(self, ip: str, port: int, seconds: float = 1.0) -> str:
        """Connect; return ``from ADDRESS``, or the name of what went wrong."""
        return str(self.ask("dial", ip, port, seconds)["answer"])

    def resolve(self, name: str) -> list[str]:
        return list(self.ask("resolve", name)["answer"])

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(TIMEOUT_SECONDS)


class Cloud:
    """The cloud under test: its operator, and shorthands that every test needs."""

    def __init__(self, place: Paths, account: str = "") -> None:
        self.place = place
        self.aws = Operator(account)

    def base_image(self) -> str:
        images = self.aws.ec2.describe_images(Owners=["136693071363"])["Images"]
        return str(images[0]["ImageId"])

    def launch(self, **parameters: Any) -> dict[str, Any]:
        """Launch one instance, of the base image by default, and return it running."""
        image = {} if "ImageId" in parameters else {"ImageId": self.base_image()}
        wanted = {"InstanceType": "t3.micro", **image, **parameters}
        answer = self.aws.ec2.run_instances(MinCount=1, MaxCount=1, **wanted)
        return self.until(answer["Instances"][0]["InstanceId"], "running")

    def describe(self, instance_id: str) -> dict[str, Any]:
        found = self.aws.ec2.describe_instances(InstanceIds=[instance_id])
        return dict(found["Reservations"][0]["Instances"][0])

    def until(self, instance_id: str, state: str) -> dict[str, Any]:
        """Wait until the instance is in that state."""

        def look() -> Seen[dict[str, Any]]:
            instance = self.describe(instance_id)
            seen = instance["State"]["Name"]
            return Seen(instance if seen == state else None, seen)

        return dict(until(f"{instance_id} {state}", look))

    def on(self, instance_id: str, script: str) -> str:
        """Run a script as root on a machine, and return what it printed."""
        done = self.attempt(instance_id, script)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def attempt(self, instance_id: str, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a script as root on a machine; it may fail, or the machine may not be up (255)."""
        try:
            command = control.shell_command(instance_id, ["sh", "-c", script])
        except Refused as refusal:
            return subprocess.CompletedProcess([], 255, "", str(refusal))
        return subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )

    def is_up(self, instance_id: str) -> bool:
        return bool(Group(self.place.name, instance_id).processes())

    def image_of(self, instance_id: str, name: str) -> str:
        """Stop a machine and create an image of it; return its id when it is available."""
        self.aws.ec2.stop_instances(InstanceIds=[instance_id])
        self.until(instance_id, "stopped")
        image = str(self.aws.ec2.create_image(InstanceId=instance_id, Name=name)["ImageId"])

        def look() -> Seen[str]:
            state = self.aws.ec2.describe_images(ImageIds=[image])["Images"][0]["State"]
            return Seen(image if state == "available" else None, state)

        return str(until(f"image {name}", look))

    def traces(self, instance_id: str) -> list[str]:
        """Return everything of a machine that is on the host."""
        groups = [path for path in Group(self.place.name, instance_id).paths if path.exists()]
        nspawn = Path("/run/systemd/nspawn").glob(f"*/{instance_id}")
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        return [
            *(name for name in namespaces(self.place.name) if instance_id in name),
            *map(str, groups),
            *map(str, nspawn),
            *(line for line in mounts if instance_id in line),
            *map(str, self.place.machines.glob(instance_id)),
            *(file for file in loop_files() if instance_id in file),
        ]

    @contextmanager
    def route_to(self, ip: str) -> Iterator[None]:
        """Give the VPC a route to a public address for a while, as someone might by mistake."""
        route = ["ip", "-n", self.place.name, "route"]
        subprocess.run([*route, "add", f"{ip}/32", "dev", DEVICE], check=True)
        try:
            yield
        finally:
            subprocess.run([*route, "del", f"{ip}/32"], check=True)

    def booted(self, instance: dict[str, Any]) -> dict[str, Any]:
        """Wait until the machine's first boot is over."""
        self.on(instance["InstanceId"], "cloud-init status --wait >/dev/null; true")
        return instance

    def terminate(self, *instance_ids: str) -> None:
        """Terminate instances, and wait until they are."""
        self.aws.ec2.terminate_instances(InstanceIds=list(instance_ids))
        for instance_id in instance_ids:
            self.until(instance_id, "terminated")

    def group(self, name: str, *rules: dict[str, Any], vpc: str = "") -> str:
        """Make a security group with these inbound rules."""
        where = {"VpcId": vpc} if vpc else {}
        group = self.aws.ec2.create_security_group(GroupName=name, Description=name, **where)
        if rules:
            self.aws.ec2.authorize_security_group_ingress(
                GroupId=group["GroupId"], IpPermissions=list(rules)
            )
        return str(group["GroupId"])


def loop_files() -> list[str]:
    """Return the files that are loop devices of this host."""
    return [path.read_text().strip() for path in Path("/sys/block").glob("*/loop/backing_file")]


def until(what: str, look: Callable[[], Seen[Any]], seconds: float = TIMEOUT_SECONDS) -> Any:
    """Wait until ``look`` finds what is expected."""
    return wait_for(what, look, clock=SystemClock(), seconds=seconds, every=0.1)


def eventually(what: str, holds: Callable[[], Any], seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait until something holds."""

    def look() -> Seen[bool]:
        return Seen(True, "yes") if holds() else Seen(None, "not yet")

    until(what, look, seconds)


def require_machines() -> None:
    """Skip where the local cloud cannot run, and where the tests are pointed at AWS."""
    if not is_local():
        pytest.skip("needs the local cloud's own means")
    try:
        control.check_host()
    except Refused as refusal:
        pytest.skip(str(refusal))


@contextmanager
def home(folder: Path) -> Iterator[Paths]:
    """Make ``folder`` the home of the local cloud for a while; the cache stays where it is."""
    cache = str(paths().cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYKILN_CACHE", cache)
        patch.setenv("RAYKILN_HOME", str(folder))
        yield paths()


@contextmanager
def running_cloud(folder: Path) -> Iterator[Cloud]:
    """Start a local cloud whose home is ``folder``, and take it down afterwards."""
    require_machines()
    with home(folder) as place:
        control.up()
        here = Cloud(place)
        try:
            yield here
        finally:
            here.aws.close()
            control.down()
