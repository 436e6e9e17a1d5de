"""Have the kernel kill this process at a given moment, whatever keeps it from running. No AWS.

A stopped or starved process cannot look at its clock, and a POSIX timer (timer_create(2)) needs no
process that does. Set to an absolute moment, it leaves no calculation that a pause could fall into,
and SIGKILL reaches a stopped process too (signal(7)). systemd then kills what is left in the
cgroup.
"""

import ctypes
import os
import signal
import time

SIGEV_SIGNAL = 0
TIMER_ABSTIME = 1


class _Event(ctypes.Structure):
    """struct sigevent, sigevent(7): 64 bytes on 64-bit Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_byte * 48),
    )


class _Times(ctypes.Structure):
    """struct itimerspec: interval, then the moment; each in seconds and nanoseconds."""

    _fields_ = (
        ("every", ctypes.c_long),
        ("every_ns", ctypes.c_long),
        ("at", ctypes.c_long),
        ("at_ns", ctypes.c_long),
    )


class KillTimer:
    """One timer on CLOCK_BOOTTIME; not inherited by children. Raises OSError."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _Event(signo=signal.SIGKILL, notify=SIGEV_SIGNAL)
        made = ctypes.byref(self._timer)
        self._checked(
            self._libc.timer_create(time.CLOCK_BOOTTIME, ctypes.byref(event), made), "timer_create"
        )

    def set(self, at: float | None) -> None:
        """Die at this moment of the boot clock, at once if it has passed; None: do not."""
        nanoseconds = 0 if at is None else max(1, round(at * 1e9))
        times = _Times(0, 0, *divmod(nanoseconds, 1_000_000_000))
        self._checked(
            self._libc.timer_settime(self._timer, TIMER_ABSTIME, ctypes.byref(times), None),
            "timer_settime",
        )

    def _checked(self, result: int, what: str) -> None:
        if result:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")
