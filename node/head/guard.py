"""The head's state machine: Ray runs here only while this head holds the lease. AWS through its
arguments only.

    PREPARING → STANDBY → TAGGING → STARTING → LEADING
                   ↑________ STOPPING ________↓   (Ray is killed; then the lease is released)
                                ↓
                              ENDED               (stopped by systemd, or failed for good)

A holder whose lease names a successor stops Ray too, which is no failure, and is a standby again.
A standby relays to the leader what clients send it.

``step`` never sleeps and blocks for at most a call to the lease table and one to Ray (two seconds
each at worst); all other calls are made in the background. When the process itself hangs, systemd
acts: see ``may_feed_watchdog`` and ray-head.service.
"""

from collections.abc import Callable
from typing import ClassVar

from node.contract import HEAD_STANDING_BY
from node.head.autoscaler_health import AutoscalerHealth
from node.head.background_calls import BackgroundCalls, RepeatedCall
from node.head.failures import Failures
from node.head.heartbeat import Heartbeat
from node.head.phases import FAILED, LIMITS, STOPPED, UNFIT, Limits, Phase, Status
from node.head.ray_head import RayHead
from node.head.ray_health import RayHealth
from node.head.relay import Relay
from node.head.services import HeadServices
from node.lease.lease import Lease
from node.log import ERROR, WARNING, Log
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
        log: Log,
        limits: Limits = LIMITS,
    ) -> None:
        self.lease, self._ray, self._relay = lease, ray, relay
        self._services, self._calls = services, background_calls
        self._clock, self._log, self._limits = clock, log, limits
        self._health = RayHealth(ray, limits, clock=clock)
        self._failures = Failures(limits, clock=clock)
        self._heartbeat = Heartbeat(
            background_calls, services.send, clock=clock, interval=limits.heartbeat_interval
        )
        self._standing_by = RepeatedCall(
            background_calls,
            "standing by",
            lambda: services.send({HEAD_STANDING_BY: 1.0}),
            clock=clock,
            interval=limits.standing_by_interval,
        )
        self._autoscaler_health = AutoscalerHealth(ray, background_calls, limits, clock=clock)
        self._autoscaler = RepeatedCall(
            background_calls,
            "autoscaler",
            services.refresh_autoscaler,
            clock=clock,
            interval=limits.autoscaler_interval,
        )
        self.phase = Phase.PREPARING
        self.exit_code: int | None = None
        self._phase_began = clock()
        self._after_stop = Phase.STANDBY
        self._warm = False
        self._warm_up_at = 0.0
        self._launch_completed = False
        self._renewals_seen = 0

    def step(self) -> None:
        """Look once at lease and Ray, and do what follows."""
        if self.phase is Phase.ENDED:
            return
        self.lease.autoscaler = self._services.autoscaler_uri
        self.lease.refused = self._services.autoscaler_refused
        # Read from the first step on: the sooner the wait for a lapse begins, the sooner it ends.
        self.lease.step(take=self._can_lead())
        if self._ray_may_run():
            self._follow_lease()
        try:
            self._steps[self.phase](self)
            self._check_autoscaler()
            self._send_heartbeat()
            self._refresh_autoscaler()
        except NotFit as error:
            self._fail(str(error), UNFIT)

    def shut_down(self) -> None:
        """End, as systemd asks: Ray is killed, the lease released; the next step or two end us."""
        self._after_stop = Phase.ENDED
        self.exit_code = STOPPED if self.exit_code is None else self.exit_code
        self._stop("asked to stop")

    @property
    def is_leader(self) -> bool:
        """True while this head leads and its Ray is healthy."""
        return self.phase is Phase.LEADING and self._health.is_good and self.lease.held

    @property
    def takes_traffic(self) -> bool:
        """True while clients may come here. Any thread may ask; blocks for a second at most.

        A head that starts Ray says yes beforehand, since a load balancer needs a few checks. A
        standby that cannot reach a leader which still renews must not swallow connections. One
        that cannot reach a leader which no longer renews may be the next leader.
        """
        if self.phase is Phase.STANDBY:
            relays = self._relay.is_open and self._can_lead()
            return relays and (self._relay.reaches() or not self.lease.is_renewed_by_other)
        starts = self.phase in (Phase.TAGGING, Phase.STARTING) and self.lease.held
        return starts or self.is_leader

    def may_feed_watchdog(self) -> bool:
        """Say whether systemd's watchdog may be fed now; ask once after each step.

        While we hold the lease only a renewal counts; while Ray is being killed without one,
        nothing does.
        """
        if self.lease.epoch is None:
            return self.phase is not Phase.STOPPING
        before, self._renewals_seen = self._renewals_seen, self.lease.renewals
        return self._renewals_seen != before

    def status(self) -> Status:
        """Return what /status shows: no secrets."""
        leader = self.lease.leader
        return Status(
            phase=self.phase.value,
            healthy=self._health.is_good,
            epoch=self.lease.epoch,
            leader=leader.holder if leader else "",
            leader_address=leader.address if leader else "",
            failures=len(self._failures),
            successor=leader.next_holder if leader else "",
            autoscaler=self._autoscaler_health.status() if self.phase is Phase.LEADING else None,
        )

    # --- What each phase does --------------------------------------------------------------------

    def _prepare(self) -> None:
        fetched = self._calls.done("settings", self._services.prepare)
        self._warm = self._ray.warm()
        if self._warm and fetched:
            self._enter(Phase.STANDBY)
        elif self._phase_lasts(self._limits.prepare_timeout):
            self._fail("not prepared in time: see the background calls that failed", FAILED)

    def _wait_for_lease(self) -> None:
        self._warm = self._clock() >= self._warm_up_at and self._ray.warm()
        if self.lease.other_address:
            self._relay.follow(self.lease.other_address)
        if self.lease.held and self._warm:
            self._calls.reset("secret", "tags")
            self._enter(Phase.TAGGING)
        elif self.lease.epoch is not None:
            self._ray_failed("Ray was not warm when this head took the lease")
        elif not self._warm and self._phase_lasts(self._limits.prepare_timeout):
            self._fail("Ray cannot be imported", FAILED)
        elif self.lease.leader and not self.lease.leader.released:
            self._complete_launch()  # another head leads, and this one is ready to

    def _move_tags(self) -> None:
        secret = self._calls.done("secret", self._services.refresh_secret)
        tags = self._calls.done("tags", self._services.tag)
        if secret and tags and self.lease.held:
            self._ray.start()
            self._enter(Phase.STARTING)
        elif self._phase_lasts(self._limits.start_timeout):
            self._ray_failed("could not be tagged as head")

    def _wait_for_ray(self) -> None:
        if not self._ray.is_running():
            self._ray_failed("Ray ended while it started")
        elif self._ray.is_healthy():
            self._health.begin()
            self._autoscaler_health.begin()
            self._heartbeat.hurry()
            self._enter(Phase.LEADING)
        elif self._phase_lasts(self._limits.start_timeout):
            self._ray_failed("Ray did not come up in time")

    def _lead(self) -> None:
        self._complete_launch()
        if not self._ray.is_running():
            self._ray_failed("Ray ended")
        elif self._health.is_due:
            self._check_ray()

    def _stop_ray(self) -> None:
        if not self._ray.kill():
            return
        self.lease.release()
        self._log("Ray is dead", next=self._after_stop.value)
        self._enter(self._after_stop)

    _steps: ClassVar[dict[Phase, Callable[["Guard"], None]]] = {
        Phase.PREPARING: _prepare,
        Phase.STANDBY: _wait_for_lease,
        Phase.TAGGING: _move_tags,
        Phase.STARTING: _wait_for_ray,
        Phase.LEADING: _lead,
        Phase.STOPPING: _stop_ray,
    }

    # --- From one phase to the next --------------------------------------------------------------

    def _enter(self, phase: Phase) -> None:
        if phase is not Phase.STANDBY:
            self._relay.close()
        self.phase, self._phase_began = phase, self._clock()
        self._log("phase", now=phase.value, epoch=self.lease.epoch)

    def _phase_lasts(self, seconds: float) -> bool:
        """Say whether this phase has lasted longer than that."""
        return self._clock() - self._phase_began > seconds

    def _can_lead(self) -> bool:
        """Say whether this standby could lead from now on."""
        return self.phase is Phase.STANDBY and self._warm and self._failures.is_pause_over

    def _stands_by(self) -> bool:
        """Say whether this head could lead when the leader is lost, whose renewals it reads."""
        other_leads = self.lease.other_address and self.lease.is_renewed_by_other
        return self._can_lead() and bool(other_leads)

    def _ray_may_run(self) -> bool:
        return self.phase in (Phase.TAGGING, Phase.STARTING, Phase.LEADING)

    def _follow_lease(self) -> None:
        """Stop Ray when the lease is lost, or is to be handed over.

        Not while tags are being moved: the successor must be the last to write them.
        """
        if not self.lease.held:
            self._stop("the lease is lost")
        elif self.lease.successor and not self._calls.is_running("tags"):
            self._warm_up_at = self._clock() + self._limits.warm_up_delay
            self._stop(f"the lease is handed over to {self.lease.successor}")

    def _check_ray(self) -> None:
        if self._health.check():
            self._heartbeat.hurry()
            self._log("health changed", level=WARNING, healthy=self._health.is_good)
        if self._health.is_lost:
            self._ray_failed("Ray does not answer")

    def _check_autoscaler(self) -> None:
        if self.phase is Phase.LEADING and self._autoscaler_health.step():
            self._heartbeat.hurry()
            working = self._autoscaler_health.working
            self._log("autoscaler changed", level=WARNING, working=working)

    def _ray_failed(self, why: str) -> None:
        """Release the lease at once; fail for good when Ray has failed too often."""
        self._failures.add()
        self._heartbeat.report_failure()
        if self._failures.are_too_many:
            self._fail(f"{why}, {len(self._failures)} times", UNFIT)
        else:
            self._stop(why)

    def _fail(self, why: str, code: int) -> None:
        self._log("head failed", level=ERROR, why=why)
        self._after_stop, self.exit_code = Phase.ENDED, code
        self._stop(why)

    def _stop(self, why: str) -> None:
        """Kill Ray in this very step; later steps make sure that nothing is left."""
        self._log("stopping Ray", level=WARNING, why=why, phase=self.phase.value)
        self._health.end()
        self._warm = False
        self._enter(Phase.STOPPING)
        self._stop_ray()

    # --- Background calls ------------------------------------------------------------------------

    def _complete_launch(self) -> None:
        if not self._launch_completed:
            self._launch_completed = self._calls.done("launch", self._services.complete_launch)

    def _send_heartbeat(self) -> None:
        if self.lease.epoch is not None and self.phase is not Phase.STOPPING:
            leads = self.phase is Phase.LEADING
            self._heartbeat.step(
                self.is_leader if leads else None,
                self._autoscaler_health.working if leads else None,
            )
        elif self._stands_by():
            self._standing_by.step()

    def _refresh_autoscaler(self) -> None:
        if self.phase in (Phase.STANDBY, Phase.LEADING):
            self._autoscaler.step()
