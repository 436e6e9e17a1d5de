"""The environment of a run of the suite: a name and a tag of its own."""

from pathlib import Path

import pytest

from common.environment import Environment, load_environment
from common.nodes import Nodes
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


BOUNDARY = "arn:aws:iam::123456789012:policy/everyone"
KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-90ab-cdef-1234-567890abcdef"
GIVEN = {
    "kms_key": KEY,
    "egress": ("tcp/443 to 10.0.0.0/8",),
    "security_group_ids": ("sg-0123456789abcdef0",),
    "permissions_boundary": BOUNDARY,
    "s3_read": ("data/*",),
    "policy_arns": ("arn:aws:iam::123456789012:policy/read-models",),
    "efs": ({"id": "fs-0123456789abcdef0", "mount": "/shared"},),
}


def with_nodes(name: str, folder: Path, **nodes: object) -> SuiteRun:
    base = load_filled(name, folder)
    return SuiteRun(base.model_copy(update={"nodes": Nodes.model_validate(nodes)}), "3fa9c1")


def test_what_the_account_demands_of_nodes_is_kept_and_their_data_is_not(tmp_path: Path) -> None:
    run = with_nodes("existing-vpc", tmp_path, **GIVEN)

    assert load_environment(run.write(tmp_path / "run")).nodes == Nodes(
        kms_key=KEY,
        egress=("tcp/443 to 10.0.0.0/8",),
        security_group_ids=("sg-0123456789abcdef0",),
        permissions_boundary=BOUNDARY,
    )


def test_a_network_of_the_run_s_own_has_no_security_group_of_another(tmp_path: Path) -> None:
    nodes = with_nodes("cpu", tmp_path, **GIVEN).environment().nodes

    assert (nodes.security_group_ids, nodes.kms_key) == ((), KEY)


def test_the_boundary_that_the_account_s_setup_makes_is_the_run_s_own(tmp_path: Path) -> None:
    theirs = "arn:aws:iam::123456789012:policy/raykiln/account/raykiln-cpu-boundary"
    run = with_nodes("cpu", tmp_path, permissions_boundary=theirs)

    assert run.environment().nodes.permissions_boundary == theirs.replace("cpu", "t-3fa9c1")


def test_a_written_file_is_what_was_derived(run: SuiteRun, tmp_path: Path) -> None:
    assert load_environment(run.write(tmp_path / "run")) == run.environment()


def test_tables_of_a_test_come_in_place_of_its_own(run: SuiteRun, tmp_path: Path) -> None:
    written = run.write(tmp_path / "run", rollout={"drain_seconds": 7})

    assert load_environment(written).rollout.drain_seconds == 7
