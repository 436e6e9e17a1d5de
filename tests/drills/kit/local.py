"""What only the local cloud can break: a machine's plug, EC2's capacity, cables. No AWS.

Each is put right when the scene ends; ``left_behind`` says what was not.
"""

import subprocess
from collections.abc import Iterable

from localcloud import nspawn
from localcloud.cgroups import Group
from localcloud.paths import paths
from tests.drills.kit.scene import DrillFailed, Scene

TABLE = "raykiln_drill"  # of nft, in the VPC's namespace
# Chosen addresses are cut off in both directions, the VPC's own services and balancers included.
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


def declare_shortage(scene: Scene) -> None:
    """From now on EC2 has no capacity of any type in any zone."""
    scene.undo.callback(paths().shortages.unlink, missing_ok=True)
    scene.breaks("EC2 has no capacity")
    paths().shortages.write_text("* *\n")


def cut(scene: Scene, words: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Drop every packet between the addresses of each pair, both ways; nobody is told."""
    drops = "\n    ".join(
        f"ip saddr {one} ip daddr {other} drop"
        for pair in pairs
        for one, other in (pair, pair[::-1])
    )
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
    return left + (["cables are still cut"] if TABLE in _nft("list", "tables") else [])


def _nft(*arguments: str, text: str = "") -> str:
    """Run nft in the VPC's namespace; see nft(8)."""
    command = ["nsenter", f"--net={paths().namespace}", "nft", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DrillFailed(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
