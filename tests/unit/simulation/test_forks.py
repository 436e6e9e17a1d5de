"""A copy of a process must be a whole one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.simulation.forks import Copy


def test_a_thread_makes_no_copy(tmp_path: Path) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(RuntimeError, match="by its main thread only"),
    ):
        pool.submit(Copy, tmp_path).result()
