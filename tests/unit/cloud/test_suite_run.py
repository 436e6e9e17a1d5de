"""The environment of a run of the suite: a name and a tag of its own."""

from pathlib import Path

import pytest

from common.environment import Environment, load_environment
from tests.cloud.suite_run import SuiteRun
from tests.unit.environments.examples import NAMES, load_filled


@pytest.fixture(params=NAMES)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> SuiteRun:
    return SuiteRun(load_filled(request.param, tmp_path), "3fa9c1")


def names_of(environment: Environment) -> set[str]:
    """Return every name that AWS gets to see."""
    image_names = {name for _, name in environment.wanted_images}
    return image_names | {
        *(environment.stack, environment.head_group, environment.head_template),
        *(environment.head_dns, environment.secret, environment.bucket, environment.images_bucket),
        *(environment.load_balancer, environment.lease_table, environment.topic),
        *map(environment.worker_template_of, environment.workers),
    }


def test_from_every_example_an_environment_of_its_own_is_derived(run: SuiteRun) -> None:
    made = run.environment()

    assert all("t-3fa9c1" in name for name in names_of(made))
    assert made.dns.zone == "t-3fa9c1.internal"
    assert made.tags == {**run.base.tags, "test-run": "3fa9c1"}
    assert made.nodes.permissions_boundary.endswith(
        ":policy/raykiln/account/raykiln-t-3fa9c1-boundary"
    )
    assert (made.promotion, made.budget.emails, made.alarms.email) == (None, (), "")


def test_it_is_in_the_account_and_the_network_of_its_base_with_its_base_image(
    run: SuiteRun,
) -> None:
    base, made = run.base, run.environment()

    assert (made.account_id, made.region) == (base.account_id, base.region)
    assert made.network == base.network
    wanted, given = made.image_named("t-3fa9c1"), base.image_named(base.head.image)
    assert (wanted.base_name, wanted.architecture) == (given.base_name, given.architecture)
    assert (wanted.head_id, wanted.packages, wanted.provisioners) == ("", (), "")
    assert made.head.instance_type == base.head.instance_type


def test_a_written_file_is_what_was_derived(run: SuiteRun, tmp_path: Path) -> None:
    assert load_environment(run.write(tmp_path / "run")) == run.environment()


def test_tables_of_a_test_come_in_place_of_its_own(run: SuiteRun, tmp_path: Path) -> None:
    written = run.write(tmp_path / "run", rollout={"drain_seconds": 7})

    assert load_environment(written).rollout.drain_seconds == 7
