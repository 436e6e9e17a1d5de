"""The workflows, run by act on a local cloud: from a merge to prod, what fails, and back.

``tests/workflows/hosted.py`` says what of this is act's, and what of GitHub's part is a stand-in.
Each test continues where the one before it stopped; the first two are in `./run.sh test` too.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bake.additions import read_additions
from bake.image_wheels import fetch_wheels
from bake.wanted import wanted_images
from common.account_roles import role_arn
from common.environment import Environment, environment_from
from common.progress import say_nothing
from deploy.account.desired_account import boundary_arn
from localcloud.paths import Paths, paths
from localcloud.session import operator_command
from tests.cloud.harness import eventually, require_machines
from tests.cloud.invocation import local_cloud
from tests.cloud.suite_run import toml
from tests.marks import THOROUGH_ONLY
from tests.workflows.github import HostedEnvironment
from tests.workflows.hosted import REPOSITORY, Repository, Run
from tests.workflows.runs import ROOT

STAGING, PROD = "environments/staging.toml", "environments/prod.toml"
RANGES = {"staging": "10.77.0.0/18", "prod": "10.77.64.0/18"}
BAKE, DEPLOY = "bake", "deploy"
RUN_SECONDS = 1500.0
ASSUMING = "Could not assume role with OIDC: Not authorized to perform"


def on_local_cloud(file: Path, **more: dict[str, Any]) -> dict[str, Any]:
    """Return one of the real environments as data, with what the local cloud has in place of AWS's
    account, network, base image, instance types and times. ``more`` is said in its tables beside.
    """
    local = tomllib.loads((ROOT / "environments/local.toml").read_text())
    made = tomllib.loads(file.read_text())
    name = file.stem
    made |= {
        "account_id": local["account_id"],
        "network": {**local["network"], "cidr": RANGES[name]},
        "image": local["image"],
        "head": local["head"] | more.get("head", {}),
        "workers": local["workers"] | more.get("workers", {}),
        "alarms": {"email": ""},
        "limits": local["limits"],
        "rollout": local["rollout"],
        "account": {"repository": REPOSITORY, "old_packer": True},
    }
    environment = environment_from(made, file)
    return made | {"nodes": {"permissions_boundary": boundary_arn(environment)}}


def written(content: dict[str, Any]) -> str:
    return "".join(f"{key} = {toml(value)}\n" for key, value in content.items())


class Site:
    """A repository, whose environments are set up in an account of the local cloud."""

    def __init__(self, folder: Path, place: Paths) -> None:
        self.place = place
        self.repository = Repository(folder / "repository", place)
        self.github = self.repository.github
        self.files = folder / "environments"
        self.files.mkdir()
        contents = {file: on_local_cloud(ROOT / file) for file in (STAGING, PROD)}
        for file, content in contents.items():
            (self.files / Path(file).name).write_text(written(content))
            self._set_up(environment_from(content, Path(file)))
        self.repository.merge({file: written(content) for file, content in contents.items()})

    def _set_up(self, environment: Environment) -> None:
        """Do what docs/on-aws.md says of the account and of GitHub's settings."""
        name = environment.name
        self.invoke("account.setup", "--yes", env=name)
        region = {"RAYKILN_REGION": environment.region}
        bake = {"RAYKILN_BAKE_ROLE": role_arn(environment, BAKE)}
        deploy = {"RAYKILN_DEPLOY_ROLE": role_arn(environment, DEPLOY)}
        self.github.set_environment(f"{name}-bake", HostedEnvironment(region | bake))
        self.github.set_environment(name, HostedEnvironment(region | deploy, name == "prod"))

    def change(self, file: str, **more: dict[str, Any]) -> None:
        """Merge a change of an environment's tables."""
        content = written(on_local_cloud(ROOT / file, **more))
        (self.files / Path(file).name).write_text(content)
        self.repository.merge({file: content})

    def invoke(self, *arguments: str, env: str, code: int = 0) -> str:
        """Invoke a command as the account's owner; return what it prints."""
        options = ["--env", str(self.files / env)]
        command = [sys.executable, "-m", "invoke", *arguments, *options]
        done = subprocess.run(
            operator_command(command), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{arguments}:\n{done.stdout[-4000:]}{done.stderr}"
        return done.stdout

    def approved(self, workflow: str, event: str, **inputs: str) -> Run:
        """Begin a run whose jobs in prod a person has approved."""
        run = self.repository.start(workflow, event, **inputs)
        self.github.approve(run.name, "prod")
        return run

    def sees(self, event: str, run: Run) -> None:
        """Wait for an event of a run, which must not end before."""

        def holds() -> bool:
            assert run.process.poll() is None, run.log
            return event in self.github.events()

        eventually(event, holds, RUN_SECONDS)

    @contextmanager
    def without(self, instance_type: str) -> Iterator[None]:
        """Have no capacity for an instance type for a while."""
        self.place.shortages.write_text(f"{instance_type} *\n")
        try:
            yield
        finally:
            self.place.shortages.unlink()

    def served(self, env: str) -> str:
        """Return the release that an environment's cluster serves."""
        return str(json.loads(self.invoke("status", "--json", env=env))["release"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A repository and a local cloud with nothing in them but the accounts' set-up."""
    require_machines()
    folder = tmp_path_factory.mktemp("workflows")
    with local_cloud(folder / "home"):
        made = Site(folder, paths())
        fetch_staging_wheels()
        made.repository.install()
        try:
            yield made
        finally:
            made.repository.stop()


def fetch_staging_wheels() -> None:
    """Fetch the images' wheels, as a runner does that reaches the package index."""
    environment = environment_from(on_local_cloud(ROOT / STAGING), Path(STAGING))
    wanted = wanted_images(environment)
    additions = read_additions(environment, wanted, model=None)
    fetch_wheels(environment, additions.items(), ROOT, paths().cache, say_nothing)


def test_a_merge_is_baked_and_goes_to_staging_and_to_prod_once_a_person_approves(
    site: Site,
) -> None:
    run = site.repository.start("deploy", "push")
    site.sees(f"{run.name} waits for an approval of prod", run)
    assert "not deployed" in site.invoke("status", env="prod", code=2)
    assert site.served("staging")

    site.github.approve(run.name, "prod")

    assert run.ended() == 0, run.log
    assert site.served("prod")
    kept = site.github.folder / "artifacts" / run.name
    assert {file.name for file in kept.iterdir()} == {"rollout-staging", "rollout-prod"}


def test_a_rollback_by_hand_serves_the_release_before(site: Site) -> None:
    before = site.served("prod")
    site.change(PROD, workers={"max": 4})  # replaces no node
    site.invoke("deploy", "--yes", env="prod")

    rollback = site.approved("rollback", "workflow_dispatch", env="prod", to="")

    assert rollback.ended() == 0, rollback.log
    assert site.served("prod") == before
    kept = site.github.folder / "artifacts" / rollback.name
    assert [file.name for file in kept.iterdir()] == ["rollout-prod"]


@THOROUGH_ONLY
def test_a_deploy_that_fails_is_rolled_back_and_fails_the_run(site: Site) -> None:
    before = {env: site.served(env) for env in RANGES}
    site.change(PROD, head={"instance_type": "m6i.xlarge"})

    with site.without("m6i.xlarge"):
        run = site.approved("deploy", "push")

        assert run.ended() == 1, run.log
    assert "exit status 3" in run.log
    assert {env: site.served(env) for env in RANGES} == before
    assert (site.github.folder / "artifacts" / run.name / "rollout-prod").is_dir()


@THOROUGH_ONLY
def test_a_rollback_by_hand_waits_for_the_deploy_and_serves_the_release_before(site: Site) -> None:
    before = site.served("prod")
    deploy = site.approved("deploy", "workflow_dispatch")
    has = f"{deploy.name} has its turn in deploy-prod"
    site.sees(has, deploy)
    rollback = site.approved("rollback", "workflow_dispatch", env="prod", to="")

    assert (deploy.ended(), rollback.ended()) == (0, 0), deploy.log + rollback.log

    assert [words for words in site.github.events() if "turn in deploy-prod" in words][-5:] == [
        has,
        f"{rollback.name} waits for its turn in deploy-prod",
        f"{deploy.name} ends its turn in deploy-prod",
        f"{rollback.name} has its turn in deploy-prod",
        f"{rollback.name} ends its turn in deploy-prod",
    ]
    served = json.loads(site.invoke("releases", "--json", env="prod"))
    assert len(served) == 3
    assert site.served("prod") == before


@THOROUGH_ONLY
def test_no_shell_reads_what_a_person_types(site: Site, tmp_path: Path) -> None:
    before, touched = site.served("prod"), tmp_path / "touched"
    command = f"touch {touched}"

    rollback = site.approved("rollback", "workflow_dispatch", env="prod", to=f"$({command})")
    code, log = site.repository.run("bake", "workflow_dispatch", env=f'staging"; {command}; "')

    assert (rollback.ended(), code) == (1, 1), rollback.log + log
    assert f"$({command})" in rollback.log
    assert "Credentials could not be loaded" in log
    assert not touched.exists()
    assert site.served("prod") == before


@THOROUGH_ONLY
def test_a_job_gets_no_role_of_another_environment(site: Site) -> None:
    prods = site.github.environment("prod").variables
    stagings = site.github.environment("staging")
    site.github.set_environment("staging", HostedEnvironment(prods))

    code, log = site.repository.run("rollback", "workflow_dispatch", env="staging", to="")

    site.github.set_environment("staging", stagings)
    assert (code, ASSUMING in log) == (1, True), log
    assert "./run.sh rollback" not in log.partition(ASSUMING)[2]
