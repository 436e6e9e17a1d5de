"""What only the local cloud can break: a machine's plug and its time, EC2's capacity, spot, cables.
No AWS.

Each is put right when the scene ends; ``left_behind`` says what was not.
"""

import subprocess
import time
from collections.abc import Iterable

from drills.kit.scene import DrillFailed, Scene
from localcloud import nspawn
from localcloud.cgroups import Group, is_v2
from localcloud.patches.interruptions import NOTICE
from localcloud.paths import paths

TABLE = "raykiln_drill"  # of nft, in the VPC's namespace
# What crosses the VPC's router, its own services and the operator included.
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


def pull_plug(scene: Scene, instance_id: str) -> None:
    """End a machine as a power loss does; EC2 only sees that it does not run any more."""
    processes = Group(paths().name, instance_id).processes()
    launchers = [pid for pid in processes if nspawn.leader_of(pid)]
    if not launchers:
        raise DrillFailed(f"{instance_id} is not a running machine of this cloud")
    scene.breaks(f"the plug of {instance_id} is pulled")
    nspawn.kill(launchers[0])


def pause(scene: Scene, instance_id: str, seconds: float) -> None:
    """Have no process of a machine run for a while: its clocks jump. See the kernel's
    admin-guide/cgroup-v1/freezer-subsystem.rst, and cgroup.freeze in cgroup-v2.rst.
    """
    group = Group(paths().name, instance_id)
    if is_v2():
        (switch,), stop, go = group.paths, "1", "0"
        switch /= "cgroup.freeze"
    else:
        switch = next(path for path in group.paths if "freezer" in path.parts) / "freezer.state"
        stop, go = "FROZEN", "THAWED"
    scene.breaks(f"{instance_id} is paused")
    try:
        switch.write_text(stop)
        scene.clock.sleep(seconds)
    finally:
        switch.write_text(go)


def declare_shortage(scene: Scene) -> None:
    """From now on EC2 has no capacity of any type in any zone."""
    scene.undo.callback(paths().shortages.unlink, missing_ok=True)
    scene.breaks("EC2 has no capacity")
    paths().shortages.write_text("* *\n")


def interrupt(scene: Scene, instance_id: str) -> None:
    """Have EC2 take an instance back as it does a spot instance: announced, two minutes later."""
    place = paths().interruptions
    scene.undo.callback(place.unlink, missing_ok=True)
    scene.breaks(f"the interruption of {instance_id} is announced")
    place.write_text(f"{instance_id} {time.time() + NOTICE:.0f}\n")


def set_clock(scene: Scene, instance_id: str, seconds: float) -> None:
    """Have the clock of an instance be so many seconds ahead, as AWS sees it."""
    scene.undo.callback(put_clocks_right)
    scene.breaks(f"the clock of {instance_id} is {seconds:.0f} s ahead")
    paths().clocks.write_text(f"{instance_id} {seconds}\n")


def put_clocks_right() -> None:
    """Have every clock be right again."""
    paths().clocks.unlink(missing_ok=True)


def between(one: str, other: str) -> list[str]:
    """Return what matches all packets between two addresses."""
    return [f"ip saddr {one} ip daddr {other}", f"ip saddr {other} ip daddr {one}"]


def cut(scene: Scene, words: str, packets: Iterable[str]) -> None:
    """Drop the packets that nft's words match; nobody is told."""
    drops = "\n    ".join(f"{match} drop" for match in packets)
    scene.undo.callback(mend)
    scene.breaks(words)
    _nft("-f", "-", text=RULES.format(table=TABLE, drops=drops))


def mend() -> None:
    """Let every packet through again."""
    if TABLE in _nft("list", "tables"):
        _nft("delete", "table", "inet", TABLE)


def left_behind() -> list[str]:
    """Name what is still broken."""
    left = ["EC2's shortage is still declared"] if paths().shortages.exists() else []
    left += ["an interruption is still announced"] if paths().interruptions.exists() else []
    left += ["a clock is still off"] if paths().clocks.exists() else []
    return left + (["cables are still cut"] if TABLE in _nft("list", "tables") else [])


def _nft(*arguments: str, text: str = "") -> str:
    """Run nft in the VPC's namespace; see nft(8)."""
    command = ["nsenter", f"--net={paths().namespace}", "nft", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DrillFailed(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
