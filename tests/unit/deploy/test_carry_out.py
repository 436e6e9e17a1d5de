"""A rollout carried out: what was done is known afterwards, however it ended."""

from dataclasses import replace

import pytest

from deploy.carry_out import Operation
from deploy.errors import PipelineError, Refused
from deploy.journal import Journal, read_journals
from deploy.lock import deploy_lock
from deploy.prepare import Prepared
from deploy.progress import Silent
from deploy.release import Release
from deploy.waiting import Clock
from tests.unit.deploy.conftest import Cluster


def an_operation(cluster: Cluster) -> Operation:
    """Return a deploy of the cluster."""

    def prepare(clock: Clock, release: Release | None) -> Prepared:
        prepared = cluster.prepare()
        return replace(prepared, rollout=replace(prepared.rollout, clock=clock))

    return Operation(cluster.environment, cluster.clients, cluster.clock, prepare, Silent())


def stored(cluster: Cluster) -> tuple[Journal, ...]:
    """Return the journals in the bucket."""
    return read_journals(cluster.clients, cluster.environment.bucket, cluster.environment.name)


def test_what_was_done_is_returned_kept_and_stored(cluster: Cluster) -> None:
    operation = an_operation(cluster)

    journal = operation.run(cluster.prepare())

    assert journal.verdict == "done"
    assert operation.journal == journal
    assert stored(cluster) == (journal,)


def test_what_was_done_before_a_failure_is_known(cluster: Cluster) -> None:
    cluster.nodes.heads_give_up = True
    operation = an_operation(cluster)

    with pytest.raises(PipelineError):
        operation.run(cluster.prepare())

    assert operation.journal is not None
    assert operation.journal.verdict == "failed"
    assert operation.journal.entries[-1].failed
    assert stored(cluster) == (operation.journal,)


def test_where_nothing_was_begun_there_is_nothing_to_tell(cluster: Cluster) -> None:
    cluster.deploy()
    operation, prepared = an_operation(cluster), cluster.prepare()

    with deploy_lock(cluster.clients, cluster.environment, "another", clock=cluster.clock) as held:

        def works() -> None:
            held.now()

        cluster.clock.listeners.append(works)
        with pytest.raises(Refused, match="at work"):
            operation.run(prepared)

    assert operation.journal is None
