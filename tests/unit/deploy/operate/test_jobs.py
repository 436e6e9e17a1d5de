"""Jobs by Ray's own command: what it is given, what is recorded, and what a loss looks like."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.clients import Clients
from common.environment import Environment
from common.errors import Interrupted, PipelineError, Refused
from deploy.cluster.ray_api import RayApi, Unreachable
from deploy.cluster.state import Lease
from deploy.foundation.pause import paused_error
from deploy.operate import jobs as module
from deploy.operate.jobs import JobRequest, Jobs
from deploy.reach.road import Road
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.ray_stub import TOKEN, RayStub, serving
from tests.unit.localcloud.fakes import FakeClock

# Ray's command, as far as a caller sees it: it records its arguments, and who it would ask.
RAY = """#!{python}
import json, os, sys, urllib.request
token = open(os.environ["RAY_AUTH_TOKEN_PATH"]).read()
mode = oct(os.stat(os.environ["RAY_AUTH_TOKEN_PATH"]).st_mode & 0o777)
with open({record!r}, "a") as record:
    record.write(json.dumps([sys.argv[1:], os.environ["RAY_AUTH_MODE"], token, mode]) + "\\n")
asked = urllib.request.Request(os.environ["RAY_API_SERVER_ADDRESS"] + "/api/jobs/")
asked.add_header("Authorization", "Bearer " + token)
assert urllib.request.urlopen(asked).status == 200
{last}
sys.exit({code})
"""
# Ctrl-C, which the stub itself waits for.
INTERRUPT = f"import time; os.kill({os.getpid()}, {signal.SIGINT:d}); time.sleep(60)"
# What Ray's command writes of a folder that is too large, and what of it says why.
TOO_LARGE = (
    "RuntimeError: Request failed with status code 413: Maximum request body size 1 exceeded."
)
TRACE = f"""Traceback (most recent call last):
  File "/x/bin/ray", line 8, in <module>
    sys.exit(main())
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/x/dashboard_sdk.py", line 305, in _raise_error
    raise RuntimeError(
{TOO_LARGE}
"""


class Fixture:
    """An environment's jobs, with a stub of Ray and of its command."""

    def __init__(self, folder: Path, stub: RayStub, clock: FakeClock) -> None:
        self.folder, self.stub, self.clock = folder, stub, clock
        self.epoch = 3
        self.ray = folder / "ray"
        self.record = folder / "calls"
        self.exits_with(0)
        self.jobs = Jobs(Clients("us-east-1"), an_environment(), folder, self.ray, clock)

    def exits_with(self, code: int, last: str = "") -> None:
        """Let Ray's command end with this code, after a last statement."""
        names = {"python": sys.executable, "record": str(self.record), "code": code, "last": last}
        self.ray.write_text(RAY.format(**names))
        self.ray.chmod(0o755)

    @property
    def calls(self) -> list[Any]:
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [json.loads(line) for line in lines]

    def known(self, job: str, status: str, error: str = "") -> None:
        """Let Ray know a job."""
        row: dict[str, Any] = {
            "submission_id": job,
            "job_id": "01",
            "status": status,
            "driver_node_id": "n",
        }
        row |= {"entrypoint": "python train.py", "error_type": error or None, "start_time": 1}
        self.stub.job_rows[:] = [row]


@pytest.fixture
def here(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fixture]:
    with serving(RayStub()) as stub:
        made = Fixture(tmp_path, stub, clock)
        road = Road(Clients("us-east-1"), "127.0.0.1", lambda: "i-1")
        monkeypatch.setattr(road, "address", lambda port: ("127.0.0.1", stub.port))
        monkeypatch.setattr(module, "open_road", lambda clients, environment: road)
        monkeypatch.setattr(module, "ray_api", lambda clients, environment: stub.api())
        monkeypatch.setattr(
            "deploy.operate.connection.cluster_token", lambda clients, environment: TOKEN
        )
        monkeypatch.setattr(
            module, "find_lease", lambda *_: Lease("i-1", "10.77.0.9", made.epoch, 1, False)
        )
        yield made


def test_submit_hands_the_command_to_rays_own_tool(here: Fixture, tmp_path: Path) -> None:
    job = here.jobs.submit(JobRequest(("python", "train.py", "a b"), str(tmp_path)))

    [[arguments, mode, token, rights]] = here.calls
    assert arguments == [
        *("job", "submit", "--no-wait", "--submission-id", job, "--working-dir", str(tmp_path)),
        *("--", "python", "train.py", "a b"),
    ]
    assert (mode, token, rights) == ("token", TOKEN, "0o600")
    assert list((tmp_path / "connect").iterdir()) == []


def test_a_driver_is_asked_for_on_the_head_by_rays_own_option(here: Fixture) -> None:
    job = here.jobs.submit(JobRequest(("true",), on_head=True))

    assert here.calls[0][0] == [
        *("job", "submit", "--no-wait", "--submission-id", job),
        *("--entrypoint-label-selector", '{"ray.io/node-group": "head"}', "--", "true"),
    ]
    here.stub.job_rows.clear()
    here.epoch = 4
    [line] = here.jobs.lines()
    assert line.again == "invoke job.submit --env dev --on-head -- true"


def test_what_ray_does_not_accept_is_not_recorded(here: Fixture) -> None:
    here.exits_with(1)

    with pytest.raises(PipelineError, match="did not accept the job"):
        here.jobs.submit(JobRequest(("true",)))

    assert here.jobs.lines() == ()


def test_of_a_traceback_of_rays_the_error_is_shown_and_what_to_do(
    here: Fixture, capfd: pytest.CaptureFixture[str]
) -> None:
    here.exits_with(1, f"sys.stderr.write('INFO uploading\\n' + {TRACE!r})")

    with pytest.raises(PipelineError, match="did not accept the job") as raised:
        here.jobs.submit(JobRequest(("true",)))

    assert capfd.readouterr().err == f"INFO uploading\nKeyError: 'first'\n{TOO_LARGE}\n"
    assert "100 MiB" in raised.value.hint


def test_a_job_that_is_no_longer_followed_goes_on_and_is_not_submitted_again(here: Fixture) -> None:
    job = here.jobs.submit(JobRequest(("true",)))
    here.exits_with(0, INTERRUPT)

    with pytest.raises(Interrupted, match=f"^{job} goes on") as raised:
        here.jobs.follow(job)

    of = f"--env dev {job}"
    assert raised.value.hint == f"invoke job.logs --follow {of}, or invoke job.stop {of} to end it"
    assert raised.value.exit_code == 130


def test_a_submission_that_is_interrupted_says_that_ray_may_have_accepted_it(here: Fixture) -> None:
    here.exits_with(0, INTERRUPT)

    with pytest.raises(Interrupted, match=r"^job-[0-9a-f]{12} was being submitted") as raised:
        here.jobs.submit(JobRequest(("true",)))

    assert raised.value.hint == "`invoke job.list --env dev` shows it if Ray accepted it"


def test_following_a_job_ends_with_its_status(here: Fixture) -> None:
    job = here.jobs.submit(JobRequest(("true",)))
    here.known(job, "FAILED", "JOB_ENTRYPOINT_COMMAND_ERROR")

    assert here.jobs.follow(job) == "FAILED"

    assert here.calls[-1][0] == ["job", "logs", "--follow", job]


def test_a_job_whose_head_was_lost_is_lost_and_says_how_to_run_it_again(here: Fixture) -> None:
    job = here.jobs.submit(JobRequest(("python", "train.py", "a b")))
    here.stub.job_rows.clear()
    here.epoch = 4

    with pytest.raises(PipelineError, match=f"{job} was lost with its head") as raised:
        here.jobs.follow(job)

    assert raised.value.hint == "run it again: invoke job.submit --env dev -- python train.py 'a b'"
    assert [(line.id, line.status) for line in here.jobs.lines()] == [(job, "LOST")]


@pytest.mark.parametrize("follow", [False, True])
def test_an_unknown_job_has_no_log(here: Fixture, follow: bool) -> None:
    with pytest.raises(Refused, match="there is no job job-0"):
        here.jobs.logs("job-0", follow=follow)

    assert here.calls == []


def test_of_a_paused_cluster_no_job_is_waited_for(
    here: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Road:
        raise paused_error("dev")

    monkeypatch.setattr(module, "open_road", refuse)
    began = here.clock.now()

    for ask in (here.jobs.lines, lambda: here.jobs.logs("job-0"), lambda: here.jobs.stop("job-0")):
        with pytest.raises(Refused, match=r"^dev is paused"):
            ask()
    assert here.clock.now() == began


def test_without_a_head_a_job_is_waited_for_and_that_is_said_once(
    here: Fixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([Unreachable("no instance holds the head lease")] * 3)
    here.known("job-7", "SUCCEEDED")
    found = here.stub.api()

    def asked(clients: Clients, environment: Environment) -> RayApi:
        if error := next(answers, None):
            raise error
        return found

    monkeypatch.setattr(module, "ray_api", asked)
    with pytest.raises(Unreachable) as raised:
        here.jobs.lines()
    assert raised.value.hint == "invoke status --env dev"

    assert here.jobs.logs("job-7") == "SUCCEEDED"

    assert capsys.readouterr().err == "dev: no instance holds the head lease; waiting\n"


def test_a_job_is_stopped_by_rays_own_tool(here: Fixture) -> None:
    here.known("job-7", "RUNNING")

    here.jobs.stop("job-7")

    assert here.calls[-1][0] == ["job", "stop", "job-7"]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (JobRequest(()), "there is no command"),
        (JobRequest(("true",), "/nowhere"), "--working-dir /nowhere is not a folder"),
        (JobRequest(("true",), "", "/nowhere.yaml"), "--runtime-env /nowhere.yaml is not a file"),
    ],
)
def test_a_request_is_checked_first(request_: JobRequest, words: str) -> None:
    with pytest.raises(Refused, match=words):
        request_.check()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pip: [unclosed", "is not YAML: line 1, column 15: "),
        ("- a", "holds a list, not keys and values"),
    ],
)
def test_a_runtime_environment_is_read_first(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "env.yaml"
    file.write_text(text)

    with pytest.raises(Refused, match=f"^{file} {words}"):
        JobRequest(("true",), "", str(file)).check()


def test_a_lost_job_is_run_again_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b").mkdir()
    (tmp_path / "env.yaml").touch()

    request = JobRequest.from_arguments(["--", "true"], "a b", "env.yaml")

    folders = ("--working-dir", f"{tmp_path}/a b", "--runtime-env", f"{tmp_path}/env.yaml")
    assert request.options == folders


def test_a_folder_that_is_not_there_is_refused_with_where_it_was_looked_for() -> None:
    with pytest.raises(Refused, match="is not a folder") as raised:
        JobRequest(("true",), "my-folder").check()

    assert raised.value.hint == f"correct it; a relative path begins at {Path.cwd()}"


def test_the_command_is_what_follows_two_dashes_word_by_word() -> None:
    argv = ["invoke", "job.submit", "--follow", "--", "python", "-c", "print(1, 2)", "--", "x"]

    request = JobRequest.from_arguments(argv, "", "")

    assert request.command == ("python", "-c", "print(1, 2)", "--", "x")


def test_a_command_line_without_two_dashes_is_refused() -> None:
    with pytest.raises(Refused, match="there is no command"):
        JobRequest.from_arguments(["invoke", "job.submit", "train.py"], "", "")
