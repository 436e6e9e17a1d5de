"""What is GitHub's part of a job, when a workflow runs on a local cloud."""

import base64
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import Refused
from localcloud.paths import Paths
from tests.cloud.harness import eventually
from tests.workflows import runs
from tests.workflows.github import GitHub, HostedEnvironment, begin, end, keep
from tests.workflows.hosted import ACTIONS, Repository, Runners, hosted
from tests.workflows.runs import ROOT


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    folder = tmp_path / "github"
    folder.mkdir()
    return GitHub(folder)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Set what a step of a job is told; the files that it writes for later steps are returned."""

    def told(**variables: str) -> dict[str, Path]:
        files = {name: tmp_path / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT")}
        defaults = {
            **{"JOB_ENVIRONMENT": "", "JOB_GROUP": "", "JOB_QUEUE": "single", "JOB_MAY_ASK": ""},
            "HOSTED_RUN": "one",
        }
        given = {**defaults, **{key: str(file) for key, file in files.items()}, **variables}
        for name, value in {"GITHUB_REPOSITORY": "acme/ray", **given}.items():
            monkeypatch.setenv(name, value)
        for file in files.values():
            file.write_text("")
        return files

    return told


def workflow(name: str) -> Any:
    written = (ROOT / ".github/workflows" / f"{name}.yml").read_text()
    return hosted(yaml.safe_load(written), Runners(Path("/outside"), Path("/in-vpc")))


def test_a_job_is_as_it_is_written_but_for_a_first_and_a_last_step_and_its_variables() -> None:
    written = yaml.safe_load((ROOT / ".github/workflows/deploy-one.yml").read_text())
    before, after = written["jobs"]["deploy"], workflow("deploy-one")["jobs"]["deploy"]

    first, checkout, assume, *rest, last = after["steps"]
    ours = ("steps", "defaults")
    assert {key: value for key, value in after.items() if key not in ours} == {
        key: value for key, value in before.items() if key not in ours
    }
    assert [checkout, *rest] == [before["steps"][0], *before["steps"][2:]]
    role = assume["with"]["role-to-assume"]
    assert role == "${{ steps.github.outputs.RAYKILN_DEPLOY_ROLE }}"
    assert first["env"] == {
        "JOB_ENVIRONMENT": "${{ inputs.env }}",
        "JOB_GROUP": "deploy-${{ inputs.env }}",
        "JOB_QUEUE": "max",
        "JOB_MAY_ASK": "yes",
    }
    assert last["if"] == "always()"


@pytest.mark.parametrize(
    ("name", "job", "runner"),
    [("bake", "bake", "/in-vpc"), ("deploy-one", "deploy", "/outside")],
)
def test_a_job_runs_on_the_runner_that_it_asks_for(name: str, job: str, runner: str) -> None:
    assert workflow(name)["jobs"][job]["defaults"]["run"]["shell"] == f"{runner} bash -e {{0}}"


def test_a_job_that_calls_a_workflow_has_no_steps() -> None:
    assert "steps" not in workflow("deploy")["jobs"]["staging"]
    assert workflow("deploy")["on"]["push"]["branches"] == ["main"]


def test_a_job_has_its_environments_variables_and_no_other(github: GitHub, job: Any) -> None:
    github.set_environment("prod", HostedEnvironment({"ROLE": "arn:prod"}))
    github.set_environment("staging", HostedEnvironment({"ROLE": "arn:staging"}))

    files = job(JOB_ENVIRONMENT="prod")
    begin(github)
    assert files["GITHUB_OUTPUT"].read_text() == "ROLE=arn:prod\n"

    files = job(JOB_ENVIRONMENT="../environments/prod; id")
    begin(github)
    assert files["GITHUB_OUTPUT"].read_text() == ""


@pytest.mark.parametrize(("may", "tokens"), [("yes", 1), ("", 0)])
def test_only_a_job_with_the_permission_gets_a_token(
    github: GitHub, job: Any, may: str, tokens: int
) -> None:
    files = job(JOB_ENVIRONMENT="prod", JOB_MAY_ASK=may)

    begin(github)

    asked = files["GITHUB_ENV"].read_text().splitlines()
    assert len(asked) == tokens
    for line in asked:
        assert github.token(line.partition("=")[2], "sts.amazonaws.com").count(".") == 2


@pytest.mark.parametrize(
    ("ids", "subject"),
    [
        ((), "repo:acme/ray:environment:prod"),
        ((123456, 456789), "repo:acme@123456/ray@456789:environment:prod"),
    ],
)
def test_a_token_names_the_repository_with_its_ids_where_it_has_them(
    github: GitHub, job: Any, ids: tuple[int, ...], subject: str
) -> None:
    files = job(JOB_ENVIRONMENT="prod", JOB_MAY_ASK="yes")
    if ids:
        github.set_ids(*ids)

    begin(github)

    request = files["GITHUB_ENV"].read_text().strip().partition("=")[2]
    body = github.token(request, "sts.amazonaws.com").split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert (claims["sub"], claims["repository"]) == (subject, "acme/ray")


def test_a_job_with_reviewers_waits_for_them(github: GitHub, job: Any) -> None:
    github.set_environment("prod", HostedEnvironment({}, reviewed=True))
    job(JOB_ENVIRONMENT="prod")
    waiting = threading.Thread(target=begin, args=(github,))

    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    github.approve("another", "prod")
    waiting.join(0.5)
    assert waiting.is_alive()
    github.approve("one", "prod")
    waiting.join(20)

    assert not waiting.is_alive()
    assert github.events() == ["one waits for an approval of prod"]


def test_of_a_concurrency_group_one_runs_at_a_time(github: GitHub, job: Any) -> None:
    job(JOB_GROUP="deploy-prod")
    begin(github)
    second = threading.Thread(target=github.take_turn, args=("two", "deploy-prod"))

    github.take_turn("two", "deploy-staging")
    second.start()
    second.join(0.5)
    assert second.is_alive()
    end(github)
    second.join(20)

    assert not second.is_alive()
    assert [words for words in github.events() if "turn in deploy-prod" in words] == [
        "one has its turn in deploy-prod",
        "two waits for its turn in deploy-prod",
        "one ends its turn in deploy-prod",
        "two has its turn in deploy-prod",
    ]


def waiting(github: GitHub, group: str, run: str, queue: str) -> tuple[threading.Thread, Any]:
    """Have a run wait for its turn; return its thread, and how it ended, once it has."""
    ended: list[str] = []

    def wait() -> None:
        try:
            github.take_turn(run, group, queue)
            ended.append("has its turn")
        except Refused as error:
            ended.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    said = f"{run} waits for its turn in {group}"
    eventually(said, lambda: said in github.events() or not thread.is_alive(), 20)
    return thread, ended


def test_a_run_that_waits_is_cancelled_by_the_next_unless_that_has_a_queue(github: GitHub) -> None:
    github.take_turn("deploy", "deploy-prod")

    first, first_ended = waiting(github, "deploy-prod", "rollback", "max")
    second, second_ended = waiting(github, "Deploy-Prod", "promote", "max")
    assert (first_ended, second_ended) == ([], [])
    github.end_turn("deploy", "deploy-prod")
    first.join(20)
    assert (first_ended, second_ended) == (["has its turn"], [])

    third, third_ended = waiting(github, "deploy-prod", "pause", "single")
    second.join(20)
    assert second_ended == ["cancelled: a newer request waits for 'Deploy-Prod'"]
    github.end_turn("rollback", "deploy-prod")
    third.join(20)
    assert third_ended == ["has its turn"]


def test_no_more_than_a_hundred_wait(github: GitHub) -> None:
    github.take_turn("first", "g")
    (github.folder / "turns" / "g").write_text("".join(f"{n}\n" for n in ("first", *range(100))))

    with pytest.raises(Refused, match="100 requests wait for 'g'"):
        github.take_turn("another", "g", "max")


@pytest.mark.parametrize("waits", ["rollback", "bake"])
def test_what_waits_for_its_turn_is_not_cancelled_by_what_comes_after_it(
    github: GitHub, job: Any, waits: str
) -> None:
    """The pause of the evening does not cancel a rollback, nor a prune a bake."""
    name, after = {"rollback": ("deploy-one", "pause"), "bake": ("bake", "prune")}[waits]
    queues = [
        next(iter(workflow(one)["jobs"].values()))["steps"][0]["env"]["JOB_QUEUE"]
        for one in (name, after)
    ]
    github.take_turn("deploy", "g")

    first, ended = waiting(github, "g", waits, queues[0])
    second, _ = waiting(github, "g", after, queues[1])
    github.end_turn("deploy", "g")
    first.join(20)
    github.end_turn(waits, "g")
    second.join(20)

    assert ended == ["has its turn"]


@pytest.mark.parametrize(("hidden", "kept"), [("true", ["rollout-prod"]), ("false", [])])
def test_hidden_files_are_kept_only_where_that_is_asked_for(
    github: GitHub,
    job: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hidden: str,
    kept: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".raykiln/rollouts").mkdir(parents=True)
    job(NAME="rollout-prod", KEPT=".raykiln/rollouts/", HIDDEN=hidden, MISSING="ignore")

    keep(github)

    assert [path.name for path in (github.folder / "artifacts").glob("one/*")] == kept


# Says what it is asked for, and whether on a terminal; a rollback fails, and was rolled back.
RUN_SH = """#!/usr/bin/env bash
[[ -t 0 || -t 1 ]] && where='on a terminal'
echo "asked for $* ${where:-by a workflow}"
mkdir -p .raykiln/rollouts
[[ "$1" != rollback ]] || exit 3
"""


@pytest.fixture
def repository(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Repository:
    """A repository with no cloud: its jobs write down whose role they would have."""
    actions = tmp_path / "actions"
    shutil.copytree(ACTIONS, actions)
    name = "configure-aws-credentials"
    shutil.copytree(runs.ACTIONS / name, actions / name, dirs_exist_ok=True)
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    home = tmp_path_factory.mktemp("home")  # with a name short enough to have no link
    place = Paths(home, tmp_path / "cache")
    made = Repository(tmp_path / "site", place, actions=actions, outside=list)
    made.merge({"run.sh": RUN_SH})
    roles = {"RAYKILN_DEPLOY_ROLE": "arn:prod", "RAYKILN_REGION": "us-east-1"}
    made.github.set_environment("prod", HostedEnvironment(roles, reviewed=True))
    return made


def test_a_run_has_its_environments_role_and_fails_with_what_it_runs(
    repository: Repository, tmp_path: Path
) -> None:
    run = repository.start("rollback", "workflow_dispatch", env="prod", to="a b")
    repository.github.approve(run.name, "prod")

    assert run.ended() == 1
    assert (tmp_path / "record").read_text() == "assume arn:prod us-east-1 21600\n"
    said = [line.partition("| ")[2] for line in run.log.splitlines() if "| asked" in line]
    assert said == ["asked for rollback --env prod --to a b --yes by a workflow"]
    assert "exit status 3" in run.log
    assert (repository.github.folder / "artifacts" / run.name / "rollout-prod").is_dir()
    assert [words.partition(" ")[2] for words in repository.github.events()] == [
        "has its turn in deploy-prod",
        "ends its turn in deploy-prod",
    ]


def test_a_run_that_waits_is_stopped(repository: Repository) -> None:
    run = repository.start("rollback", "workflow_dispatch", env="prod", to="")
    waits = f"{run.name} waits for an approval of prod"
    eventually(waits, lambda: waits in repository.github.events(), 60)

    repository.stop()

    assert run.process.returncode != 0
    assert "asked for" not in run.log
