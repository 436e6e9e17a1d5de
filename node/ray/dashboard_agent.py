"""Ray's dashboard agent on a head, whose jobs run their drivers on workers. No AWS.

``python -m node.ray.dashboard_agent`` stands in for ``ray/dashboard/agent.py``, with its arguments.
Whoever submits a job, by whatever tool, Ray's API hands it to the agent of the head
(get_target_agent, ray/dashboard/modules/job/job_head.py, Ray 2.60), whose JobManager places the
driver: on the head unless the job asks for resources. Ray's own variable
RAY_JOB_ALLOW_DRIVER_ON_WORKER_NODES only lifts that, so that drivers land on any node, the head
among them. So a driver takes one of the resource that only workers offer: the head never has it,
and while there is no worker, the autoscaler launches one.
"""

import functools
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node.contract import DRIVER_RESOURCE, HEAD_NODE_TYPE, NODE_GROUP_LABEL

SCRIPT = "dashboard/agent.py"
RAYS = re.compile(rf"\S+/ray/{SCRIPT}")


def on_workers(submit: Callable[..., Any]) -> Callable[..., Any]:
    """Return JobManager's ``submit_job`` for drivers on workers.

    A job that asks for the head by its label keeps what it asks for.
    """

    @functools.wraps(submit)
    async def submit_job(manager: Any, **job: Any) -> Any:
        selector = job.get("entrypoint_label_selector") or {}
        if selector.get(NODE_GROUP_LABEL) != HEAD_NODE_TYPE:
            asked = job.get("entrypoint_resources") or {}
            job["entrypoint_resources"] = {**asked, DRIVER_RESOURCE: 1}
        return await submit(manager, **job)

    return submit_job


def with_our_agent(command: list[str]) -> list[str]:
    """Return the raylet's command with our agent; one of its words is the command of the agent."""
    option = "--dashboard_agent_command="
    ours = f"-m {__name__}"
    return [RAYS.sub(ours, word) if word.startswith(option) else word for word in command]


def main() -> None:
    """Become Ray's agent."""
    import ray
    from ray.dashboard.modules.job.job_manager import JobManager

    JobManager.submit_job = on_workers(JobManager.submit_job)
    sys.argv[0] = str(Path(str(ray.__file__)).parent / SCRIPT)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
