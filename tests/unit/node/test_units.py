"""The units, as systemd reads them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from node.contract import SIGNER_PORT
from node.lease.lease import LEASE_TIMES

UNITS = Path(__file__).parents[3] / "systemd"
NAMES = sorted(path.name for path in UNITS.glob("*.service"))
# What systemd-analyze security says of each, times ten. These only ever fall; those of the head and
# of the identity rose once, so that jobs run as another user (docs/adr/0022-jobs-off-the-head.md).
MOST_EXPOSED = {
    "ray-give-up.service": 24,
    "ray-head.service": 30,
    "ray-identity.service": 16,
    "ray-log-limit.service": 12,
    "ray-logs.service": 15,
    "ray-metadata.service": 20,
    "ray-prometheus.service": 15,
    "ray-remote-write.service": 15,
    "ray-storage.service": 26,
    "ray-watchdog.service": 23,
    "ray-worker.service": 26,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The part of an image's file tree that units refer to: units, systemd's own, a Python."""
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    (tmp_path / "opt/raykiln").mkdir(parents=True)
    for command in ("opt/ray/bin/python", "usr/bin/grep", "usr/sbin/nft", "usr/bin/prometheus"):
        (tmp_path / command).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / command).write_text("#!/bin/sh\n")
        (tmp_path / command).chmod(0o755)
    return tmp_path


def verify(root: Path) -> str:
    """Return what systemd-analyze prints; its exit code is 0 on a misspelt key."""
    units = [str(root / "etc/systemd/system" / name) for name in NAMES]
    command = ["systemd-analyze", "verify", f"--root={root}", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def settings_of(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNITS / name, encoding="utf-8")
    return parser


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_systemd_analyze_verify_prints_nothing(root: Path) -> None:
    assert verify(root) == ""


def test_systemd_analyze_verify_notices_a_misspelt_key(root: Path) -> None:
    with (root / "etc/systemd/system/ray-head.service").open("a") as unit:
        unit.write("\n[Service]\nWatchdogSeconds=7s\n")

    assert "WatchdogSeconds" in verify(root)


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_stays_below_its_exposure_threshold(root: Path, name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--root={root}"]
    threshold = f"--threshold={MOST_EXPOSED[name]}"
    done = subprocess.run([*command, threshold, name], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout.splitlines()[-1]


LOGS, GIVE_UP = "ray-logs.service", "ray-give-up.service"
LOG_LIMIT, PROMETHEUS = "ray-log-limit.service", "ray-prometheus.service"
REMOTE_WRITE = "ray-remote-write.service"
OPTIONAL = (LOGS, LOG_LIMIT, PROMETHEUS, REMOTE_WRITE)
METADATA = "ray-metadata.service"


@pytest.mark.parametrize("name", OPTIONAL)
def test_what_only_observes_never_gives_up_a_node(name: str) -> None:
    unit = settings_of(name)

    assert "ConditionPathExists=/etc/raykiln/node.yaml\n" in (UNITS / name).read_text()
    assert "OnFailure" not in unit["Unit"]
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"


def test_the_log_shipper_starts_before_and_stops_after_all_other_units() -> None:
    before = settings_of(LOGS)["Unit"]["Before"].split()

    assert set(before) == set(NAMES) - {LOGS}


@pytest.mark.parametrize("name", [n for n in NAMES if n not in (GIVE_UP, *OPTIONAL)])
def test_a_unit_is_inert_without_user_data_and_gives_up_when_it_cannot_recover(name: str) -> None:
    unit = settings_of(name)["Unit"]

    assert unit["ConditionPathExists"] == "/etc/raykiln/node.yaml"
    assert unit["OnFailure"] == "ray-give-up.service"


def test_prometheus_listens_on_loopback_and_is_bounded_in_time_disk_and_memory() -> None:
    unit = settings_of(PROMETHEUS)["Service"]
    start = " ".join(unit["ExecStart"].split("\\\n"))

    assert "--web.listen-address=127.0.0.1:9090 " in start
    assert "--storage.tsdb.retention.time=7d " in start
    assert "--storage.tsdb.retention.size=2GB " in start
    assert unit["MemoryMax"] == "512M"


def test_metrics_are_signed_only_where_they_are_sent_and_never_for_a_job() -> None:
    rules = (UNITS.parent / "ami-provisioners/rootfs/etc/raykiln/metadata.nft").read_text()
    unit = settings_of(REMOTE_WRITE)["Service"]

    assert unit["ExecCondition"] == '/usr/bin/grep -q "^remote_write:" /etc/raykiln/node.yaml'
    assert unit["MemoryMax"] == "128M"
    assert f'tcp dport {SIGNER_PORT} meta skuid "ray" reject\n' in rules


def test_no_head_runs_unless_the_metadata_service_is_closed_for_jobs() -> None:
    unit = settings_of(METADATA)

    assert METADATA in requirements("ray-head.service")
    assert unit["Unit"]["Before"] == "ray-head.service"


def requirements(name: str) -> list[str]:
    """Return all that a unit requires; the parser keeps the last line alone."""
    return re.findall(r"^Requires=(.+)$", (UNITS / name).read_text(), re.M)


@pytest.mark.parametrize("name", ["ray-head.service", "ray-worker.service", "ray-watchdog.service"])
def test_a_unit_that_restarts_has_a_limit(name: str) -> None:
    unit = settings_of(name)

    assert unit["Service"]["Restart"] == "always"
    assert int(unit["Unit"]["StartLimitBurst"]) > 0
    assert unit["Unit"]["StartLimitIntervalSec"]


def test_a_guard_that_hangs_is_dead_before_its_lease_can_be_taken() -> None:
    service = settings_of("ray-head.service")["Service"]
    reaping, slow, fast = 1.0, 0.9, 1.1  # systemd ends Ray; the bound on clocks, docs/adr/0001

    assert LEASE_TIMES.fence < LEASE_TIMES.kill == seconds(service["WatchdogSec"])
    assert LEASE_TIMES.kill / slow + reaping < LEASE_TIMES.length / fast
    assert service["WatchdogSignal"] == "SIGKILL"
    assert service["KillMode"] == "mixed"
    assert service["Type"] == "notify"


def test_every_unit_runs_a_module_that_exists() -> None:
    for name in set(NAMES) - {METADATA}:
        text = (UNITS / name).read_text()
        module = re.search(r"^ExecStart(?:Pre)?=.* -m (node[.\w]+)$", text, re.M)
        assert module, name
        assert (UNITS.parent / (module[1].replace(".", "/") + ".py")).is_file(), name
