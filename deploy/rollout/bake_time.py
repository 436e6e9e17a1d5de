"""Wait for the bake time: no alarm goes to ALARM for so many seconds. Reads AWS only."""

from common.errors import Unhealthy
from common.waiting import Seen
from deploy.cluster.alarms import find_alarms
from deploy.rollout.cluster_access import ClusterAccess

EVERY = 5.0  # seconds between two looks
MARGIN = 60.0


def await_bake_time(access: ClusterAccess, seconds: float) -> str:
    """Wait ``seconds``; return the outcome in words.

    Raises Unhealthy as soon as an alarm goes to ALARM. One that was in ALARM at the start may be
    what this rollout fixes, so it has until the end of the bake time to leave ALARM.
    """
    until = access.clock.now() + seconds
    old: set[str] | None = None  # in ALARM since the start

    def look() -> Seen[str]:
        nonlocal old
        alarms = find_alarms(access.clients, access.environment)
        in_alarm = {a.name: a.reason for a in alarms if a.state == "ALARM"}
        old = in_alarm.keys() & (in_alarm.keys() if old is None else old)
        left = until - access.clock.now()
        bad = in_alarm if left <= 0 else {n: in_alarm[n] for n in in_alarm.keys() - old}
        if bad:
            raise Unhealthy(
                "in ALARM: " + "; ".join(f"{name}: {why}" for name, why in bad.items()),
                hint="docs/runbooks/ has a page for each alarm",
            )
        still = f", {', '.join(sorted(old))} still in ALARM" if old else ""
        done = f"none of {len(alarms)} alarms in ALARM" if left <= 0 else None
        return Seen(done, f"{left:.0f} s left{still}")

    return access.wait_until(
        "bake time", look, seconds=seconds + MARGIN, hint="deploy again", every=EVERY
    )
