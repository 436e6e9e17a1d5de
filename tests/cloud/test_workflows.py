"""The shipped workflows on a local cloud: merge, bake, staging, approval, prod, rollback.

act runs them on a clone whose two environments are small ones of this cloud. Each test continues
where the one before it stopped.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from localcloud import control
from tests.cloud.harness import home, require_machines
from tests.workflows.runs import ROOT, Clone

# Two environments share the cloud's network: each has a half of it, and a zone of its own.
HALVES = {"staging": "10.77.0.0/17", "prod": "10.77.128.0/17"}
INVOKE = f'#!/bin/sh\nexec {sys.executable} -m invoke "$@"\n'
LOCKS = ("requirements-uv.txt", "requirements.txt")  # those of RAYKILN_ONLY


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone on a cloud of its own, whose .venv is complete."""
    require_machines()
    found = Clone(tmp_path_factory.mktemp("workflows") / "clone")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    for name in listed.split("\n")[:-1]:
        found.copy(name)
    for name in HALVES:
        found.add(f"environments/{name}.toml", environment(name))
    found.commit()
    found.add(".venv/bin/invoke", INVOKE, executable=True)
    shutil.copy(found.folder / ".venv/bin/invoke", found.folder / ".venv/bin/pip")
    content = b"".join((found.folder / lock).read_bytes() for lock in LOCKS)
    found.add(".venv/.stamp", f"{hashlib.sha256(content).hexdigest()}  -\n")
    with home(tmp_path_factory.mktemp("workflows-home") / "home"):
        control.up()
        try:
            yield found
        finally:
            control.down()


def environment(name: str, instance_type: str = "m6i.large", workers: str = "3") -> str:
    """Return an environment of the local cloud, in its half of the network."""
    text = (ROOT / "environments/local.toml").read_text()
    for one, other in (
        ("10.77.0.0/16", HALVES[name]),
        ("ray.internal", f"{name}.internal"),
        ("max = 3", f"max = {workers}"),
        ('[workers]\ninstance_type = "m6i.large"', f'[workers]\ninstance_type = "{instance_type}"'),
    ):
        assert one in text
        text = text.replace(one, other)
    return text


def served(clone: Clone) -> str:
    """Return the release that prod serves."""
    return str(json.loads(invoke(clone, "status", "--env", "prod", "--json"))["release"])


def invoke(clone: Clone, *arguments: str) -> str:
    """Run a command in the clone and return what it prints, whatever its code."""
    command = [sys.executable, "-m", "invoke", *arguments]
    done = subprocess.run(command, cwd=clone.folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_merge_is_baked_and_deployed_to_staging_and_waits_there(clone: Clone) -> None:
    done = clone.run("deploy", "push", job="staging")

    assert done.code == 0, done.log[-6000:]
    assert "not deployed" in invoke(clone, "status", "--env", "prod")


def test_once_approved_it_goes_to_prod_and_staging_stays_as_it_is(clone: Clone) -> None:
    release = invoke(clone, "releases", "--env", "staging")

    done = clone.run("deploy", "push", job="prod")

    assert done.code == 0, done.log[-6000:]
    assert done.log.count("nothing to change") == 1
    assert invoke(clone, "releases", "--env", "staging") == release


def test_a_deploy_that_cannot_go_through_fails_the_run_and_prod_keeps_serving(clone: Clone) -> None:
    before = invoke(clone, "releases", "--env", "prod")
    clone.add("environments/staging.toml", environment("staging", instance_type="m6i.nothing"))

    done = clone.run("deploy", "push")

    assert done.code == 1
    assert "m6i.nothing" in done.log
    assert invoke(clone, "releases", "--env", "prod") == before
    clone.add("environments/staging.toml", environment("staging"))


def test_a_rollback_brings_the_release_before_back(clone: Clone) -> None:
    before = served(clone)
    clone.add("environments/prod.toml", environment("prod", workers="4"))
    assert clone.run("deploy-one", "workflow_call", env="prod").code == 0
    assert served(clone) != before

    done = clone.run("rollback", "workflow_dispatch", env="prod", to="")

    assert done.code == 0, done.log[-6000:]
    assert served(clone) == before
