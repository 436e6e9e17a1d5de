"""What holds for every test: credentials that open nothing, and no silent skips where none may be.

``RAYKILN_NO_SKIPS=1`` (CI sets it) turns every skip into a failure.
"""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

FAKE_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
}
# What every test of a folder is; a single test has its mark on itself.
MARKS = {Path(__file__).parent / "cloud": pytest.mark.machines}
# Inside the local cloud's VPC, and where `test --env` points at AWS, the operator's own are in use.
if not {"RAYKILN_INSIDE", "RAYKILN_TEST_ENV"} & os.environ.keys():
    os.environ.update(FAKE_CREDENTIALS)
    os.environ.pop("AWS_PROFILE", None)
# A suite started in the background ignores Ctrl-C, and so would all that it starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and leave out those that only ``thorough`` runs."""
    for item in items:
        for folder, mark in MARKS.items():
            if item.path.is_relative_to(folder):
                item.add_marker(mark)
    if "RAYKILN_THOROUGH" not in os.environ:
        config.hook.pytest_deselected(items=[one for one in items if has_no_sample(one)])
        items[:] = [one for one in items if not has_no_sample(one)]


def has_no_sample(item: pytest.Item) -> bool:
    """Say whether a test is for ``thorough`` alone."""
    return any(not mark.kwargs.get("sample", True) for mark in item.iter_markers("thorough"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where none may be; an expected failure stays what it is."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and "RAYKILN_NO_SKIPS" in os.environ:
        report.outcome = "failed"
        report.longrepr = f"skipped where no test may skip: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests were skipped, also when none was."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    terminalreporter.write_line(f"skipped: {skipped}")
