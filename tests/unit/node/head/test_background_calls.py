"""Calls beside a state machine."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from node.head.background_calls import BackgroundCalls
from node.ray.protobuf import counted, decoded
from tests.unit.node.fakes import AtOnce, FakeClock, RecordedLog, silent


class Final(Exception):
    """A retry cannot help."""


def some_calls(executor: Any, clock: FakeClock, log: Any = silent) -> BackgroundCalls:
    return BackgroundCalls(executor, clock=clock, log=log, final=Final)


def test_a_call_that_succeeded_is_not_repeated_unless_reset() -> None:
    background_calls, calls = some_calls(AtOnce(), FakeClock()), []

    assert background_calls.done("tag", lambda: calls.append(1))
    assert background_calls.done("tag", lambda: calls.append(2))
    background_calls.reset("tag")
    assert background_calls.done("tag", lambda: calls.append(3))

    assert calls == [1, 3]


def test_a_call_that_failed_is_retried_after_a_pause() -> None:
    clock, log, calls = FakeClock(), RecordedLog(), []
    background_calls = some_calls(AtOnce(), clock, log)

    def fail() -> None:
        calls.append(clock())
        raise OSError("not now")

    for _ in range(40):
        assert not background_calls.done("send", fail)
        clock.advance(0.25)

    assert 3 <= len(calls) <= 10
    assert log.events == ["background call failed"] * len(calls)


def test_a_final_error_reaches_the_caller() -> None:
    def fail() -> None:
        raise Final("never")

    with pytest.raises(Final, match="never"):
        some_calls(AtOnce(), FakeClock()).done("prepare", fail)


def test_a_slow_call_blocks_nothing_and_is_made_once() -> None:
    go, calls = Event(), []
    with ThreadPoolExecutor(max_workers=1) as executor:
        background_calls = some_calls(executor, FakeClock())

        def slow() -> None:
            calls.append(1)
            go.wait(10)

        assert not background_calls.done("send", slow)
        assert not background_calls.done("send", slow)
        go.set()
        executor.submit(lambda: None).result(10)
        assert background_calls.done("send", slow)

    assert calls == [1]


def test_a_call_that_was_running_at_a_reset_does_not_count() -> None:
    class Held(AtOnce):
        def __init__(self) -> None:
            self.futures: list[Future[Any]] = []

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.futures.append(Future())
            return self.futures[-1]

    held = Held()
    background_calls = some_calls(held, FakeClock())
    background_calls.done("tags", lambda: None)

    background_calls.reset("tags")
    assert not background_calls.done("tags", lambda: None)
    held.futures[0].set_result(None)
    assert not background_calls.done("tags", lambda: None)
    held.futures[1].set_result(None)
    assert background_calls.done("tags", lambda: None)


def test_protobuf_fields_are_read_as_the_encoding_says() -> None:
    # protobuf.dev/programming-guides/encoding: 1: 150, 2: "testing", 3: packed, 4: fixed32
    message = b"\x08\x96\x01\x12\x07testing\x1a\x01\x01\x25\x01\x00\x00\x00"

    assert list(decoded(message)) == [
        (1, 150),
        (2, b"testing"),
        (3, b"\x01"),
        (4, b"\x01\x00\x00\x00"),
    ]
    assert counted(1, b"ab") == b"\x0a\x02ab"


@pytest.mark.parametrize("message", [b"\x12\x07test", b"\x08", b"\x0b", b"\x25\x01"])
def test_a_truncated_message_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a protobuf message$"):
        list(decoded(message))
