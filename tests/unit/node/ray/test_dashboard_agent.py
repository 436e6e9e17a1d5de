"""Where the driver of a job runs: what Ray's JobManager is asked for."""

import asyncio
from typing import Any

import pytest

from node.ray.dashboard_agent import on_workers


async def rays(manager: str, **job: Any) -> dict[str, Any]:
    """Stand in for Ray's own ``submit_job``."""
    return {"manager": manager, **job}


def submitted(**job: Any) -> dict[str, Any]:
    return dict(asyncio.run(on_workers(rays)("the manager", **job)))


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_driver_takes_what_only_workers_offer(nothing: object) -> None:
    assert submitted(entrypoint="true", entrypoint_resources=nothing) == {
        "manager": "the manager",
        "entrypoint": "true",
        "entrypoint_resources": {"driver": 1},
    }


def test_what_a_job_asks_for_itself_is_kept() -> None:
    job = submitted(
        entrypoint_resources={"big_disk": 1},
        entrypoint_memory=5,
        entrypoint_label_selector={"team": "search"},
    )

    assert job["entrypoint_resources"] == {"big_disk": 1, "driver": 1}
    assert job["entrypoint_memory"] == 5
    assert job["entrypoint_label_selector"] == {"team": "search"}


def test_a_job_that_asks_for_the_head_by_its_label_gets_it() -> None:
    on_head = {"entrypoint_label_selector": {"ray.io/node-group": "head"}}

    assert submitted(**on_head) == {"manager": "the manager", **on_head}
