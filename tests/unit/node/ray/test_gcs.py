"""What is read from the GCS's answers, byte by byte."""

import pytest

from node.ray.gcs import round_in, state_version_in
from node.ray.protobuf import counted, varint_field

# GetClusterStatusReply: autoscaling_state = 1, cluster_resource_state = 2.
STATE = varint_field(1, 300) + varint_field(2, 7)
CLUSTER = counted(2, varint_field(1, 301))


def test_the_round_is_the_version_that_the_autoscaler_saw_last() -> None:
    assert round_in(counted(1, STATE) + CLUSTER) == 300


def test_the_state_s_version_is_the_one_that_the_autoscaler_gave_it() -> None:
    assert state_version_in(counted(1, STATE) + CLUSTER) == 7


@pytest.mark.parametrize("reply", [b"", CLUSTER, counted(1, b"") + CLUSTER])
def test_there_is_neither_before_the_autoscaler_has_reported(reply: bytes) -> None:
    assert (round_in(reply), state_version_in(reply)) == (0, 0)


@pytest.mark.parametrize("reply", [b"\x0a\xff", counted(1, counted(1, b"x"))])
def test_another_message_is_refused(reply: bytes) -> None:
    with pytest.raises(ValueError, match="protobuf"):
        round_in(reply)
