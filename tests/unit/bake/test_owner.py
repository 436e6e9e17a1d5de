"""The owner of a bake is identified uniquely."""

import subprocess
import sys

from bake.owner import Owner, this_process


def test_an_owner_is_read_back_from_its_tag() -> None:
    owner = this_process()

    assert Owner.parse(str(owner)) == owner
    assert Owner.parse("another tag") is None
    assert Owner.parse("host/one/two") is None


def test_a_running_process_is_not_dead() -> None:
    assert not this_process().is_known_dead()


def test_a_process_that_ended_is_known_dead() -> None:
    script = "from bake.owner import this_process; print(this_process())"
    completed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    owner = Owner.parse(completed.stdout.strip())

    assert owner is not None
    assert owner.is_known_dead()


def test_a_process_of_another_machine_is_not_known_to_be_dead() -> None:
    assert not Owner("elsewhere-00000000", 1, 1).is_known_dead()
