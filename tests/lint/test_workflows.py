"""The workflows: no permissions by default, pinned actions, one job that can be required."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bake import documents, files
from bake.image_copies import COPY_SECONDS
from deploy.account.desired_account import TEMPLATE as ACCOUNT
from localcloud.patches.cloudformation.template import parse

FOLDER = Path(__file__).resolve().parents[2] / ".github/workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")


def workflow(path: Path) -> dict[Any, Any]:
    """Return a workflow as data (YAML 1.1 reads the key ``on`` as true)."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_grants_nothing_by_default(path: Path) -> None:
    assert workflow(path)["permissions"] == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    jobs = workflow(path)["jobs"].values()
    used = [step["uses"] for job in jobs for step in job.get("steps", []) if "uses" in step]
    assert [name for name in used if not PINNED.match(name)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_script_is_glued_from_inputs(path: Path) -> None:
    jobs = workflow(path)["jobs"].values()
    scripts = [step["run"] for job in jobs for step in job.get("steps", []) if "run" in step]
    assert [script for script in scripts if "${{" in script] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_role_is_assumed_for_longer_than_the_job_may_take(path: Path) -> None:
    for job in workflow(path)["jobs"].values():
        sessions = [
            step["with"]["role-duration-seconds"]
            for step in job.get("steps", [])
            if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@")
        ]
        assert all(job["timeout-minutes"] * 60 <= seconds <= 43_200 for seconds in sessions)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_session_is_longer_than_its_role_allows(path: Path) -> None:
    roles = parse(ACCOUNT.read_text())["Resources"]
    for job in workflow(path)["jobs"].values():
        for step in job.get("steps", []):
            given = step.get("with", {})
            if "role-duration-seconds" in given:
                role = "BakeRole" if "BAKE_ROLE" in given["role-to-assume"] else "DeployRole"
                longest = roles[role]["Properties"]["MaxSessionDuration"]
                assert given["role-duration-seconds"] <= longest


def test_a_promotion_has_time_for_its_copies() -> None:
    (job,) = workflow(FOLDER / "promote.yml")["jobs"].values()

    assert job["timeout-minutes"] * 60 - COPY_SECONDS >= 900


def test_deploys_and_rollbacks_of_an_environment_take_turns_and_none_is_cut_off() -> None:
    (job,) = workflow(FOLDER / "deploy-one.yml")["jobs"].values()
    callers = [workflow(FOLDER / f"{name}.yml")["jobs"] for name in ("deploy", "rollback")]

    assert job["concurrency"] == {"group": "deploy-${{ inputs.env }}", "queue": "max"}
    assert workflow(FOLDER / "deploy.yml")["concurrency"]["cancel-in-progress"] is False
    for jobs in callers:
        deploying = [name for name in jobs if name in ("staging", "prod", "rollback")]
        assert {jobs[name]["uses"] for name in deploying} == {"./.github/workflows/deploy-one.yml"}


def test_what_pauses_and_resumes_are_the_schedules_of_that_workflow() -> None:
    found = workflow(FOLDER / "pause.yml")
    (job,) = found["jobs"].values()

    asked = re.findall(r"github.event.schedule == '([^']+)'", str(job["steps"]))
    assert asked == [one["cron"] for one in found[True]["schedule"]]
    assert job["concurrency"]["group"].startswith("deploy-")
    assert job["concurrency"]["queue"] == "max"


def test_what_waits_for_its_turn_is_not_cancelled_but_where_the_next_does_the_same() -> None:
    """Without ``queue: max`` GitHub cancels what waits when another comes: docs.github.com/en/
    actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
    """
    replaced = {
        path.stem
        for path in WORKFLOWS
        for part in (workflow(path), *workflow(path)["jobs"].values())
        if "concurrency" in part and part["concurrency"].get("queue") != "max"
    }

    assert replaced == {"check", "compare", "deploy", "lock", "thorough"}


def test_only_a_bake_needs_a_runner_in_a_network_of_ones_own() -> None:
    """It connects to its build instances; a deploy goes through Session Manager (record 19)."""
    runners = {
        path.stem: job["runs-on"]
        for path in WORKFLOWS
        for job in workflow(path)["jobs"].values()
        if "runs-on" in job and job["runs-on"] != "ubuntu-24.04"
    }

    assert runners == {"bake": ["self-hosted", "in-vpc"]}


def test_prod_is_deployed_from_what_is_promoted_once_staging_is_deployed() -> None:
    jobs = workflow(FOLDER / "deploy.yml")["jobs"]

    order = ("bake", "staging", "promote", "prod")
    assert [jobs[name]["with"]["env"] for name in order] == ["staging", "staging", "prod", "prod"]
    assert [jobs[name].get("needs") for name in order] == [None, ["bake"], ["staging"], ["promote"]]
    assert [job for job in jobs.values() if "if" in job] == [jobs["deployed"]]


def test_a_change_of_what_shapes_an_image_is_deployed() -> None:
    shaping = {*files.FOLDERS, *documents.PACKAGES}

    # YAML 1.1 reads the key `on` as true.
    paths = workflow(FOLDER / "deploy.yml")[True]["push"]["paths"]

    assert {f"{folder}/**" for folder in shaping} <= set(paths)
    assert all((FOLDER.parents[1] / path.removesuffix("/**")).is_dir() for path in paths)


@pytest.mark.parametrize("name", ["check", "deploy", "thorough"])
def test_a_workflow_ends_in_one_job_that_fails_with_any_other(name: str) -> None:
    jobs = workflow(FOLDER / f"{name}.yml")["jobs"]
    (last,) = [job for job in jobs.values() if "always()" in str(job.get("if", ""))]
    others = {key for key, job in jobs.items() if job is not last}
    assert set(last["needs"]) == others


def thorough_parts() -> list[tuple[str, str]]:
    """Return the file or folder of each job of the thorough workflow, and its ``-k`` or nothing."""
    matrix = workflow(FOLDER / "thorough.yml")["jobs"]["thorough"]["strategy"]["matrix"]
    parts = [part.partition(" -k ") for part in matrix["tests"]]
    return [(place, words) for place, _, words in parts]


def test_the_thorough_workflow_has_every_file_with_thorough_tests() -> None:
    tests = FOLDER.parents[1] / "tests"
    marked = {
        str(path.relative_to(FOLDER.parents[1]))
        for folder in ("cloud", "documents", "unit")
        for path in (tests / folder).rglob("test_*.py")
        if re.search(r"pytest\.mark\.thorough|THOROUGH_ONLY", path.read_text())
    }
    places = {place for place, _ in thorough_parts()}
    assert {name for name in marked if not any(name.startswith(place) for place in places)} == set()
    assert {
        place for place in places if not any(name.startswith(place) for name in marked)
    } == set()


def test_of_a_file_in_parts_each_test_is_in_one_part() -> None:
    chosen = {place for place, words in thorough_parts() if words}
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", "thorough", *chosen],
        cwd=FOLDER.parents[1],
        env=os.environ | {"RAYKILN_THOROUGH": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    ids = [line for line in listed if "::" in line]
    parts = {
        name: [
            words for place, words in thorough_parts() if name.startswith(place) and words in name
        ]
        for name in ids
    }
    assert ids
    assert {name: found for name, found in parts.items() if len(found) != 1} == {}
    assert {words for found in parts.values() for words in found} == {
        words for _, words in thorough_parts() if words
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_called_workflow_asks_for_no_more_than_its_caller_grants(path: Path) -> None:
    """GitHub refuses the whole run otherwise: docs.github.com/en/actions/reference/
    workflows-and-actions/reusing-workflow-configurations
    """
    for name, job in workflow(path)["jobs"].items():
        if "uses" in job:
            called = workflow(FOLDER / Path(job["uses"]).name)["jobs"].values()
            asked = {pair for one in called for pair in one.get("permissions", {}).items()}
            assert asked <= set(job["permissions"].items()), name
