"""The check that a workspace takes the metrics that an environment sends."""

from typing import Any

import pytest

from common.clients import Clients
from common.environment import Environment
from deploy.cluster.run_command import CommandResult
from deploy.release.release import Release
from deploy.verify import metric_checks as checks
from deploy.verify.check import Verdict
from deploy.verify.checked_cluster import CheckedCluster
from tests.unit.deploy.builders import (
    a_release,
    an_environment,
    an_environment_that_sends_metrics,
)
from tests.unit.localcloud.fakes import FakeClock

HOST = "https://aps-workspaces.us-east-1.amazonaws.com"
WORKSPACE = f"{HOST}/workspaces/ws-1/api/v1/remote_write"
QUEUE = '{remote_name="f2d364",url="http://127.0.0.1:9089/workspaces/ws-1/api/v1/remote_write"}'


class Leader:
    id = "i-1"


class Checked(CheckedCluster):
    """Its leader is known."""

    def leader(self) -> Any:
        return Leader()


def sending() -> Environment:
    return an_environment_that_sends_metrics(WORKSPACE)


def a_cluster(environment: Environment, rolled: Release | None = None) -> Checked:
    return Checked(Clients("us-east-1"), environment, FakeClock(), rolled)


def counted(sent: float, refused: float) -> str:
    """Return what Prometheus prints of its counters."""
    return (
        f"prometheus_remote_storage_bytes_total{QUEUE} {sent}\n"
        f"prometheus_remote_storage_samples_failed_total{QUEUE} {refused}\n"
    )


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [
        (
            (counted(1e6, 0), counted(1e6, 0), counted(1.02e6, 0)),
            Verdict(True, "i-1: 20000 bytes were taken while we looked"),
        ),
        (
            (counted(10, 500), counted(20, 1500)),
            Verdict(False, "i-1: 1000 samples were refused: see ray-remote-write in its journal"),
        ),
        (
            (counted(10, 500),),
            Verdict(
                False,
                "metrics are sent: not within 45 s; last seen: i-1: 0 bytes were taken while we "
                "looked: see ray-remote-write in its journal",
            ),
        ),
        (
            ("",),
            Verdict(
                False,
                "metrics are sent: not within 45 s; last seen: Prometheus on i-1 does not answer: "
                "see ray-remote-write in its journal",
            ),
        ),
    ],
)
def test_metrics_are_sent_when_a_request_is_taken_and_none_refused(
    monkeypatch: pytest.MonkeyPatch, printed: tuple[str, ...], verdict: Verdict
) -> None:
    answers = list(printed)

    def run(_: Any, instance_id: str, command: str, **__: Any) -> CommandResult:
        assert (instance_id, "http://127.0.0.1:9090/metrics" in command) == ("i-1", True)
        return CommandResult("Success", 0, answers.pop(0) if answers[1:] else answers[0], "")

    monkeypatch.setattr(checks, "run_command", run)

    assert checks.metrics_are_sent(a_cluster(sending())) == verdict


def test_it_is_checked_where_metrics_are_sent_and_never_takes_a_rollout_back() -> None:
    assert list(checks.metric_checks(a_cluster(sending()))) == ["metrics are sent"]
    assert checks.metric_checks(a_cluster(an_environment())) == {}
    assert checks.metric_checks(a_cluster(sending(), a_release())) == {}
