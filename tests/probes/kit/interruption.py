"""Ctrl-C, SIGTERM and SIGHUP end a probe at its next look, not in the middle of a call.

What a call that is under way makes is so known, and removed like all else. That takes minutes, in
which a further signal changes nothing: a CI that cancels a job sends several.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from common.signals import handled

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruption() -> Iterator[Event]:
    """Yield what is set once one of the signals comes; what is ignored stays so."""
    came = Event()
    # nohup(1) ignores SIGHUP.
    numbers = (one for one in SIGNALS if signal.getsignal(one) != signal.SIG_IGN)
    with handled(lambda *_: came.set(), *numbers):
        yield came
