"""A worker's `ray start`: it joins, runs, and ends by itself when its head is lost.

Drained, it goes on without a raylet, as `ray start --block` of Ray 2.60 does. A version that is not
its head's ends it at once (ray/_private/node.py, check_version_info).
"""

from collections.abc import Callable

from tests.simulation.machine import Machine
from tests.simulation.network import Silence
from tests.simulation.ray import HeadRay, Raylet, Rays

JOIN_EVERY = 2.0  # `ray start` waits for the head's raylet in steps of two seconds


class WorkerRay:
    """``ended`` is called when the process ends by itself."""

    def __init__(
        self,
        rays: Rays,
        machine: Machine,
        *,
        resolve: Callable[[], str],
        token: str,
        ended: Callable[[], None],
    ) -> None:
        self._rays, self._machine = rays, machine
        self._resolve, self._token, self._ended = resolve, token, ended
        self._began = machine.timeline.now()
        self._head: HeadRay | None = None
        self._silent_since: float | None = None
        self._dead = False
        self.raylet: Raylet | None = None
        machine.after(machine.settings.worker_joins, self._join)

    def kill(self) -> None:
        """End the process; its GCS notices at once only if it is reachable."""
        if self._dead:
            return
        self._dead = True
        raylet, head = self.raylet, self._head
        self.raylet = None
        if raylet and head:
            settings = self._machine.settings
            heard = self._machine.is_up and self._silent_since is None
            noticed = settings.process_death_noticed if heard else settings.silence_noticed
            self._machine.timeline.after(noticed, lambda: head.remove(raylet))

    def _end(self) -> None:
        if not self._dead:
            self.kill()
            self._ended()

    def _join(self) -> None:
        if self._dead:
            return
        head = self._found()
        if head and head.machine.ray_version != self._machine.ray_version:
            self._machine.log(
                "Version mismatch", ours=self._machine.ray_version, head=head.machine.ray_version
            )
            self._end()
        elif head and head.own and head.token == self._token and self._may_join(head):
            self._head = head
            self.raylet = self._rays.raylet(self._machine, self._recheck, self._drain)
            head.add(self.raylet)
        elif self._machine.timeline.now() - self._began < self._machine.settings.join_timeout:
            self._machine.after(JOIN_EVERY, self._join)
        else:
            self._end()

    def _may_join(self, head: HeadRay) -> bool:
        """Say whether no fault is set."""
        faults, host = self._rays.faults, self._machine.host
        stranded = {host.ami_id, host.instance_id} & faults.stranded
        return not stranded and head.machine.host.ami_id not in faults.lonely_images

    def _drain(self) -> None:
        """Take no more work, and leave the cluster once there is none left, however late."""
        if self.raylet:
            left = max(0.0, self.raylet.busy_until - self._machine.timeline.now())
            self._machine.after(left + self._machine.settings.drained, self._leave)

    def _leave(self) -> None:
        raylet, head = self.raylet, self._head
        if raylet is None or head is None or not raylet.drains:
            return
        if raylet.busy_until > self._machine.timeline.now():
            self._drain()
            return
        self.raylet = None
        head.remove(raylet)

    def _recheck(self) -> None:
        """Check at once, and go on checking while the head does not answer."""
        if self._silent_since is None and not self._dead:
            self._look()

    def _look(self) -> None:
        """The raylet's self-check: its GCS, silence, or a GCS of another cluster."""
        if self._dead or self.raylet is None or self._head is None:
            return
        now, settings = self._machine.timeline.now(), self._machine.settings
        if self._reaches_head(self._head):
            self._silent_since = None
            if self.raylet.node_id not in self._head.nodes:
                self._end()  # its GCS has declared it dead
            return
        if self._silent_since is None:
            self._silent_since = now
            self._machine.timeline.after(settings.silence_noticed, self._forgotten)
        if self._found() is not None:
            self._machine.after(settings.new_gcs_noticed, self._end)
        elif now - self._silent_since >= settings.reconnect:
            self._end()
        else:
            self._machine.after(settings.self_check, self._look)

    def _forgotten(self) -> None:
        """The GCS declares this silent raylet dead."""
        if self._silent_since is not None and self._head and self.raylet:
            self._head.remove(self.raylet)

    def _reaches_head(self, head: HeadRay) -> bool:
        try:
            return self._rays.find(self._machine, head.machine.address) is head
        except Silence:
            return False

    def _found(self) -> HeadRay | None:
        """Return the head that the name resolves to now."""
        try:
            return self._rays.find(self._machine, self._resolve())
        except (Silence, OSError):
            return None
