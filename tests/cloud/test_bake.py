"""Baking for real: verified images at the end, and nothing left behind when it goes wrong.

Every bake is `invoke bake`, as a person runs it, in its own checkout, which a test may break.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bake.image_tree import SCRIPT
from bake.tree import Exceptions, Tree, compare, parse_tree
from localcloud import base_image
from tests.cloud.harness import REPOSITORY, Cloud, eventually, require_machines, running_cloud
from tests.marks import THOROUGH_ONLY

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "docs")
BROKEN = "#!/usr/bin/env bash\necho 'FAILED this provisioner was broken by a test'\nexit 3\n"
TIMEOUT_SECONDS = 600.0
# What Ubuntu's images have and Debian's lack, in a base image of Debian: a file of the login, pip
# and its wheel, units and a port of its own, a unit that fails, a private key, a setuid file, an
# error that cloud-init recovers from, and a job at the first boot that changes packages. Such a job
# is not killed with its unit (KillMode=process, as of apt-daily-upgrade.service).
LIKE_UBUNTU = r"""
set -e
lib=/usr/lib/python3/dist-packages/extra-1.0.dist-info
install -D /dev/null /usr/share/python-wheels/pip-26.0-py3-none-any.whl
install -d $lib
printf 'Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n' >$lib/METADATA
install -m 4755 /usr/bin/true /usr/local/bin/of-the-base
printf -- '-----BEGIN %s KEY-----\n' PRIVATE >/etc/ssl/private/of-the-base.key
cat >/usr/local/sbin/login <<'END'
#!/bin/sh
install -d "/home/$PAM_USER/.cache"
touch "/home/$PAM_USER/.cache/motd.legal-displayed"
END
chmod 755 /usr/local/sbin/login
echo 'session optional pam_exec.so /usr/local/sbin/login' >>/etc/pam.d/sshd
cat >/etc/systemd/system/listens.socket <<'END'
[Socket]
ListenStream=9111
Service=fails.service
[Install]
WantedBy=sockets.target
END
cat >/etc/systemd/system/fails.service <<'END'
[Service]
ExecStart=/bin/false
[Install]
WantedBy=multi-user.target
END
cat >/usr/local/sbin/upgrade <<'END'
import fcntl, pathlib, subprocess, sys, time
if len(sys.argv) == 1:
    sys.exit(subprocess.run([sys.executable, __file__, "dpkg"]).returncode)
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
time.sleep(20)
pathlib.Path("/usr/share/python-wheels/upgraded-1.0-py3-none-any.whl").touch()
END
rm /etc/systemd/system/apt-daily-upgrade.timer # masked
cat >/usr/lib/systemd/system/apt-daily-upgrade.service <<'END'
[Service]
Type=oneshot
KillMode=process
ExecStart=/usr/bin/python3 /usr/local/sbin/upgrade
END
cat >/usr/lib/systemd/system/apt-daily-upgrade.timer <<'END'
[Timer]
OnActiveSec=0
[Install]
WantedBy=timers.target
END
cat >/etc/cloud/cloud.cfg.d/99-recoverable.cfg <<'END'
write_files:
  - {content: a file without a path}
END
systemctl --quiet enable listens.socket fails.service apt-daily-upgrade.timer
cloud-init clean --logs
: >/etc/machine-id
rm -f /etc/ssh/ssh_host_*
"""


# An archive of the base's own, with one package, since the machines reach no other.
WITH_AN_ARCHIVE = r"""
set -e
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
package=/srv/archive/apps-tool
install -d $package/DEBIAN $package/usr/bin
cat >$package/DEBIAN/control <<'END'
Package: apps-tool
Version: 1.0
Architecture: all
Maintainer: The tests <tests@example.invalid>
Description: A package for the tests of a bake
END
cat >$package/usr/bin/apps-tool <<'END'
#!/bin/sh
echo "from the base's archive"
END
chmod 755 $package/usr/bin/apps-tool
cd /srv/archive
dpkg-deb --root-owner-group --build apps-tool apps-tool.deb >/dev/null
{
  cat $package/DEBIAN/control
  echo "Filename: ./apps-tool.deb"
  echo "Size: $(stat -c %s apps-tool.deb)"
  echo "SHA256: $(sha256sum apps-tool.deb | cut -d' ' -f1)"
} >Packages
rm -rf $package
echo 'deb [trusted=yes] file:/srv/archive ./' >/etc/apt/sources.list
cloud-init clean --logs
: >/etc/machine-id
rm -f /etc/ssh/ssh_host_*
"""
APPS = "tests/cloud/apps"
GREETING = 'a "quoted" $HOME \\ `word`'
# Three images: the heads', and those of two groups, of which one has all that a person may add.
THREE_IMAGES = f"""
[images.apps]
requirements = "{APPS}/requirements.lock"
packages = ["apps-tool"]
provisioners = "{APPS}/provisioners"
units = "{APPS}/units"
tests = "{APPS}/image_tests"

[images.apps.env]
HF_HOME = "/data/hf"
GREETING = {json.dumps(GREETING)}

[workers.cpu]
instance_types = ["m6i.large"]
min = 1
max = 3

[workers.apps]
instance_types = ["m6i.large"]
min = 0
max = 3
image = "apps"
"""


@dataclass
class Checkout:
    """A copy of the project that bakes in the cloud under test."""

    folder: Path
    cloud: Cloud

    def provisioner(self, name: str, text: str) -> None:
        (self.folder / "ami-provisioners" / name).write_text(text)

    def environment(self, name: str, boot_seconds: int = 15, **image: object) -> None:
        """Write an environment like local, but for these settings of the image."""
        local = (self.folder / "environments/local.toml").read_text()
        before, _, rest = local.partition("[image]\n")
        settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in image.items())
        after = rest[rest.index("\n[") :].replace("[limits]", f"[limits]\n{boot_seconds = }")
        text = f"{before}[image]\n{settings}ssm_agent_required = false\n{after}"
        (self.folder / f"environments/{name}.toml").write_text(text)

    def three_images(self, base: str) -> None:
        """Have the environment local want three images, of that base."""
        path = self.folder / "environments/local.toml"
        text = path.read_text()
        before, _, rest = text.partition("[workers]\n")
        before = re.sub(r"base_name = .*\nbase_owner = .*", f'base_id = "{base}"', before)
        path.write_text(before + THREE_IMAGES + rest[rest.index("\n[") :])

    @contextmanager
    def invoking(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Run a task in its own process group; what is left of it is killed at the end."""
        process = subprocess.Popen(
            [sys.executable, "-m", "invoke", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill(process)

    def invoke(self, *arguments: str) -> tuple[int, str]:
        """Run a task until it exits; return exit code and output."""
        with self.invoking(*arguments) as process:
            words, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        return process.returncode, words

    def bake(self, *arguments: str) -> tuple[int, str]:
        """Run `invoke bake`."""
        return self.invoke("bake", *arguments)

    def left(self) -> dict[str, list[str]]:
        """Return what EC2 has of what a bake starts."""
        ec2 = self.cloud.aws.ec2
        ours = [{"Name": "tag-key", "Values": ["raykiln:bake"]}]
        groups = ec2.describe_security_groups()["SecurityGroups"]
        return {
            "instances": [i["InstanceId"] for i in self.instances(ours)],
            "keys": [key["KeyName"] for key in ec2.describe_key_pairs()["KeyPairs"]],
            "groups": [
                g["GroupName"] for g in groups if g["GroupName"].startswith(("packer", "ray"))
            ],
        }

    def instances(self, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the instances that are not terminated."""
        found = self.cloud.aws.ec2.describe_instances(Filters=filters)["Reservations"]
        every = [instance for reservation in found for instance in reservation["Instances"]]
        return [i for i in every if i["State"]["Name"] != "terminated"]


def base_with_an_archive(cloud: Cloud) -> str:
    """Return a base image whose package manager has an archive that it reaches."""
    machine = cloud.booted(cloud.launch())["InstanceId"]
    cloud.on(machine, WITH_AN_ARCHIVE)
    base = cloud.image_of(machine, "with-an-archive")
    cloud.terminate(machine)
    return base


def verified(cloud: Cloud) -> list[tuple[str, str]]:
    """Return role and name of every verified image; they all require IMDSv2."""
    is_verified = [{"Name": "tag-key", "Values": ["raykiln:verified"]}]
    images = cloud.aws.ec2.describe_images(Filters=is_verified)["Images"]
    assert {image["ImdsSupport"] for image in images} == {"v2.0"}
    tags = [{tag["Key"]: tag["Value"] for tag in image["Tags"]} for image in images]
    return sorted((tag["raykiln:role"], tag.get("raykiln:image", "")) for tag in tags)


def tree_of(cloud: Cloud, role: str) -> Tree:
    """Return the files of an instance of a role's verified image without a name."""
    tags = {"raykiln:role": role, "raykiln:verified": "*"}
    filters = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
    (ami_id,) = (
        image["ImageId"]
        for image in cloud.aws.ec2.describe_images(Filters=filters)["Images"]
        if "raykiln:image" not in {tag["Key"] for tag in image["Tags"]}
    )
    machine = cloud.booted(cloud.launch(ImageId=ami_id))["InstanceId"]
    found = parse_tree(cloud.on(machine, f"python3 -I - <<'END'\n{SCRIPT.read_text()}END\n"))
    cloud.terminate(machine)
    return found


# Two build machines have made the images of the roles.
OF_THE_ROLES = {
    *("/etc/raykiln/image.json", "/etc/raykiln/software.json"),
    "/etc/tmpfiles.d/raykiln-role.conf",
    *(f"/var/log/ray-{role}-bootstrap.log" for role in ("head", "worker")),
    *(
        f"/etc/systemd/system/multi-user.target.wants/ray-{name}.service"
        for name in ("head", "metadata", "prometheus", "remote-write", "watchdog", "worker")
    ),
}
NOTHING: dict[str, list[str]] = {"instances": [], "keys": [], "groups": []}


def kill(process: "subprocess.Popen[str]") -> None:
    """Kill a bake with all that it started, in whatever session."""
    for pid in [*descendants(process.pid), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def descendants(pid: int) -> list[int]:
    """Return every process below ``pid``; sh starts Packer in its own session, in a thread."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    direct = [int(child) for path in children for child in path.read_text().split()]
    return [below for child in direct for below in [child, *descendants(child)]]


def checked_out(cloud: Cloud, tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "checkout", cloud)
    shutil.copytree(REPOSITORY, made.folder, ignore=LEFT_OUT)
    return made


@pytest.fixture
def checkout(cloud: Cloud, tmp_path: Path) -> Checkout:
    return checked_out(cloud, tmp_path)


def test_a_bake_makes_verified_images_and_a_second_one_has_only_changes_to_do(
    checkout: Checkout,
) -> None:
    checkout.three_images(base_with_an_archive(checkout.cloud))

    code, words = checkout.bake()

    assert code == 0, words
    assert checkout.left() == NOTHING
    assert verified(checkout.cloud) == [("head", ""), ("worker", ""), ("worker", "apps")]
    assert "images.apps.tests: test_a_gpu_is_there: the build instance has no GPU" in words

    head, worker = (tree_of(checkout.cloud, role) for role in ("head", "worker"))
    assert set(compare(head, worker, Exceptions.read()).differences) == OF_THE_ROLES

    code, words = checkout.bake()
    assert code == 0, words
    assert words.count("nothing to do") == 3

    with (checkout.folder / APPS / "image_tests/test_apps.py").open("a") as tests:
        tests.write("\n\ndef test_more(host: Any) -> None:\n    assert not host.user('apps').gid\n")
    code, words = checkout.bake()
    assert code == 2, words
    assert "worker apps: image tests failed" in words
    assert "images.apps.tests: test_more: " in words
    assert verified(checkout.cloud) == [("head", ""), ("worker", "")]
    assert checkout.left() == NOTHING


def test_an_interrupted_bake_leaves_nothing_behind(checkout: Checkout) -> None:
    checkout.provisioner("05-baseline.sh", "#!/usr/bin/env bash\nexec sleep 300\n")
    with checkout.invoking("bake", "--role", "worker") as process:
        eventually("a build instance", lambda: checkout.left()["instances"])
        process.send_signal(signal.SIGINT)
        words, _ = process.communicate(timeout=TIMEOUT_SECONDS)

    assert process.returncode == 130, words
    assert checkout.left() == NOTHING


def test_a_provisioner_that_fails_is_named_and_leaves_nothing_behind(checkout: Checkout) -> None:
    checkout.provisioner("10-user.sh", BROKEN)

    code, words = checkout.bake("--role", "head")

    assert code == 2, words
    assert "head: 10-user.sh failed\n" in words
    assert "FAILED this provisioner was broken by a test" in words
    assert "packer.log" in words
    assert checkout.left() == NOTHING


def test_the_next_bake_removes_what_a_killed_one_left_behind(checkout: Checkout) -> None:
    with checkout.invoking("bake", "--role", "worker", "--force") as process:
        eventually("a build instance", lambda: checkout.left()["instances"])
        kill(process)
    left = checkout.left()
    assert all(left.values()), left
    checkout.provisioner("05-baseline.sh", BROKEN)

    code, words = checkout.bake("--role", "worker")

    assert code == 2, words
    assert checkout.left() == NOTHING


def test_an_instance_that_does_not_boot_fails_the_bake_and_leaves_nothing_behind(
    checkout: Checkout,
) -> None:
    machine = checkout.cloud.launch()["InstanceId"]
    eventually("SSH", lambda: checkout.cloud.attempt(machine, "rm /usr/sbin/sshd").returncode == 0)
    broken = checkout.cloud.image_of(machine, "never-answers")
    checkout.cloud.terminate(machine)
    checkout.environment("unbootable", base_id=broken)

    code, words = checkout.bake("--env", "unbootable", "--role", "head")

    assert code == 2, words
    assert "did not boot: no SSH within 15 s" in words
    assert broken in words
    assert checkout.left() == NOTHING


def test_a_base_image_filter_that_matches_nothing_starts_nothing(checkout: Checkout) -> None:
    checkout.environment("nothing", base_name="debian-99-*", base_owner="136693071363")

    code, words = checkout.bake("--env", "nothing")

    assert code == 1, words
    assert "no base image matches name 'debian-99-*'" in words
    assert checkout.left() == NOTHING


@pytest.fixture
def debian_13(tmp_path: Path) -> Iterator[Cloud]:
    """Another local cloud, whose base image is Debian 13."""
    require_machines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(base_image.VARIABLE, "13")
        with running_cloud(tmp_path / "home") as here:
            yield here


@THOROUGH_ONLY
def test_an_image_of_another_base_holds_what_that_has_and_ours(
    debian_13: Cloud, tmp_path: Path
) -> None:
    checkout = checked_out(debian_13, tmp_path)
    machine = debian_13.booted(debian_13.launch())["InstanceId"]
    debian_13.on(machine, LIKE_UBUNTU)
    base = debian_13.image_of(machine, "like-ubuntu")
    debian_13.terminate(machine)
    checkout.environment("another", boot_seconds=120, base_id=base, python="3.13")

    code, words = checkout.bake("--env", "another", "--role", "worker")

    assert code == 0, words
    (image,) = debian_13.aws.ec2.describe_images(
        Filters=[{"Name": "tag:raykiln:role", "Values": ["worker"]}]
    )["Images"]
    assert "raykiln:verified" in {tag["Key"] for tag in image["Tags"]}
    (recorded,) = debian_13.place.home.glob("bakes/*/worker/base.json")
    facts = json.loads(recorded.read_text())
    log = (recorded.parent / "packer.log").read_text()
    assert "finished with errors that it recovered from" in log
    assert facts["failed_units"] == ["fails.service"]
    assert facts["open_ports"] == ["tcp/22", "tcp/9111"]
    assert {"listens.socket", "fails.service", "apt-daily-upgrade.timer"} < set(
        facts["enabled_units"]
    )
    assert "/home/admin/.cache/motd.legal-displayed" in facts["home_files"]
    assert facts["wheels"] == [
        "/usr/share/python-wheels/pip-26.0-py3-none-any.whl",
        "/usr/share/python-wheels/upgraded-1.0-py3-none-any.whl",  # the job was waited for
    ]
    assert facts["python_packages"]["extra"] == "1.0"
    assert "/usr/local/bin/of-the-base" in facts["privileged_files"]
    assert "/etc/ssl/private/of-the-base.key" in facts["private_keys"]
    assert checkout.left() == NOTHING
