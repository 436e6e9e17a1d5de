"""Ctrl-C, SIGTERM and SIGHUP end a probe at its next look, not in the middle of a call.

What a call that is under way makes is so known, and removed like all else. That takes minutes, in
which a further signal changes nothing: a CI that cancels a job sends several.
"""

import signal
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Whether one of the signals came since this context was entered; what is ignored stays so."""

    def __init__(self) -> None:
        self.came = False
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup(1) ignores SIGHUP
                self._undo.callback(signal.signal, number, signal.signal(number, self._note))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
