"""What EC2 does not know yet is asked for again, for a minute at most."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from common.consistency import NO_GROUP, once_known
from tests.unit.answers import Answers, refused
from tests.unit.common.test_waiting import StepClock

UNKNOWN = refused(NO_GROUP)


def authorize(aws: Any, clock: StepClock) -> Any:
    return once_known(lambda: aws("ec2").authorize(GroupId="sg-1"), NO_GROUP, clock=clock)


def test_it_is_asked_again_after_longer_and_longer_until_it_is_known() -> None:
    clock = StepClock()
    aws = Answers(authorize=[UNKNOWN, UNKNOWN, UNKNOWN, {"Return": True}])

    assert authorize(aws, clock) == {"Return": True}

    assert clock.now() == 2 + 4 + 8


def test_an_answer_may_be_empty() -> None:
    assert authorize(Answers(authorize=None), StepClock()) is None


def test_what_is_unknown_after_a_minute_does_not_exist() -> None:
    clock = StepClock()
    aws = Answers(authorize=UNKNOWN)

    with pytest.raises(ClientError, match=NO_GROUP):
        authorize(aws, clock)

    assert clock.now() == 60
    assert len(aws.requests) == 6


def test_another_error_is_raised_at_once() -> None:
    clock = StepClock()

    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        authorize(Answers(authorize=refused("UnauthorizedOperation")), clock)

    assert clock.now() == 0
