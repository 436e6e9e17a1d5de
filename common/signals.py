"""Handle signals for a while: who handled them before does again afterwards. No AWS."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType


@contextmanager
def handled(by: Callable[[int, FrameType | None], None], *numbers: int) -> Iterator[None]:
    """Have these signals call a function until the end; the main thread alone can, signal(2)."""
    with ExitStack() as undo:
        for number in numbers:
            undo.callback(signal.signal, number, signal.signal(number, by))
        yield
