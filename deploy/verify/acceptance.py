"""The acceptance list: every check of a deployed cluster, each with what was seen.

Touches AWS and the cluster; changes nothing, except that the alarm test sets and restores an alarm.
"""

from collections.abc import Callable
from functools import partial

from common.clients import Clients
from common.environment import Environment
from common.errors import Unanswered, Unhealthy
from common.progress import Progress, Say, say_nothing
from common.waiting import Clock
from deploy.release.release import Release
from deploy.verify import cluster_checks
from deploy.verify.check import Check, Verdict, check
from deploy.verify.checked_cluster import CheckedCluster
from deploy.verify.group_checks import group_checks
from deploy.verify.metric_checks import metric_checks

CHECKS: dict[str, Callable[[CheckedCluster], Verdict]] = {
    "there is a leader": cluster_checks.leader_is_known,
    "the heads are of the release": cluster_checks.heads_are_of_the_release,
    "the images can be launched": cluster_checks.images_can_be_launched,
    "the target is healthy": cluster_checks.target_is_healthy,
    "the name resolves": cluster_checks.name_resolves,
    "ray status succeeds": cluster_checks.ray_status_succeeds,
    "job submission works": cluster_checks.job_submission_works,
    "HeadReady arrives": cluster_checks.head_ready_arrives,
    "the alarms exist": cluster_checks.alarms_exist,
    "no alarm is in ALARM": cluster_checks.alarms_are_ok,
    "the autoscaler works": cluster_checks.autoscaler_works,
}
# Of an environment that keeps a standby.
STANDBY_CHECKS: dict[str, Callable[[CheckedCluster], Verdict]] = {
    "a head stands by": cluster_checks.a_head_stands_by,
}


def run_checks(
    clients: Clients,
    environment: Environment,
    *,
    clock: Clock,
    timeout: float = 0.0,
    progress: Say = say_nothing,
    rolled: Release | None = None,
) -> tuple[Check, ...]:
    """Return the acceptance list without the alarm test.

    ``timeout``: seconds that all checks together may wait to pass. ``rolled``: the release that is
    rolled out meanwhile; without one, workers are compared with the release that is served.
    """
    cluster = CheckedCluster(clients, environment, clock, rolled)
    deadline = clock.now() + timeout
    checks = CHECKS | (STANDBY_CHECKS if environment.head.standby else {})
    own = {name: partial(look, cluster) for name, look in checks.items()}
    looks = own | group_checks(cluster) | metric_checks(cluster)
    return tuple(
        check(
            name,
            look,
            clock=clock,
            timeout=max(0.0, deadline - clock.now()),
            progress=progress,
        )
        for name, look in looks.items()
    )


def verifier(
    clients: Clients, environment: Environment, release: Release, *, clock: Clock
) -> Callable[[Progress], str]:
    """Return what the rollout of a release verifies itself with: ``run_checks``, with time to pass.

    It returns a summary, and raises Unhealthy with every check that failed; Unanswered when AWS
    answered none of them, since a rollback would fix nothing.
    """

    def verify(progress: Progress) -> str:
        timeout = float(environment.limits.workers_ready_seconds)
        checks = run_checks(
            clients,
            environment,
            clock=clock,
            timeout=timeout,
            progress=progress.say,
            rolled=release,
        )
        failed = [one for one in checks if not one.passed]
        if failed:
            blind = all(one.blind for one in failed)
            words = "could not be checked" if blind else "is not healthy"
            raise (Unanswered if blind else Unhealthy)(
                f"{environment.name} {words}:\n  " + "\n  ".join(map(str, failed)),
                hint=f"invoke status --env {environment.name}; alarms: docs/runbooks/",
            )
        return f"{len(checks)} checks passed"

    return verify


def check_delivery(clients: Clients, environment: Environment, *, clock: Clock) -> Check:
    """Set an alarm to ALARM, check that the topic delivers it, and restore its state."""
    cluster = CheckedCluster(clients, environment, clock)
    return check(
        "an alarm reaches SNS", partial(cluster_checks.alarm_is_delivered, cluster), clock=clock
    )
