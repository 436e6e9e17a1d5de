"""The order in which a head starts Ray's processes. No AWS. Changes Ray, in this process alone.

``ray start --head`` starts GCS, Ray client server and dashboard, waits for the dashboard, and only
then starts the log monitor and the raylet with its two agents (ray/_private/node.py, Ray 2.60).
Each but GCS and raylet is a Python process that spends a second or two of CPU on imports, while
clients and workers only wait for dashboard and raylet. So these start first, side by side, the
dashboard warm (dashboard.py), and the others when both are up. The autoscaler is the guard's.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from node.ray.dashboard import WarmDashboard
from node.ray.dashboard_agent import with_our_agent


def start_in_order(dashboard: WarmDashboard) -> None:
    """Have ``ray start --head`` in this process start first what clients and workers wait for."""
    from ray._private import node, services

    node.Node = head_node(node.Node)
    services.start_ray_process = starter(services, dashboard)


def head_node(node: Any) -> Any:
    """Return a subclass of Ray's Node that starts the same processes in our order.

    An image test checks that the image's Ray has the methods that it overrides.
    """

    class HeadNode(node):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._last: list[Callable[[], None]] = []
            super().__init__(*arguments, **options)
            for start in self._last:
                start()

        def start_api_server(self, **options: Any) -> None:
            self._start_dashboard = partial(super().start_api_server, **options)

        def start_ray_processes(self) -> None:
            super().start_ray_processes()
            self._start_dashboard()

        def start_log_monitor(self) -> None:
            self._last.append(super().start_log_monitor)

        def start_ray_client_server(self) -> None:
            self._last.append(super().start_ray_client_server)

    return HeadNode


def starter(services: Any, dashboard: WarmDashboard) -> Callable[..., Any]:
    """Return a ``start_ray_process`` that uses the warm dashboard and our agent of the raylet, and
    ends with the GCS.

    Where the warm dashboard has died, Ray starts one as usual.
    """
    start = services.start_ray_process

    def start_ray_process(command: list[str], process_type: str, **options: Any) -> Any:
        if process_type == "dashboard" and dashboard.become(command):
            nothing_special = dict.fromkeys(services.ProcessInfo._fields)
            return services.ProcessInfo(**{**nothing_special, "process": dashboard.process})
        if process_type == "raylet":
            command = with_our_agent(command)
        started = start(command, process_type, **options)
        if process_type == "gcs_server":
            end_with(started.process)
        return started

    return start_ray_process


def end_with(gcs: "subprocess.Popen[bytes]") -> None:
    """End this process, which the guard watches, as soon as the GCS has ended.

    ``ray start`` waits a minute for a GCS that died while it started, and looks once a second for
    one that dies later (ray/scripts/scripts.py, Ray 2.60).
    """

    def watch() -> None:
        gcs.wait()
        print(f"gcs_server has ended: {gcs.returncode}", file=sys.stderr, flush=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
