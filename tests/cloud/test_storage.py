"""The instance store on a machine: real disks, the real unit, and a reboot.

The machine is one of the base image, with what an image of ours has for it: the unit, the part of
node/ that it runs, and the user ray.
"""

import base64
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.harness import TIMEOUT_SECONDS, Cloud, eventually, loop_files

ROOT = Path(__file__).resolve().parents[2]
NODE_YAML = "#cloud-config\nwrite_files:\n  - path: /etc/raykiln/node.yaml\n    content: |\n{}"
SPILL = NODE_YAML.format("      role: worker\n      instance_store: spill\n")
NOTHING = NODE_YAML.format("      role: worker\n")
INSTALL = """
useradd --system --user-group ray
install -o root -g ray -m 0660 /dev/null /var/log/ray-worker-bootstrap.log
mkdir -p /opt/ray/bin
ln -s /usr/bin/python3 /opt/ray/bin/python
base64 --decode <<'END' | tar --extract --gzip --directory=/opt
{archive}
END
mv /opt/raykiln/*.service /etc/systemd/system/
systemctl daemon-reload
"""
# What Ray's unit does with the storage.
RAY = """[Unit]
Requires=ray-storage.service
After=ray-storage.service
[Service]
ExecStart=sleep infinity
[Install]
WantedBy=multi-user.target
"""
DISK = "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS0000000000000001"


def archive() -> str:
    """Return what an image has, as tar and gzip in base64."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in (*ROOT.glob("node/*.py"), *ROOT.glob("node/storage/*.py")):
            tar.add(path, f"raykiln/{path.relative_to(ROOT)}")
        tar.add(ROOT / "systemd/ray-storage.service", "raykiln/ray-storage.service")
        unit = tarfile.TarInfo("raykiln/ray-worker.service")
        unit.size = len(RAY)
        tar.addfile(unit, io.BytesIO(RAY.encode()))
    return base64.encodebytes(packed.getvalue()).decode()


class Node:
    """A machine with the unit."""

    def __init__(self, cloud: Cloud, instance_type: str, user_data: str) -> None:
        self.cloud = cloud
        launched = cloud.launch(InstanceType=instance_type, UserData=user_data)
        self.instance_id = str(cloud.booted(launched)["InstanceId"])
        self.run(INSTALL.format(archive=archive()))

    def run(self, script: str) -> str:
        return self.cloud.on(self.instance_id, script)

    def fails(self, script: str) -> None:
        assert self.cloud.attempt(self.instance_id, script).returncode

    def mounted(self) -> str:
        return self.run("findmnt --noheadings --output SOURCE,FSTYPE /mnt/instance-store || true")

    def log(self) -> str:
        return self.run("journalctl --unit ray-storage --output cat")

    def has_booted(self, before: str) -> bool:
        done = self.cloud.attempt(self.instance_id, "stat -c %Y /proc/1")
        return done.returncode == 0 and done.stdout.strip() != before


@pytest.fixture
def nodes(cloud: Cloud) -> Iterator[Any]:
    """Return a maker of machines, which are terminated afterwards."""
    made: list[Node] = []

    def make(instance_type: str, user_data: str) -> Node:
        made.append(Node(cloud, instance_type, user_data))
        return made[-1]

    yield make
    cloud.terminate(*(node.instance_id for node in made))


@pytest.fixture(scope="module")
def spilling(cloud: Cloud) -> Iterator[Node]:
    """A node with one disk, which is rebooted and then stopped by the tests that continue here."""
    made = Node(cloud, "m6id.large", SPILL)
    yield made
    cloud.terminate(made.instance_id)


def test_ray_starts_with_the_instance_store_mounted_and_its_own(spilling: Node) -> None:
    node = spilling

    node.run("systemctl start ray-worker")

    assert node.mounted().split() == ["/dev/nvme1n1", "ext4"]
    assert node.run("stat -c '%U:%G %a' /mnt/instance-store") == "ray:ray 750"
    assert node.run("su -s /bin/sh ray -c 'echo spilled >/mnt/instance-store/object'") == ""
    size = int(node.run("df --output=size --block-size=1G /mnt/instance-store | tail -1"))
    assert 100 <= size <= 118  # GB of an m6id.large, less the file system's own
    required = node.run("systemctl show --property=RequiresMountsFor ray-worker").split("=")[1]
    assert "/mnt/instance-store" in required.split()

    # A restart of the service keeps what is there, and a stop comes after Ray's.
    node.run("systemctl restart ray-storage && systemctl start ray-worker")
    assert node.run("cat /mnt/instance-store/object") == "spilled"
    node.run("systemctl stop 'mnt-instance\\x2dstore.mount'")
    assert node.run("systemctl is-active ray-worker || true") == "inactive"


def test_after_a_reboot_the_instance_store_is_made_anew(spilling: Node, cloud: Cloud) -> None:
    node = spilling
    node.run("systemctl --quiet enable --now ray-worker")
    node.run("touch /mnt/instance-store/object")
    before = node.run("stat -c %Y /proc/1")

    cloud.aws.ec2.reboot_instances(InstanceIds=[node.instance_id])
    eventually("the reboot", lambda: node.has_booted(before), 2 * TIMEOUT_SECONDS)
    eventually("the mount", node.mounted)

    assert node.run("ls /mnt/instance-store") == "lost+found"


def test_the_disks_are_empty_after_a_stop_and_gone_with_the_instance(
    spilling: Node, cloud: Cloud
) -> None:
    instance_id, link = spilling.instance_id, f"/dev/disk/by-id/{DISK}"
    spilling.run("systemctl --quiet disable --now ray-worker")
    spilling.run("systemctl stop 'mnt-instance\\x2dstore.mount'")
    spilling.run(f"echo mine >{link}")

    cloud.aws.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.until(instance_id, "stopped")
    assert not [file for file in loop_files() if instance_id in file]
    cloud.aws.ec2.start_instances(InstanceIds=[instance_id])
    cloud.until(instance_id, "running")

    assert cloud.on(instance_id, f"head -c 4 {link} | od -An -tx1") == "00 00 00 00"
    cloud.terminate(instance_id)
    assert cloud.traces(instance_id) == []


def test_several_disks_are_one_file_system(nodes: Any, cloud: Cloud) -> None:
    """The base image has no btrfs-progs: its one program comes from this host."""
    program = shutil.which("mkfs.btrfs", path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip("needs btrfs-progs")
    node = nodes("m5d.12xlarge", SPILL)
    Path(cloud.place.machines, node.instance_id, "root/usr/sbin/mkfs.btrfs").write_bytes(
        Path(program).read_bytes()
    )
    node.run("chmod 0755 /usr/sbin/mkfs.btrfs")

    node.run("systemctl start ray-worker")

    assert node.mounted().split() == ["/dev/nvme1n1", "btrfs"]
    size = int(node.run("df --output=size --block-size=1GB /mnt/instance-store | tail -1"))
    assert size == 1800  # two of 900 GB
    assert node.run("su -s /bin/sh ray -c 'echo spilled >/mnt/instance-store/object'") == ""


def test_a_disk_that_holds_something_else_keeps_ray_from_starting(nodes: Any) -> None:
    node = nodes("m6id.large", SPILL)
    node.run(f"mkfs.ext4 -q -L precious /dev/disk/by-id/{DISK}")

    node.fails("systemctl start ray-worker")

    words = "/dev/nvme1n1 is left alone, it holds something else: ext4 precious"
    assert words in node.log()
    assert words in node.run("cat /var/log/ray-worker-bootstrap.log")
    assert node.mounted() == ""


def test_an_instance_without_disks_says_so(nodes: Any) -> None:
    node = nodes("m6i.large", SPILL)

    node.fails("systemctl start ray-worker")

    assert "this instance has no NVMe instance store" in node.log()


def test_a_node_that_needs_no_storage_starts_without_a_file_system(nodes: Any) -> None:
    node = nodes("m6id.large", NOTHING)

    node.run("systemctl start ray-worker")

    assert node.run("systemctl is-active ray-worker") == "active"
    assert node.mounted() == ""
