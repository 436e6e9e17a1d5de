"""The screen of `status --watch`: what is on it, at 100 columns, line by line."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from deploy.cluster.alarms import Alarm
from deploy.cluster.autoscaler_health import AutoscalerHealth, RefusedLaunch
from deploy.cluster.billed import Billed
from deploy.operate.cost import running_cost
from deploy.operate.job_records import JobLine
from deploy.operate.status_report import status_report
from deploy.report.console import one_screen
from deploy.report.live_view import LiveView
from tests.unit.deploy.builders import a_desired_state, an_environment, serving

NOW = 1_800_000_000.0
JOBS = (
    JobLine("job-0a", "SUCCEEDED", "python old.py", started=NOW - 90_000),
    JobLine("job-1b", "LOST", "", "invoke job.submit --env dev -- python train.py"),
    JobLine("job-2c", "RUNNING", "python train.py --epochs 3 " + "x" * 60, started=NOW - 200),
    JobLine("job-3d", "PENDING", "python wide.py"),
    JobLine("job-4e", "FAILED", "python bad.py", started=NOW - 7_300),
)
ALARMS = (
    Alarm("raykiln-dev-no-leader", "OK", ""),
    Alarm("raykiln-dev-autoscaler", "ALARM", "because"),
    Alarm("raykiln-dev-gave-up", "OK", ""),
)


def a_view(**changes: object) -> LiveView:
    state = serving(a_desired_state())
    refused = RefusedLaunch("worker", "m6i.large", "on-demand", "Insufficient", "no room", 12)
    health = AutoscalerHealth(True, 9, 4.0, (refused,))
    report = status_report(an_environment(), state, ALARMS, autoscaler=health)
    cost = running_cost(an_environment(), state, Billed(load_balancers=1, endpoints=12))
    view = LiveView(report, JOBS, cost, NOW)
    return replace(view, **changes)  # type: ignore[arg-type]


def screen(view: LiveView, columns: int = 100) -> list[str]:
    """Return what a terminal of so many columns shows."""
    console = Console(file=StringIO(), width=columns, force_terminal=True, color_system=None)
    console.print(one_screen(view.sections()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


SCREEN = """\
dev
health      2 problems
leader      i-head0 (epoch 1)
heads       1 InService
autoscaler  working: newest round 4 s ago
release     RELEASE
deploy      none in progress
alarms      ALARM raykiln-dev-autoscaler, 2 OK
cost        $0.33 an hour, list prices of 2026-01-19

Problems
!  alarm raykiln-dev-autoscaler
!  EC2 refuses to launch worker (m6i.large, on-demand) 12 s ago: Insufficient: no room

Groups
group   running      starting  leaving  stale  now          $/h   refused
worker  1 of 1 to 3  0         0        0      1 m6i.large  0.10  m6i.large, on-demand, 12 s ago: I…

Jobs: 1 FAILED, 1 LOST, 1 PENDING, 1 RUNNING, 1 SUCCEEDED
job     status     began      command
job-2c  RUNNING    3 min ago  python train.py --epochs 3 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
job-3d  PENDING    -          python wide.py
job-1b  LOST       -          again: invoke job.submit --env dev -- python train.py
job-4e  FAILED     2 h ago    python bad.py
job-0a  SUCCEEDED  1 d ago    python old.py"""


def test_everything_is_on_one_screen_of_100_columns() -> None:
    view = a_view()

    lines = screen(view)

    assert lines == SCREEN.replace("RELEASE", view.report.release).split("\n")
    assert max(map(len, lines)) == 100


def test_of_many_jobs_those_that_run_are_shown_and_all_are_counted() -> None:
    ended = [JobLine(f"job-{n}", "SUCCEEDED", "true", started=NOW - n) for n in range(40)]
    running = JobLine("job-r", "RUNNING", "true", started=NOW - 5000)

    lines = screen(a_view(jobs=(*ended, running)))

    assert len(lines) == 30
    jobs = lines[lines.index("Jobs: 1 RUNNING, 40 SUCCEEDED") + 2 :]
    assert [line.split()[0] for line in jobs] == ["job-r", *(f"job-{n}" for n in range(9))]


def test_what_cannot_be_read_is_said_and_the_rest_is_shown() -> None:
    lines = screen(a_view(jobs="not known: Ray does not answer", cost="not known: denied"))

    assert "cost        not known: denied" in lines
    assert lines[-2:] == ["Jobs", "not known: Ray does not answer"]
    assert "worker  1 of 1 to 3  0         0        0      1 m6i.large  ?    m6i.large" in " ".join(
        lines
    )


def test_a_cluster_without_problems_alarms_and_jobs_says_so() -> None:
    view = a_view(jobs=())
    quiet = replace(view.report, problems=(), alarms={})

    lines = screen(replace(view, report=quiet))

    assert "health      healthy" in lines
    assert "alarms      none" in lines
    assert "Problems" not in lines
    assert lines[-1] == "Jobs: none"


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_row_takes_two_lines_however_wide_the_terminal_is(columns: int) -> None:
    lines = screen(a_view(), columns)

    assert len(lines) == len(SCREEN.split("\n"))
    assert max(map(len, lines)) <= columns
