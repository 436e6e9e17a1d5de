"""Is the cluster what was promised? The acceptance list, each line with what was seen.

Touches AWS and the cluster; changes nothing, but for the trial of an alarm, which is taken back.
"""

from collections.abc import Callable
from functools import partial

from common.clients import Clients
from common.environment import Environment
from common.errors import Unanswered, Unhealthy
from common.progress import Progress as Reporter
from common.waiting import Clock
from deploy.verify import cluster_checks as acceptance
from deploy.verify.check import Check, Progress, check
from deploy.verify.cluster_checks import Subject


def run_checks(
    clients: Clients,
    environment: Environment,
    *,
    clock: Clock,
    patience: float = 0.0,
    progress: Progress = lambda words: None,
) -> tuple[Check, ...]:
    """Return the acceptance list but for the trial of an alarm.

    ``patience``: seconds that all of it may wait for what is still on its way.
    """
    subject = Subject(clients, environment, clock)
    deadline = clock.now() + patience
    looks = {
        "a leader is known": acceptance.leader_is_known,
        "the target is healthy": acceptance.target_is_healthy,
        "the name resolves": acceptance.name_resolves,
        "ray status is alive": acceptance.ray_status_is_alive,
        "a job is taken": acceptance.job_submission_works,
        "workers have joined": acceptance.workers_have_joined,
        "HeadReady arrives": acceptance.head_ready_arrives,
        "the alarms exist": acceptance.alarms_exist,
        "no alarm rings": acceptance.alarms_are_ok,
    }
    return tuple(
        check(
            name,
            partial(look, subject),
            clock=clock,
            patience=max(0.0, deadline - clock.now()),
            progress=progress,
        )
        for name, look in looks.items()
    )


def verifier(
    clients: Clients, environment: Environment, *, clock: Clock
) -> Callable[[Reporter], str]:
    """Return what a rollout verifies itself with: all of ``run_checks``, given time to come true.

    It returns a summary, and raises Unhealthy with every check that failed; Unanswered when only
    AWS is to blame, since a rollback would fix nothing.
    """

    def verify(progress: Reporter) -> str:
        patience = float(environment.limits.workers_ready_seconds)
        checks = run_checks(
            clients, environment, clock=clock, patience=patience, progress=progress.say
        )
        failed = [one for one in checks if not one.passed]
        if failed:
            blind = all(one.blind for one in failed)
            words = "cannot be looked at" if blind else "is not what it should be"
            raise (Unanswered if blind else Unhealthy)(
                f"{environment.name} {words}:\n  " + "\n  ".join(map(str, failed)),
                hint=f"invoke status --env {environment.name}; docs/runbooks/ has a page an alarm",
            )
        return f"{len(checks)} checks passed"

    return verify


def check_delivery(clients: Clients, environment: Environment, *, clock: Clock) -> Check:
    """Fire an alarm, see it arrive at the topic, and put it back."""
    subject = Subject(clients, environment, clock)
    return check(
        "an alarm reaches SNS", partial(acceptance.alarm_is_delivered, subject), clock=clock
    )
