"""What a boot waits for and reads from disk: a budget for each role, which is only lowered."""

from pathlib import Path
from typing import Any

from tests.image.conftest import Expected

SCRIPT = Path(__file__).with_name("ray_reads.py")
MIB = 1 << 20
# From a cold page cache until a node is ready, as ray_reads.py has it. With a read-ahead of 8 MiB
# it is some 80 MiB; that of EC2's volumes is 128 KiB, which reads less.
BUDGET_MIB = {"head": 120, "worker": 110}


def test_getting_ready_reads_no_more_from_disk_than_the_roles_budget(
    machine: Any, expected: Expected
) -> None:
    command = "cd /opt/raykiln && /opt/ray/bin/python -B -c %s %s"

    read = int(machine.check_output(command, SCRIPT.read_text(), expected.role))

    assert 0 < read / MIB <= BUDGET_MIB[expected.role]


def test_nothing_of_ours_is_what_the_boot_waits_for(machine: Any, expected: Expected) -> None:
    """Without user data the instance is no node of a cluster."""
    chain = machine.check_output("systemd-analyze critical-chain --no-pager multi-user.target")
    ours = {path.name for path in (expected.source / "systemd").iterdir()}

    assert "multi-user.target @" in chain
    assert [name for name in ours if name in chain] == []
