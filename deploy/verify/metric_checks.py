"""The check of an environment that sends its metrics to a workspace. Asks the leader; changes
nothing.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from common.errors import TimedOut
from common.waiting import Seen, wait_for
from deploy.cluster.run_command import run_command
from deploy.verify.check import Verdict
from deploy.verify.checked_cluster import CheckedCluster
from node.contract import PROMETHEUS_PORT, REMOTE_WRITE_UNIT

SENT = "metrics are sent"
# Prometheus looks at the nodes every 15 s, and waits up to 5 s more before it tries again.
SECONDS = 45.0
# Prometheus' own counters: bytes of requests that were answered, whatever the answer, and samples
# of those that were refused for good (storage/remote/queue_manager.go, 2.42).
COUNTER = re.compile(r"^prometheus_remote_storage_(bytes|samples_failed)_total\{.*\} (\S+)$", re.M)
ASK = (
    f"curl --silent --max-time 5 http://127.0.0.1:{PROMETHEUS_PORT}/metrics"
    " | grep -E '^prometheus_remote_storage_(bytes|samples_failed)_total'"
)


def metric_checks(cluster: CheckedCluster) -> dict[str, Callable[[], Verdict]]:
    """Return the check by its name; none where nothing is sent, nor while a release is rolled out,
    which a workspace that refuses metrics is no reason to take back.
    """
    if cluster.rolls_out or not cluster.environment.metrics.remote_write:
        return {}
    return {SENT: partial(metrics_are_sent, cluster)}


def metrics_are_sent(cluster: CheckedCluster) -> Verdict:
    """The workspace takes a request while we look, and refuses none."""
    leader = cluster.leader().id
    first: Counters | None = None

    def look() -> Seen[Verdict]:
        nonlocal first
        now = _counters(cluster, leader)
        if now is None:
            return Seen(None, f"Prometheus on {leader} does not answer")
        first = first or now
        if refused := now.refused - first.refused:
            words = f"{refused:.0f} samples were refused: see {REMOTE_WRITE_UNIT} in its journal"
            return Seen(Verdict(False, f"{leader}: {words}"), "")
        sent = now.sent - first.sent
        words = f"{leader}: {sent:.0f} bytes were taken while we looked"
        return Seen(Verdict(True, words) if sent else None, words)

    try:
        return wait_for(SENT, look, clock=cluster.clock, seconds=SECONDS, every=5.0)
    except TimedOut as error:
        return Verdict(False, f"{error.message}: see {REMOTE_WRITE_UNIT} in its journal")


class Counters(NamedTuple):
    """What Prometheus has counted since it began."""

    sent: float  # bytes that were answered
    refused: float  # samples


def _counters(cluster: CheckedCluster, leader: str) -> Counters | None:
    """Return what is counted on the leader; None when Prometheus does not answer."""
    printed = run_command(cluster.clients, leader, ASK, clock=cluster.clock).stdout
    found = {name: float(count) for name, count in COUNTER.findall(printed)}
    if len(found) < len(Counters._fields):
        return None
    return Counters(found["bytes"], found["samples_failed"])
