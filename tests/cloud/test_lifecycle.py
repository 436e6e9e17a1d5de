"""Up, down, crash; images; what a cloud leaves behind: nothing."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import PipelineError, Refused
from localcloud import control, session
from localcloud.cgroups import Group
from localcloud.images import mount_point
from localcloud.network import namespaces
from localcloud.paths import Paths
from tests.cloud.harness import AwsError, Cloud, eventually, home, require_machines


def remains(place: Paths) -> list[str]:
    """Return everything of a cloud that is on this host, except its cache."""
    mounts = [
        point
        for point in map(mount_point, Path("/proc/self/mounts").read_text().splitlines())
        if str(place.home) in point or f"/{place.name}" in point
    ]
    files = [path for path in place.home.rglob("*") if not path.is_relative_to(place.cache)]
    nspawn = Path("/run/systemd/nspawn").glob("*/i-*")
    return [
        *namespaces(place.name),
        *(str(path) for path in Group(place.name).paths if path.exists()),
        *mounts,
        *map(str, Path("/run").glob(f"{place.name}*")),
        *map(str, files),
        *(str(path) for path in nspawn if path.name in str(mounts)),
        *(f"process {pid}" for pid in processes_of(place)),
    ]


def processes_of(place: Paths) -> list[int]:
    """Return the processes that have this home in their arguments or environment."""
    names = [str(name).encode() for name in (place.home, *place.links)]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if any(name in told for name in names) and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


@pytest.fixture
def other_home(tmp_path: Path) -> Any:
    """A separate home, for a test that brings its own cloud up and down."""
    require_machines()
    with home(tmp_path / 'another home, of "ours" #2') as place:
        yield place
        control.down()


def test_down_leaves_nothing(other_home: Paths) -> None:
    control.up()
    instance = launched(other_home)
    assert remains(other_home)

    control.down()

    assert remains(other_home) == []
    assert not instance["gone"]()


def test_down_leaves_nothing_after_the_server_was_killed(other_home: Paths) -> None:
    control.up()
    instance = launched(other_home)
    root = (other_home.machines / instance["InstanceId"] / "root").stat()
    lock = Path(f"/run/systemd/nspawn/locks/inode-{root.st_dev}:{root.st_ino}")
    assert lock.exists()
    pid = control.status().pid
    assert pid
    os.kill(pid, signal.SIGKILL)

    control.down()

    assert remains(other_home) == []
    assert not lock.exists()


def test_down_leaves_nothing_when_the_home_was_deleted(other_home: Paths) -> None:
    control.up()
    shutil.rmtree(other_home.home)
    assert namespaces(other_home.name)

    control.down()

    assert remains(other_home) == []


def test_up_after_a_crash_starts_a_new_cloud(other_home: Paths) -> None:
    control.up()
    launched(other_home)
    first = control.status().pid
    assert first
    os.kill(first, signal.SIGKILL)
    eventually("the server's exit", lambda: not control.status().running)

    control.up()

    again = control.status()
    assert again.running
    assert again.pid != first
    assert again.machines == ()


def test_up_twice_changes_nothing(other_home: Paths) -> None:
    control.up()
    before = control.status()

    control.up()

    assert control.status() == before


def test_down_without_a_cloud_does_nothing(other_home: Paths) -> None:
    control.down()

    assert remains(other_home) == []


def test_two_clouds_are_separate(cloud: Cloud, other_home: Paths) -> None:
    control.up()

    assert other_home.name != cloud.place.name
    control.down()
    assert cloud.aws.sts.get_caller_identity()["Account"] == "123456789012"


def test_only_its_owner_can_read_the_operators_key(cloud: Cloud) -> None:
    mode = stat.S_IMODE(cloud.place.credentials.stat().st_mode)
    key = cloud.place.credentials.read_text().split()[-1]
    with home(cloud.place.home):
        command = session.operator_command(["env"])
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert mode == 0o600
    assert key not in " ".join(command)
    assert key not in shown


def test_an_operator_is_outside_of_the_vpc_unless_asked_to_be_inside(cloud: Cloud) -> None:
    ask = "from localcloud.session import is_inside, is_operator as o; print(is_inside(), o())"
    with home(cloud.place.home):
        seen = []
        for inside in (False, True):
            command = session.operator_command([".venv/bin/python", "-c", ask], inside=inside)
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seen.append(done.stdout.strip())
        here = (session.is_inside(), session.is_operator())

    assert (seen, here) == (["False True", "True True"], (False, False))


def test_without_a_cloud_a_command_is_refused_with_a_hint(tmp_path: Path) -> None:
    with home(tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "invoke", "status"], capture_output=True, text=True, check=False
        )

    assert done.returncode == 1
    assert done.stderr == "the local cloud is not up\n  → ./run.sh cloud.up\n"


def test_a_shell_on_an_unknown_machine_is_refused(cloud: Cloud) -> None:
    with home(cloud.place.home), pytest.raises(Refused, match="i-0000 is not a running machine"):
        control.shell_command("i-0000", ["sh"])


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    require_machines()

    def which(tool: str) -> str | None:
        return None if tool == "nft" else f"/usr/bin/{tool}"

    monkeypatch.setattr("localcloud.control.shutil.which", which)

    with pytest.raises(Refused, match="needs nft") as refusal:
        control.up()

    assert "nftables" in refusal.value.hint


def test_without_root_the_cloud_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcloud.control.os.geteuid", lambda: 1000)

    with pytest.raises(Refused, match="needs root"):
        control.up()


def test_a_server_that_cannot_start_is_reported_with_the_end_of_its_log(
    other_home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localcloud.control.SERVER", "localcloud.no_such_module")

    with pytest.raises(PipelineError, match="No module named") as failure:
        control.up()

    assert str(other_home.log) in failure.value.hint
    assert namespaces(other_home.name) == []
    assert not any(path.exists() for path in Group(other_home.name).paths)


def test_a_home_that_cannot_hold_disks_is_refused(
    other_home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localcloud.images.OVERLAY_OPTIONS", "no_such_option")

    with pytest.raises(Refused, match="disks cannot be kept in") as refusal:
        control.up()

    assert "RAYKILN_HOME" in refusal.value.hint
    assert not control.status().running


@pytest.fixture(scope="module")
def imaged(cloud: Cloud) -> Iterator[tuple[str, str]]:
    """A machine, by its id, and an image that was made of it while it was stopped.

    The machine was started again, and has written something since.
    """
    instance_id = cloud.booted(cloud.launch())["InstanceId"]
    cloud.on(instance_id, "echo baked >/opt/baked; rm /etc/motd; cloud-init clean --logs")
    image = cloud.image_of(instance_id, "boots")
    cloud.aws.ec2.start_instances(InstanceIds=[instance_id])
    cloud.until(instance_id, "running")
    cloud.on(instance_id, "echo later >/opt/later")
    yield instance_id, image
    cloud.terminate(instance_id)


def test_an_image_of_a_stopped_machine_boots_with_its_files_and_a_new_identity(
    cloud: Cloud, imaged: tuple[str, str]
) -> None:
    _, image = imaged

    second = cloud.booted(cloud.launch(ImageId=image))

    seen = cloud.on(second["InstanceId"], "cat /opt/baked; ls /etc/motd || echo none; hostname")
    dashed = second["PrivateIpAddress"].replace(".", "-")
    assert seen.split() == ["baked", "none", f"ip-{dashed}"]
    # What the machine writes after its image was made is not in the image.
    assert cloud.on(second["InstanceId"], "ls /opt") == "baked"
    with pytest.raises(AwsError) as refusal:
        cloud.aws.ec2.create_image(InstanceId=second["InstanceId"], Name="boots")
    assert refusal.value.code == "InvalidAMIName.Duplicate"
    cloud.aws.ec2.deregister_image(ImageId=image)
    assert cloud.on(second["InstanceId"], "cat /opt/baked") == "baked"
    cloud.terminate(second["InstanceId"])


def test_an_image_of_a_running_machine_is_made_by_a_reboot(
    cloud: Cloud, imaged: tuple[str, str]
) -> None:
    instance_id, _ = imaged
    cloud.on(instance_id, "echo written >/opt/written")

    image = cloud.aws.ec2.create_image(InstanceId=instance_id, Name="rebooted")["ImageId"]

    def is_available() -> bool:
        found = cloud.aws.ec2.describe_images(ImageIds=[image])["Images"][0]
        return bool(found["State"] == "available")

    eventually("the image", is_available)
    eventually("the machine again", lambda: cloud.is_up(instance_id))
    assert cloud.describe(instance_id)["State"]["Name"] == "running"
    cloud.aws.ec2.deregister_image(ImageId=image)


def launched(place: Paths) -> dict[str, Any]:
    """Launch one machine in a cloud that is not the shared one."""
    here = Cloud(place)
    try:
        instance = here.booted(here.launch())
    finally:
        here.aws.close()
    return instance | {"gone": lambda: here.traces(instance["InstanceId"])}
