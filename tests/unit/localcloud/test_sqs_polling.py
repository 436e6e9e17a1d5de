"""A request that waits for messages keeps no other waiting."""

from threading import Event, Thread

from localcloud.patches.sqs_polling import wait_for_messages
from localcloud.world import World


def test_others_are_answered_while_one_waits_for_messages(world: World) -> None:
    answered = Event()

    def another() -> None:
        with world.lock:
            answered.set()

    with world.lock:
        other = Thread(target=another)
        other.start()
        assert not answered.wait(0.2)
        for _ in range(100):
            wait_for_messages(None, 1)
            if answered.is_set():
                break
        assert answered.is_set()
    other.join()
