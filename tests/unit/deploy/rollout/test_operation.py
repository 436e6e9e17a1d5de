"""A rollout that is carried out: what was done is recorded, however it ended."""

import contextlib
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from commands import rollout
from common import waiting
from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.progress import Silent
from common.waiting import Clock
from deploy.release.release import Release
from deploy.release.rollout_journal import Journal, read_journals
from deploy.report import console
from deploy.rollout import prepare
from deploy.rollout.lock import deploy_lock
from deploy.rollout.operation import Operation
from deploy.rollout.prepare import Prepared, prepare_deploy
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.conftest import SMALL, Cluster, bake

pytestmark = pytest.mark.slow


def an_operation(cluster: Cluster) -> Operation:
    """Return a deploy of the cluster."""

    def prepare(clock: Clock, release: Release | None) -> Prepared:
        prepared = cluster.prepare()
        return replace(prepared, rollout=replace(prepared.rollout, clock=clock))

    return Operation(cluster.environment, cluster.clients, cluster.clock, prepare, Silent())


def stored(cluster: Cluster) -> tuple[Journal, ...]:
    """Return the journals in the bucket."""
    return read_journals(cluster.clients, cluster.environment.bucket, cluster.environment.name)


def test_returns_keeps_and_stores_the_journal(cluster: Cluster) -> None:
    operation = an_operation(cluster)

    journal = operation.run(cluster.prepare())

    assert journal.verdict == "done"
    assert operation.journal == journal
    assert stored(cluster) == (journal,)


def test_records_what_was_done_before_a_failure(cluster: Cluster) -> None:
    cluster.nodes.heads_give_up = True
    operation = an_operation(cluster)

    with pytest.raises(PipelineError):
        operation.run(cluster.prepare())

    assert operation.journal is not None
    assert operation.journal.verdict == "failed"
    assert operation.journal.entries[-1].failed
    assert stored(cluster) == (operation.journal,)


def test_has_no_journal_if_nothing_was_begun(cluster: Cluster) -> None:
    cluster.deploy()
    operation, prepared = an_operation(cluster), cluster.prepare()

    with deploy_lock(cluster.clients, cluster.environment, "another", clock=cluster.clock) as held:

        def works() -> None:
            held.now()

        cluster.clock.listeners.append(works)
        with pytest.raises(Refused, match="is changing"):
            operation.run(prepared)

    assert operation.journal is None


@pytest.fixture
def operator(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """The cluster, with the operator's commands connected to it."""

    def prepared(
        environment: Environment,
        clients: Clients,
        *,
        clock: Clock,
        release: Release | None,
        resumes: bool,
    ) -> Prepared:
        return prepare_deploy(
            environment,
            clients,
            clock=clock,
            verify=lambda progress: "healthy",
            api=cluster.nodes.ray,  # type: ignore[arg-type]
            release=release,
            resumes=resumes,
        )

    monkeypatch.setattr(rollout, "clients_of", lambda environment: cluster.clients)
    monkeypatch.setattr(prepare, "prepare_deploy", prepared)
    monkeypatch.setattr(waiting, "SystemClock", lambda: cluster.clock)
    monkeypatch.setattr(console, "console", Console(file=StringIO(), soft_wrap=True))
    monkeypatch.setattr(console, "live_steps", lambda: contextlib.nullcontext(Quiet()))
    monkeypatch.setenv("RAYKILN_HOME", str(tmp_path))
    # These nodes send no heartbeat, so alarms go to ALARM in time.
    cluster.environment = an_environment(network=SMALL, rollout={"watch_seconds": 0})
    return cluster


class Quiet(Silent):
    """Fits deploy.report.console.LiveSteps."""

    def stop(self) -> None:
        pass


def typed(cluster: Cluster) -> str:
    """Deploy as ``invoke deploy --yes`` does; return what is printed from there on."""
    shown = console.console.file
    assert isinstance(shown, StringIO)
    begin = shown.tell()
    try:
        rollout.carry_out(cluster.environment, "deploy", None, yes=True, break_lock=False)
    finally:
        shown.seek(begin)
        printed = shown.read()
    return printed


def test_an_operator_is_shown_the_briefing_and_the_path_of_the_report(
    operator: Cluster, tmp_path: Path
) -> None:
    first = typed(operator)
    head, ami_id = operator.state().leader, bake(operator.clients, "head")

    second = typed(operator)

    assert "no head serves yet" in first
    assert f"head image: {head.ami_id if head else ''} → {ami_id}" in second
    assert "1 job ends: train-7" in second
    assert "  ~ hand the lease over: from i-" in second
    pages = {line.removeprefix("report: ") for line in f"{first}{second}".splitlines()}
    assert {str(page) for page in tmp_path.glob("rollouts/*/report.html")} <= pages
    assert len(list(tmp_path.glob("rollouts/*/report.json"))) == 2
    assert "dev: nothing to change" in typed(operator)


def test_a_failed_rollout_leaves_a_report(operator: Cluster, tmp_path: Path) -> None:
    operator.nodes.heads_give_up = True

    with pytest.raises(PipelineError):
        typed(operator)

    (data,) = tmp_path.glob("rollouts/*/report.json")
    assert json.loads(data.read_text())["verdict"] == "failed"
