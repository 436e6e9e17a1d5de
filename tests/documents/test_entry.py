"""The entry points, where nothing is as it must be: a line that says what to do, and no trace."""

import subprocess
import sys

import pytest

from common.checkout import REPOSITORY


@pytest.mark.parametrize("module", ["documents.consumer", "documents.serve"])
def test_settings_that_are_missing_are_named(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=REPOSITORY,
        env={"DOCUMENTS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "bucket: Field required" in done.stderr
    assert "Traceback" not in done.stderr
