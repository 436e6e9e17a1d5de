"""What a soak reads of AWS, as the deploy role: all of it where drills may run."""

import pytest

from common.errors import PipelineError
from common.progress import Silent
from deploy.account.account_setup import set_up_account
from drills.soak.readings import asked, count
from tests.unit.deploy.account.conftest import Account, an_environment_within
from tests.unit.deploy.conftest import Cluster
from tests.unit.localcloud.fakes import FakeClock


def refused(cluster: Cluster) -> set[str]:
    """Return what the role may not count of a cluster."""
    found = set[str]()
    for name, queries in asked(cluster.environment).items():
        for query in queries:
            try:
                count(cluster.clients, *query)
            except PipelineError:
                found.add(name)
    return found


@pytest.mark.slow
def test_only_where_drills_may_run_it_counts_all_that_must_not_grow(
    account: Account, deployed_by_role: Cluster, clock: FakeClock
) -> None:
    deployed_by_role.deploy()
    assert refused(deployed_by_role) == {"parameters", "table items"}

    drilled = an_environment_within(account={"drills": True})
    set_up_account(account.administrator, drilled, clock=clock, progress=Silent())
    assert refused(deployed_by_role) == set()
