"""Faults that only the local cloud can inject: in machines, clocks, capacity, spot, the network.

Touches no AWS. Each is repaired when the run ends; ``remaining_faults`` names those that are not.
"""

import signal
import subprocess
import time
from collections.abc import Iterable

from drills.kit.cluster import ClusterUnderTest, DrillFailed
from localcloud import nspawn
from localcloud.cgroups import Group, is_v2
from localcloud.patches.interruptions import NOTICE
from localcloud.paths import paths
from localcloud.processes import send_signal

TABLE = "raykiln_drill"  # of nft, in the VPC's namespace
# All packets through the VPC's router, those of its own services and of the operator included.
RULES = """
table inet {table} {{
  chain arriving {{
    type filter hook prerouting priority -350; policy accept
    {drops}
  }}
  chain sent {{
    type filter hook output priority -350; policy accept
    {drops}
  }}
}}
"""


def cut_power(cluster: ClusterUnderTest, instance_id: str) -> None:
    """Stop a machine as a power loss does; EC2 only sees that it no longer runs."""
    pid = first_process(instance_id)
    cluster.record_fault(f"{instance_id} loses its power")
    send_signal(pid, signal.SIGKILL)


def first_process(instance_id: str) -> int:
    """Return a machine's PID 1, as this machine counts: with it all its processes die."""
    processes = Group(paths().name, instance_id).processes()
    leaders = [leader for pid in processes if (leader := nspawn.leader_of(pid))]
    if not leaders:
        raise DrillFailed(
            f"{instance_id} is not a running machine of this local cloud",
            hint="invoke cloud.status lists its machines",
        )
    return leaders[0]


def pause(cluster: ClusterUnderTest, instance_id: str, seconds: float) -> None:
    """Freeze all processes of a machine for a while, so that its clocks jump. See the kernel's
    admin-guide/cgroup-v1/freezer-subsystem.rst, and cgroup.freeze in cgroup-v2.rst.
    """
    group = Group(paths().name, instance_id)
    if is_v2():
        (switch,), stop, go = group.paths, "1", "0"
        switch /= "cgroup.freeze"
    else:
        switch = next(path for path in group.paths if "freezer" in path.parts) / "freezer.state"
        stop, go = "FROZEN", "THAWED"
    cluster.record_fault(f"{instance_id} is paused")
    try:
        switch.write_text(stop)
        cluster.clock.sleep(seconds)
    finally:
        switch.write_text(go)


def declare_shortage(cluster: ClusterUnderTest) -> None:
    """Let EC2 have no capacity of any instance type in any zone."""
    cluster.cleanup.callback(paths().shortages.unlink, missing_ok=True)
    cluster.record_fault("EC2 has no capacity")
    paths().shortages.write_text("* *\n")


def interrupt_spot(cluster: ClusterUnderTest, instance_id: str) -> None:
    """Interrupt an instance as EC2 does a spot instance: with two minutes' notice."""
    file = paths().interruptions
    cluster.cleanup.callback(file.unlink, missing_ok=True)
    cluster.record_fault(f"the interruption of {instance_id} is announced")
    file.write_text(f"{instance_id} {time.time() + NOTICE:.0f}\n")


def recommend_replacement(cluster: ClusterUnderTest, instance_id: str) -> None:
    """Recommend to replace an instance, as EC2 does a spot instance that is at risk."""
    file = paths().recommendations
    cluster.cleanup.callback(file.unlink, missing_ok=True)
    cluster.record_fault(f"EC2 recommends to replace {instance_id}")
    file.write_text(f"{instance_id} {time.time():.0f}\n")


def set_clock(cluster: ClusterUnderTest, instance_id: str, seconds: float) -> None:
    """Set the clock of an instance ahead by ``seconds``, as AWS sees it."""
    cluster.cleanup.callback(reset_clocks)
    cluster.record_fault(f"the clock of {instance_id} is {seconds:.0f} s ahead")
    paths().clocks.write_text(f"{instance_id} {seconds}\n")


def reset_clocks() -> None:
    """Correct every clock."""
    paths().clocks.unlink(missing_ok=True)


def delay_groups(cluster: ClusterUnderTest, seconds: float) -> None:
    """Let groups be late with what they do in a launch: the hook's wait, and the tags."""
    file = paths().late_groups
    cluster.cleanup.callback(file.unlink, missing_ok=True)
    cluster.record_fault(f"groups are {seconds:.0f} s late with the launch hook and with tags")
    file.write_text(f"hooks {seconds}\ntags {seconds}\n")


def between(one: str, other: str) -> list[str]:
    """Return nft matches for all packets between two addresses."""
    return [f"ip saddr {one} ip daddr {other}", f"ip saddr {other} ip daddr {one}"]


def drop_packets(cluster: ClusterUnderTest, words: str, packets: Iterable[str]) -> None:
    """Drop all packets that these nft matches select, silently."""
    drops = "\n    ".join(f"{match} drop" for match in packets)
    cluster.cleanup.callback(restore_network)
    cluster.record_fault(words)
    _nft("-f", "-", text=RULES.format(table=TABLE, drops=drops))


def restore_network() -> None:
    """Drop no more packets."""
    if TABLE in _nft("list", "tables"):
        _nft("delete", "table", "inet", TABLE)


def remaining_faults() -> list[str]:
    """Return a line for each fault that is not repaired."""
    found = ["EC2's shortage is still declared"] if paths().shortages.exists() else []
    found += ["an interruption is still announced"] if paths().interruptions.exists() else []
    found += ["a replacement is still recommended"] if paths().recommendations.exists() else []
    found += ["a clock is still wrong"] if paths().clocks.exists() else []
    found += ["groups are still late"] if paths().late_groups.exists() else []
    return found + (["packets are still dropped"] if TABLE in _nft("list", "tables") else [])


def _nft(*arguments: str, text: str = "") -> str:
    """Run nft in the VPC's namespace; see nft(8)."""
    command = ["nsenter", f"--net={paths().namespace}", "nft", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DrillFailed(
            f"{' '.join(command)}: {done.stderr.strip()}",
            hint="invoke cloud.status shows whether the local cloud is up",
        )
    return done.stdout
