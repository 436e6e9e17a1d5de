"""The workflows, run with act on a clone whose run.sh only writes down how it is called."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.workflows.runs import Clone

BAKE_ROLE = "arn:aws:iam::123456789012:role/raykiln-bake"
DEPLOY_ROLE = "arn:aws:iam::123456789012:role/raykiln-deploy"
# Writes down its arguments, each quoted; ends with the code of the file named after its task.
RUN_SH = """#!/usr/bin/env bash
printf 'run %s\\n' "$(printf '%q ' "${RAYKILN_ONLY}" "$@")" >>"${RECORD}"
exit "$(cat "codes/$1-$3" 2>/dev/null || echo 0)"
"""


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    found = Clone(tmp_path / "clone")
    found.copy(".github/workflows")
    found.add("run.sh", RUN_SH, executable=True)
    found.commit()
    return found


def ran(lines: list[str]) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in lines]


def test_a_merge_is_baked_and_goes_to_staging_and_then_to_prod(clone: Clone) -> None:
    done = clone.run("deploy", "push")

    assert done.code == 0, done.log
    assert ran(done.of("run")) == [
        ["bake", "bake", "--env", "staging"],
        ["deploy", "deploy", "--env", "staging", "--yes"],
        ["deploy", "verify", "--env", "staging"],
        ["deploy", "images.promote", "--to", "prod", "--yes"],
        ["deploy", "deploy", "--env", "prod", "--yes"],
        ["deploy", "verify", "--env", "prod"],
    ]
    assert done.of("keep") == [
        "keep rollout-staging .raykiln/rollouts/",
        "keep rollout-prod .raykiln/rollouts/",
    ]


def test_each_job_assumes_its_role_for_as_long_as_it_may_take(clone: Clone) -> None:
    done = clone.run("deploy", "push")

    assert done.of("assume") == [
        f"assume {BAKE_ROLE} us-east-1 7200",
        f"assume {DEPLOY_ROLE} us-east-1 21600",
        f"assume {BAKE_ROLE} us-east-1 14400",
        f"assume {DEPLOY_ROLE} us-east-1 21600",
    ]


def test_until_a_person_approves_images_are_promoted_and_prod_is_not_deployed(
    clone: Clone,
) -> None:
    done = clone.run("deploy", "push", job="promote")

    assert done.code == 0, done.log
    assert ["deploy", "verify", "--env", "staging"] in ran(done.of("run"))
    assert [words for words in ran(done.of("run")) if "prod" in words] == [
        ["deploy", "images.promote", "--to", "prod", "--yes"]
    ]


@pytest.mark.parametrize(
    ("task", "code"), [("deploy", 1), ("deploy", 2), ("deploy", 3), ("verify", 1)]
)
def test_what_fails_on_staging_never_reaches_prod(clone: Clone, task: str, code: int) -> None:
    clone.add(f"codes/{task}-staging", str(code))

    done = clone.run("deploy", "push")

    assert done.code == 1
    assert [words for words in ran(done.of("run")) if "prod" in words] == []
    assert "keep rollout-staging .raykiln/rollouts/" in done.lines


def test_a_bake_that_fails_deploys_nothing(clone: Clone) -> None:
    clone.add("codes/bake-staging", "2")

    done = clone.run("deploy", "push")

    assert done.code == 1
    assert {words[1] for words in ran(done.of("run"))} == {"bake"}


def test_what_cannot_be_promoted_leaves_prod_as_it_is(clone: Clone) -> None:
    clone.add("codes/images.promote-prod", "1")

    done = clone.run("deploy", "push")

    assert done.code == 1
    assert ["deploy", "deploy", "--env", "prod", "--yes"] not in ran(done.of("run"))


@pytest.mark.parametrize("back", ["true", "false"])
def test_a_promotion_by_hand_is_undone_by_the_same_workflow(clone: Clone, back: str) -> None:
    done = clone.run("promote", "workflow_dispatch", env="prod", back=back)

    assert done.code == 0, done.log
    option = ["--back"] if back == "true" else []
    assert ran(done.of("run")) == [
        ["deploy", "images.promote", "--to", "prod", *option, "--yes"],
    ]


LOCK_SH = """#!/usr/bin/env bash
printf 'run %s\\n' "$(printf '%q ' "${RAYKILN_ONLY}" "$@")" >>"${RECORD}"
[[ -f moves ]] || exit "$(cat code)"
cp moves environments/staging.lock
echo '~ debian-12-*: ami-1 → ami-2'
"""
# Writes down what it is asked for; there is a pull request once `open` exists.
GH = """#!/usr/bin/env bash
[[ "$*" == "auth token" ]] || echo "gh $*" >>"${RECORD}" # act asks for that itself
[[ "$1 $2" != 'pr list' ]] || if [[ -f "${RECORD}.open" ]]; then echo 1; else echo 0; fi
"""


@pytest.fixture
def locking(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A clone with a remote repository, and a gh that writes down what it is asked for."""
    tools = clone.folder.parent / "tools"
    tools.mkdir()
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    remote = clone.folder.parent / "remote"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    subprocess.run(["git", "-C", clone.folder, "remote", "add", "origin", remote], check=True)
    clone.add("run.sh", LOCK_SH, executable=True)
    clone.add("environments/staging.lock", "old")
    clone.commit()
    return clone


def pushed(clone: Clone) -> str:
    remote = clone.folder.parent / "remote"
    shown = ["git", "-C", str(remote), "show", "lock-staging:environments/staging.lock"]
    return subprocess.run(shown, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("there_is_one", [False, True])
def test_base_images_that_moved_become_a_pull_request(locking: Clone, there_is_one: bool) -> None:
    locking.add("moves", "new")
    if there_is_one:
        locking.record.with_name("record.open").touch()

    done = locking.run("lock", "schedule")

    assert done.code == 0, done.log
    assert ran(done.of("run")) == [["deploy", "lock", "--env", "staging"]]
    assert done.of("assume") == [f"assume {BAKE_ROLE} us-east-1 3600"]
    assert pushed(locking) == "new"
    last = done.of("gh")[-1]
    assert last.startswith("gh pr edit" if there_is_one else "gh pr create --head lock-staging")
    assert last.endswith("--body-file moved.txt")


@pytest.mark.parametrize("code", [0, 1])
def test_without_a_move_or_when_it_fails_there_is_no_pull_request(
    locking: Clone, code: int
) -> None:
    locking.add("code", str(code))

    done = locking.run("lock", "schedule")

    assert done.code == code
    assert (done.of("gh"), pushed(locking)) == ([], "")


def test_a_prune_by_hand_keeps_what_the_person_says(clone: Clone) -> None:
    done = clone.run(
        "prune", "workflow_dispatch", env="prod", keep="5", days="$(id)", delete_days="90"
    )

    assert done.of("assume") == [f"assume {BAKE_ROLE} us-east-1 3600"]
    assert ran(done.of("run")) == [
        [
            *("deploy", "images.prune", "--env", "prod", "--keep", "5"),
            *("--days", "$(id)", "--delete-days", "90", "--yes"),
        ],
    ]


@pytest.mark.parametrize(
    ("schedule", "task"), [("0 19 * * 1-5", "pause"), ("0 5 * * 1-5", "resume")]
)
def test_an_environment_that_is_named_is_paused_in_the_evening_and_resumed_in_the_morning(
    clone: Clone, schedule: str, task: str
) -> None:
    clone.variables["RAYKILN_PAUSED_AT_NIGHT"] = "staging"

    done = clone.run("pause", "schedule", schedule=schedule)

    assert done.of("assume") == [f"assume {DEPLOY_ROLE} us-east-1 3600"]
    assert ran(done.of("run")) == [["deploy", task, "--env", "staging", "--yes"]]


def test_without_a_name_nothing_is_paused_on_a_schedule(clone: Clone) -> None:
    done = clone.run("pause", "schedule", schedule="0 19 * * 1-5")

    assert (done.code, done.lines) == (0, ())


@pytest.mark.parametrize("task", ["pause", "resume"])
def test_an_environment_is_paused_and_resumed_by_hand(clone: Clone, task: str) -> None:
    done = clone.run("pause", "workflow_dispatch", env="prod", do=task)

    assert ran(done.of("run")) == [["deploy", task, "--env", "prod", "--yes"]]


def test_a_deploy_that_was_rolled_back_on_prod_fails_the_run(clone: Clone) -> None:
    clone.add("codes/deploy-prod", "3")

    done = clone.run("deploy", "push")

    assert done.code == 1
    assert ["deploy", "verify", "--env", "prod"] not in ran(done.of("run"))


@pytest.mark.parametrize("release", ["", "20261122-093000-1a2b3c4d"])
def test_a_rollback_goes_to_the_release_that_is_named_or_the_one_before(
    clone: Clone, release: str
) -> None:
    done = clone.run("rollback", "workflow_dispatch", env="prod", to=release)

    assert done.code == 0, done.log
    to = ["--to", release] if release else []
    assert ran(done.of("run")) == [
        ["deploy", "rollback", "--env", "prod", *to, "--yes"],
        ["deploy", "verify", "--env", "prod"],
    ]


# act runs jobs in a copy of the clone, so that this names a file outside of it.
TOUCH = 'touch "${RECORD}.pwned"'


@pytest.mark.parametrize(
    "written",
    [f"$({TOUCH})", f"`{TOUCH}`", f'"; {TOUCH}; "', "a b", "'", "${IFS}", "--yes", "*"],
)
def test_no_shell_reads_what_a_person_types(clone: Clone, written: str) -> None:
    rollback = clone.run("rollback", "workflow_dispatch", env="prod", to=written)
    bake = clone.run("bake", "workflow_dispatch", env=written)

    assert ran(rollback.of("run"))[0] == [
        "deploy",
        "rollback",
        "--env",
        "prod",
        "--to",
        written,
        "--yes",
    ]
    assert ran(bake.of("run")) == [["bake", "bake", "--env", written]]
    assert not clone.record.with_name("record.pwned").exists()


def test_a_bake_by_hand_is_of_one_environment(clone: Clone) -> None:
    done = clone.run("bake", "workflow_dispatch", env="prod")

    assert done.lines == (f"assume {BAKE_ROLE} us-east-1 7200", "run bake bake --env prod ")
