"""The head's state machine: Ray runs here only while the head lease is ours. AWS through its
arguments only.

    PREPARING → STANDBY → TAGGING → STARTING → LEADING
                   ↑________ STOPPING ________↓   (Ray is killed; then the lease is given up)
                                ↓
                              ENDED               (stopped by systemd, or failed for good)

A holder whose lease names a successor stops Ray too, without having failed, and is a standby again.
A standby passes on to the leader what clients send it.

``step`` never sleeps and blocks for at most a call to the lease table and one to Ray (two seconds
each at worst); all other calls are made in the background. When the process itself hangs, systemd
acts: see ``is_vital`` and ray-head.service.
"""

from collections.abc import Callable
from typing import ClassVar

from node.contract import HEAD_LEADER, HEAD_READY
from node.head.background_calls import BackgroundCalls
from node.head.phases import FAILED, LIMITS, STOPPED, UNFIT, Limits, Phase, Status
from node.head.ray_head import RayHead
from node.head.relay import Relay
from node.head.services import HeadServices
from node.lease.lease import Lease
from node.log import ERROR, WARNING, Say
from node.ray.token import NotFit

Clock = Callable[[], float]


class Guard:
    """One head instance's guard."""

    def __init__(
        self,
        lease: Lease,
        ray: RayHead,
        relay: Relay,
        services: HeadServices,
        background_calls: BackgroundCalls,
        *,
        clock: Clock,
        say: Say,
        limits: Limits = LIMITS,
    ) -> None:
        self.lease, self._ray, self._relay = lease, ray, relay
        self._services, self._calls = services, background_calls
        self._clock, self._say, self._limits = clock, say, limits
        self.phase = Phase.PREPARING
        self.exit_code: int | None = None
        self._since = clock()
        self._after_stop = Phase.STANDBY
        self._warm = False
        self._healthy = False
        self._healthy_at = 0.0
        self._next_check = 0.0
        self._next_heartbeat = 0.0
        self._next_look = 0.0
        self._compete_at = 0.0
        self._warm_up_at = 0.0
        self._failed_at: list[float] = []
        self._launch_completed = False
        self._vital_sign = 0

    def step(self) -> None:
        """Look once at lease and Ray, and do what follows."""
        if self.phase is Phase.ENDED:
            return
        self.lease.autoscaler = self._services.autoscaler_uri
        # Watched from the first step on: a wait begun is time won.
        self.lease.step(wanted=self._is_fit())
        if self._ray_may_run():
            self._heed_lease()
        try:
            self._steps[self.phase](self)
            self._send_heartbeat()
            self._follow_autoscaler()
        except NotFit as error:
            self._fail(str(error), UNFIT)

    def shut_down(self) -> None:
        """systemd asks us to end: Ray dies, the lease is given up, the next step or two end us."""
        self._after_stop = Phase.ENDED
        self.exit_code = STOPPED if self.exit_code is None else self.exit_code
        self._stop("asked to stop")

    @property
    def is_leader(self) -> bool:
        """True while this head leads and its Ray is healthy."""
        return self.phase is Phase.LEADING and self._healthy and self.lease.held

    @property
    def takes_traffic(self) -> bool:
        """True while clients may come here. Any thread may ask; blocks for a second at most.

        A head that starts Ray says so beforehand, since a load balancer needs a few checks. A
        standby that is cut off from a leader whom others still see must not swallow connections.
        One that cannot reach a leader who renews no more may be the next.
        """
        if self.phase is Phase.STANDBY:
            passes = self._relay.is_open and self._is_fit()
            return passes and (self._relay.reaches() or not self.lease.is_renewed)
        starts = self.phase in (Phase.TAGGING, Phase.STARTING) and self.lease.held
        return starts or self.is_leader

    def is_vital(self) -> bool:
        """Say whether systemd's watchdog may be fed now; ask once after each step.

        While we hold the lease only a renewal counts; while Ray is being killed without one,
        nothing does.
        """
        if self.lease.epoch is None:
            return self.phase is not Phase.STOPPING
        before, self._vital_sign = self._vital_sign, self.lease.renewals
        return self._vital_sign != before

    def status(self) -> Status:
        """Return what can be shown to anyone."""
        leader = self.lease.leader
        return Status(
            phase=self.phase.value,
            healthy=self._healthy,
            epoch=self.lease.epoch,
            leader=leader.holder if leader else "",
            leader_address=leader.address if leader else "",
            failures=len(self._failed_at),
            successor=leader.next_holder if leader else "",
        )

    def _prepare(self) -> None:
        fetched = self._calls.done("settings", self._services.prepare)
        self._warm = self._ray.warm()
        if self._warm and fetched:
            self._enter(Phase.STANDBY)
        elif self._clock() - self._since > self._limits.prepare:
            self._fail("not prepared in time: see the background calls that failed", FAILED)

    def _stand_by(self) -> None:
        self._warm = self._clock() >= self._warm_up_at and self._ray.warm()
        if self.lease.other:
            self._relay.follow(self.lease.other)
        if self.lease.held and self._warm:
            self._calls.again("secret", "tags")
            self._enter(Phase.TAGGING)
        elif self.lease.epoch is not None:
            self._ray_failed("Ray was not warm when the lease was ours")
        elif not self._warm and self._clock() - self._since > self._limits.prepare:
            self._fail("Ray cannot be imported", FAILED)
        elif self.lease.leader and not self.lease.leader.released:
            self._complete_launch()  # somebody else leads, and we could

    def _tag(self) -> None:
        secret = self._calls.done("secret", self._services.refresh_secret)
        tags = self._calls.done("tags", self._services.tag)
        if secret and tags and self.lease.held:
            self._ray.start()
            self._enter(Phase.STARTING)
        elif self._clock() - self._since > self._limits.start:
            self._ray_failed("could not be tagged as head")

    def _await_ray(self) -> None:
        if not self._ray.is_running():
            self._ray_failed("Ray ended while it started")
        elif self._ray.is_healthy():
            self._healthy, self._healthy_at = True, self._clock()
            self._next_heartbeat = 0.0
            self._enter(Phase.LEADING)
        elif self._clock() - self._since > self._limits.start:
            self._ray_failed("Ray did not come up in time")

    def _lead(self) -> None:
        self._complete_launch()
        if not self._ray.is_running():
            self._ray_failed("Ray ended")
        elif self._clock() >= self._next_check:
            self._next_check = self._clock() + self._limits.check_every
            self._check_ray()

    def _check_ray(self) -> None:
        healthy, was = self._ray.is_healthy(), self._healthy
        self._healthy = healthy
        if healthy != was:
            self._next_heartbeat = 0.0
            self._say("health changed", level=WARNING, healthy=healthy)
        if healthy:
            self._healthy_at = self._clock()
        elif self._clock() - self._healthy_at > self._limits.unhealthy:
            self._ray_failed("Ray does not answer")

    def _stop_ray(self) -> None:
        if not self._ray.kill():
            return
        self.lease.release()
        self._say("Ray is dead", next=self._after_stop.value)
        self._enter(self._after_stop)

    _steps: ClassVar[dict[Phase, Callable[["Guard"], None]]] = {
        Phase.PREPARING: _prepare,
        Phase.STANDBY: _stand_by,
        Phase.TAGGING: _tag,
        Phase.STARTING: _await_ray,
        Phase.LEADING: _lead,
        Phase.STOPPING: _stop_ray,
    }

    def _heed_lease(self) -> None:
        """Stop Ray when the lease is lost, or is to go to another.

        Not while tags are being moved: the successor's would not be the last ones written.
        """
        if not self.lease.held:
            self._stop("the lease is lost")
        elif self.lease.successor and not self._calls.under_way("tags"):
            self._warm_up_at = self._clock() + self._limits.rest
            self._stop(f"the lease is handed over to {self.lease.successor}")

    def _is_fit(self) -> bool:
        """Say whether this standby could lead from now on."""
        return self.phase is Phase.STANDBY and self._warm and self._clock() >= self._compete_at

    def _ray_may_run(self) -> bool:
        return self.phase in (Phase.TAGGING, Phase.STARTING, Phase.LEADING)

    def _ray_failed(self, why: str) -> None:
        """Give up the lease at once; fail for good when that has happened too often."""
        now = self._clock()
        recent = [at for at in self._failed_at if at > now - self._limits.failures_within]
        self._failed_at = [*recent, now]
        self._compete_at = now + self._limits.pause
        self._calls.again("not ready")
        self._calls.done("not ready", lambda: self._services.send({HEAD_READY: 0.0}))
        if len(self._failed_at) > self._limits.failures:
            self._fail(f"{why}, {len(self._failed_at)} times", UNFIT)
        else:
            self._stop(why)

    def _fail(self, why: str, code: int) -> None:
        self._say("head failed", level=ERROR, why=why)
        self._after_stop, self.exit_code = Phase.ENDED, code
        self._stop(why)

    def _stop(self, why: str) -> None:
        """Kill Ray in this very step; later steps see to it that nothing is left."""
        self._say("stopping Ray", level=WARNING, why=why, phase=self.phase.value)
        self._healthy = self._warm = False
        self._enter(Phase.STOPPING)
        self._stop_ray()

    def _complete_launch(self) -> None:
        if not self._launch_completed:
            self._launch_completed = self._calls.done("launch", self._services.complete_launch)

    def _send_heartbeat(self) -> None:
        """Send HeadLeader while we hold the lease; HeadReady from the first time on that Ray was
        healthy.
        """
        if self.lease.epoch is None or self.phase is Phase.STOPPING:
            return
        if self._clock() >= self._next_heartbeat:
            self._next_heartbeat = self._clock() + self._limits.heartbeat
            self._calls.again("heartbeat")
        ready = {HEAD_READY: float(self.is_leader)} if self.phase is Phase.LEADING else {}
        self._calls.done("heartbeat", lambda: self._services.send({HEAD_LEADER: 1.0, **ready}))

    def _follow_autoscaler(self) -> None:
        """Look every few seconds whether Ray's autoscaler shall work by another YAML."""
        if self.phase not in (Phase.STANDBY, Phase.LEADING) or self._clock() < self._next_look:
            return
        if self._calls.done("autoscaler", self._services.refresh_autoscaler):
            self._calls.again("autoscaler")
            self._next_look = self._clock() + self._limits.autoscaler

    def _enter(self, phase: Phase) -> None:
        if phase is not Phase.STANDBY:
            self._relay.close()
        self.phase, self._since = phase, self._clock()
        self._say("phase", now=phase.value, epoch=self.lease.epoch)
