"""One HAProxy that applies a load balancer's plan: configuration, process, commands. No AWS.

Listeners are in the configuration, and HAProxy takes a new one without dropping a connection
(master-worker mode,
https://www.haproxy.com/documentation/haproxy-configuration-tutorials/reload/). Targets come and go
by runtime commands (management guide, "set server", "shutdown sessions server"): every listener
has ``SLOTS`` servers, most of them disabled, and each target is given one.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.patches.elbv2.forwarding import OUT, READY, ForwardingPlan, Frontend, Server

SLOTS = 32
PLACEHOLDER = "127.0.0.1:1"
MOVED = "by 'stats socket command'"  # how HAProxy's answer to a new address ends
READY_SECONDS = 10.0
RELOAD = signal.SIGUSR2
HARD_STOP_SECONDS = 10  # how long an old worker's connections last after a new listener

HEADER = """\
global
  stats socket {socket} mode 600 level admin expose-fd listeners
  hard-stop-after {stop}s
  maxconn 4000
  nbthread 1
defaults
  mode tcp
  balance roundrobin
  timeout connect 4s
  timeout queue 1ms
  option redispatch
"""


@dataclass
class Slots:
    """Which target of one listener has which of its servers."""

    taken: dict[str, int] = field(default_factory=dict)

    def take(self, name: str) -> int:
        """Return the target's slot, a free one if it has none; raises IndexError when full."""
        if name not in self.taken:
            free = set(range(1, SLOTS + 1)) - set(self.taken.values())
            if not free:
                raise IndexError(f"more than {SLOTS} targets")
            self.taken[name] = min(free)
        return self.taken[name]


def name_of(frontend: Frontend) -> str:
    return f"{frontend.address}-{frontend.port}"


def listeners_of(plan: ForwardingPlan) -> tuple[tuple[str, int, int], ...]:
    """Return what a plan needs in the configuration; if that is the same, no reload is needed."""
    return tuple((f.address, f.port, f.idle_seconds) for f in plan.frontends)


def configuration(plan: ForwardingPlan, slots: dict[str, Slots], control: Path) -> str:
    """Return HAProxy's configuration with every target in its slot."""
    text = HEADER.format(socket=control, stop=HARD_STOP_SECONDS)
    return text + "".join(_listen(f, slots[name_of(f)]) for f in plan.frontends)


def _listen(frontend: Frontend, slots: Slots) -> str:
    by_slot = {slots.take(server.name): server for server in frontend.servers}
    lines = [
        f"listen {name_of(frontend)}",
        f"  bind {frontend.address}:{frontend.port}",
        f"  timeout client {frontend.idle_seconds}s",
        f"  timeout server {frontend.idle_seconds}s",
        f"  source {frontend.address}",
        *(_server_line(n, by_slot.get(n)) for n in range(1, SLOTS + 1)),
    ]
    return "\n".join(lines) + "\n"


def _server_line(slot: int, server: Server | None) -> str:
    if server is None:
        return f"  server s{slot} {PLACEHOLDER} disabled"
    disabled = "" if server.state == READY else " disabled"
    return f"  server s{slot} {server.address}:{server.port}{disabled}"


def commands(before: Frontend, after: Frontend, slots: Slots) -> Iterator[str]:
    """Yield the runtime commands that take one listener's targets from one plan to the next."""
    old = {server.name: server for server in before.servers}
    new = {server.name: server for server in after.servers}
    for name in old.keys() - new.keys():
        where = f"{name_of(after)}/s{slots.taken.pop(name)}"
        yield f"set server {where} state {OUT}"
        if after.closes_gone:
            yield f"shutdown sessions server {where}"
    for name, server in new.items():
        if server != old.get(name):
            yield from _moved(old.get(name), server, after, slots)


def _moved(old: Server | None, new: Server, frontend: Frontend, slots: Slots) -> Iterator[str]:
    where = f"{name_of(frontend)}/s{slots.take(new.name)}"
    if old is None or (old.address, old.port) != (new.address, new.port):
        yield f"set server {where} addr {new.address} port {new.port}"
    yield f"set server {where} state {new.state}"
    if new.state == OUT and frontend.closes_unhealthy:
        yield f"shutdown sessions server {where}"


class Proxy:
    """A running HAProxy; ``prefix`` is a command that runs another one where it belongs."""

    def __init__(self, folder: Path, name: str, prefix: Sequence[str] = ()) -> None:
        self._prefix = list(prefix)
        self._config = folder / f"{name}.cfg"
        self._log = folder / f"{name}.log"
        self.control = folder / f"{name}.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._plan: ForwardingPlan | None = None
        self._slots: dict[str, Slots] = {}

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def settled(self) -> bool:
        """It runs, or its plan has no listener to run for."""
        return self.runs or (self._plan is not None and not self._plan.frontends)

    def follow(self, plan: ForwardingPlan) -> None:
        """Apply the plan; raises OSError when HAProxy does not.

        After a partial failure the next plan starts from a complete configuration.
        """
        before, self._plan = self._plan, None
        if not plan.frontends:
            self.stop()
        elif not self.runs:
            self._configure(plan)
            self._start()
        elif before is None or listeners_of(plan) != listeners_of(before):
            self._configure(plan)
            self._reload()
        else:
            self._command(before, plan)
        self._plan = plan

    def stop(self) -> None:
        """Kill it, and with it all connections."""
        self._kill()
        for path in (self._config, self._log, self.control):
            path.unlink(missing_ok=True)

    def ask(self, command: str) -> str:
        """Send one runtime command, and return the answer; raises OSError."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(READY_SECONDS)
            connection.connect(str(self.control))
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode().strip()

    def _configure(self, plan: ForwardingPlan) -> None:
        self._slots = {name_of(frontend): Slots() for frontend in plan.frontends}
        self._config.parent.mkdir(parents=True, exist_ok=True)
        self._config.write_text(configuration(plan, self._slots, self.control))

    def _kill(self) -> None:
        """Master and workers are one process group, also when the master has died."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        self._kill()
        command = [*self._prefix, "haproxy", "-W", "-f", str(self._config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_worker(0)

    def _reload(self) -> None:
        assert self._process is not None  # noqa: S101 - it runs
        before = self._worker()
        self._process.send_signal(RELOAD)
        self._await_worker(before)

    def _worker(self) -> int:
        """Return the pid of the worker that answers commands; 0 while there is none."""
        try:
            found = re.search(r"^Pid: (\d+)$", self.ask("show info"), re.MULTILINE)
        except OSError:
            return 0
        return int(found.group(1)) if found else 0

    def _await_worker(self, old: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while self._worker() in (0, old) or not self._is_listening():
            if not self.runs or time.monotonic() > deadline:
                raise OSError(f"HAProxy did not become ready: {self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def _is_listening(self) -> bool:
        """Say whether the master catches the signal to reload (proc(5), SigCgt).

        A worker answers before its master does, and a signal to the master before that is lost.
        """
        if self._process is None:
            return False
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        masks = {k: int(v, 16) for k, v in re.findall(r"^(Sig\w+):\s+([0-9a-f]+)$", status, re.M)}
        bit = 1 << (RELOAD - 1)
        return bool(masks["SigCgt"] & bit and not masks["SigBlk"] & bit)

    def _command(self, before: ForwardingPlan, after: ForwardingPlan) -> None:
        for old, new in zip(before.frontends, after.frontends, strict=True):
            for command in commands(old, new, self._slots[name_of(new)]):
                answer = self.ask(command)
                if answer and not answer.endswith(MOVED):
                    raise OSError(f"HAProxy answered {answer!r} to {command!r}")
