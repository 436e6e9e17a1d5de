"""Where the smoke job ran: each node with its group, and each group that has none."""

from deploy.operate.smoke_words import smoke_words
from deploy.verify.smoke import Participant
from tests.unit.deploy.builders import an_instance


def test_each_node_is_named_with_its_group_and_an_empty_group_is_not_called_well() -> None:
    present = [
        Participant(f"{number}abcdefghijklmnop", f"10.77.0.{number}", "ip") for number in (1, 2, 3)
    ]
    instances = {
        "10.77.0.1": an_instance("i-head", "head"),
        "10.77.0.2": an_instance("i-1", "worker", group="cpu"),
    }

    assert smoke_words(present, instances, ["gpu", "cpu"]) == [
        "head i-head 10.77.0.1 ran it as Ray node 1abcdefghijk",
        "worker i-1 of cpu 10.77.0.2 ran it as Ray node 2abcdefghijk",
        "a new node 10.77.0.3 ran it as Ray node 3abcdefghijk",
        "group gpu: no worker now",
    ]
