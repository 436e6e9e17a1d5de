"""The head's autoscaler fails in each round: its configuration is one that Ray refuses.

In the field: a setting with a typing error, a permission that is taken away.
Must hold: the leader leads on, and clients and workers notice nothing. The alarm goes to ALARM, and
status says that the autoscaler does not work. Once the configuration is restored, a worker that is
terminated is replaced.
Runbook: docs/runbooks/autoscaler.md
"""

from deploy.cluster.alarms import find_alarms
from deploy.operate.status import read_status
from drills.kit.cluster import ClusterUnderTest
from drills.kit.phases import Recovery

RECOVERY = Recovery.NONE
WITHIN = 20.0
# The alarm waits for as many minutes as the environment says, and for its metric's last minute;
# the guard waits one minute for a round.
ALARM_WITHIN = 240.0
REPLACED_WITHIN = 300.0
FILE = "/run/ray/autoscaler.yaml"
KEPT = f"{FILE}.drill"
# Ray's schema knows no such key (ray/autoscaler/ray-schema.json: additionalProperties false).
REFUSED = f"cp -p {FILE} {KEPT}; echo 'max_worker: 5' >> {FILE}"
RESTORE = f"if [ -e {KEPT} ]; then mv -f {KEPT} {FILE}; fi"


def run(cluster: ClusterUnderTest) -> None:
    """Break the configuration until the alarm is in ALARM; restore it, and lose a worker."""
    epoch, minutes = cluster.lease().epoch, cluster.environment.alarms.head_missing_minutes
    cluster.inject(cluster.leader, "Ray refuses the autoscaler's YAML", REFUSED, undo=RESTORE)
    cluster.figures["alarm"] = cluster.wait(
        "the alarm", lambda: is_in_alarm(cluster), ALARM_WITHIN + 60 * minutes
    )
    report = read_status(cluster.environment, cluster.clients, clock=cluster.clock)
    told = [one for one in report.problems if "the autoscaler is not working" in one]
    cluster.expect(bool(told), f"status does not tell: {'; '.join(report.problems)}")
    cluster.expect(cluster.lease().epoch == epoch, "the lease has changed hands")
    present = cluster.observer.observations.nodes[-1].workers
    cluster.expect(cluster.initial.nodes <= present, "a worker has left or restarted Ray")
    cluster.on(cluster.leader, RESTORE)
    lose_a_worker(cluster)


def is_in_alarm(cluster: ClusterUnderTest) -> bool:
    """Return whether the autoscaler's alarm is in ALARM."""
    name = f"raykiln-{cluster.environment.name}-autoscaler"
    alarms = find_alarms(cluster.clients, cluster.environment)
    return any(alarm.name == name and alarm.state == "ALARM" for alarm in alarms)


def lose_a_worker(cluster: ClusterUnderTest) -> None:
    """Terminate a worker, and wait until the autoscaler has replaced it."""
    worker = cluster.workers[0]
    cluster.terminate(worker)
    cluster.figures["replaced"] = cluster.wait(
        "another worker in its place",
        lambda: is_replaced(cluster, cluster.initial.workers[worker]),
        REPLACED_WITHIN,
    )


def is_replaced(cluster: ClusterUnderTest, address: str) -> bool:
    """Return whether there are as many workers as at first, without the one at that address."""
    joined = {node.address for node in cluster.api.nodes() if node.works}
    return address not in joined and len(joined) >= len(cluster.initial.nodes)
