"""A fake ``ray`` package with the parts of Ray that node/ uses.

``ray start --head`` writes what it was called with and what it started, in order, into the file
``TOLD``; it leaves a daemon behind as Ray does, and stays.
"""

from pathlib import Path

FILES = {
    "scripts/scripts.py": """
import json, os, subprocess, sys, time
from ray._private import node

def main():
    daemon = [sys.executable, "-c", "import os, time; os.setsid(); time.sleep(600)"]
    subprocess.Popen(daemon)
    settings = {k: v for k, v in os.environ.items() if k.startswith("RAY_")}
    stdin = os.readlink("/proc/self/fd/0")
    told = {"argv": sys.argv, "settings": settings, "stdin": stdin}
    head = node.Node(head=True)
    told["started"] = head.started
    with open(os.environ["TOLD"], "w") as file:
        json.dump(told, file)
    os.rename(os.environ["TOLD"], os.environ["TOLD"] + ".whole")
    while not head.dead_processes():
        time.sleep(0.1)
""",
    "_private/node.py": """
from ray._private import services

class Node:
    def __init__(self, head):
        self.started = []
        self.all_processes = {}
        services.start_gcs()
        self.started.append("GCS")
        self.start_ray_client_server()
        self.start_api_server(include_dashboard=None)
        self.start_ray_processes()
        self.started.append("raylet is alive")

    def dead_processes(self):
        return [
            (kind, info.process)
            for kind, infos in self.all_processes.items()
            for info in infos
            if info.process.poll() is not None
        ]

    def start_ray_client_server(self):
        self.started.append("client server")

    def start_log_monitor(self):
        self.started.append("log monitor")

    def start_api_server(self, include_dashboard):
        dashboard = services.start_dashboard()
        self.started.append(f"dashboard: {dashboard}")

    def start_ray_processes(self):
        self.start_log_monitor()
        self.started.append("raylet")
""",
    "_private/services.py": """
import collections, os, subprocess, sys, time
import ray.dashboard

ProcessInfo = collections.namedtuple("ProcessInfo", ["process", "stdout_file", "use_tmux"])

def start_ray_process(command, process_type, fate_share, env_updates=None):
    process = subprocess.Popen(command, env={**os.environ, **(env_updates or {})})
    with open(f"{os.environ['TOLD']}.{process_type}.pids", "a") as file:
        print(process.pid, file=file)
    return ProcessInfo(process=process, stdout_file=None, use_tmux=False)

def start_gcs():
    gcs = [sys.executable, "-c", "import time; time.sleep(600)"]
    start_ray_process(gcs, "gcs_server", fate_share=True)

def start_dashboard():
    script = os.path.join(os.path.dirname(ray.dashboard.__file__), "dashboard.py")
    answer = os.environ["TOLD"] + ".dashboard"
    command = [sys.executable, script, answer]
    os.environ["RAY_SAID_LATER"] = "heard"
    started = start_ray_process(command, "dashboard", fate_share=True)
    while not os.path.exists(answer):
        time.sleep(0.01)
    with open(answer) as file:
        words, pid = file.read().split()
    os.remove(answer)
    return words if int(pid) == started.process.pid else "of another process"
""",
    "dashboard/dashboard.py": """
import os, sys, time

if os.environ.get("RAY_BREAKS_THE_DASHBOARD") and __name__ != "__main__":
    raise ImportError("as the test wants it")
if __name__ == "__main__":
    warm = "warm" if "ray.dashboard.http_server_head" in sys.modules else "cold"
    with open(sys.argv[1] + ".part", "w") as file:
        file.write(f"{warm},{os.environ['RAY_SAID_LATER']} {os.getpid()}")
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    time.sleep(600)
""",
    "dashboard/http_server_head.py": "",
    "dashboard/utils.py": "def get_all_modules(kind): return kind.__subclasses__()",
    "dashboard/subprocesses/module.py": """
class SubprocessModule:
    @classmethod
    def is_enabled(cls):
        return True

class JobHead(SubprocessModule):
    pass
""",
    "dashboard/subprocesses/handle.py": """
import multiprocessing

class SubprocessModuleHandle:
    mp_context = multiprocessing.get_context("forkserver")

    @classmethod
    def preload_in_forkserver(cls, modules):
        cls.mp_context.set_forkserver_preload([module.__module__ for module in modules])
""",
}


def install(site: Path) -> None:
    """Write the package into a folder that PYTHONPATH can name; gRPC there finds no GCS."""
    site.mkdir(parents=True, exist_ok=True)
    (site / "grpc.py").write_text("import time\n\ntime.sleep(600)\n")
    for name, source in FILES.items():
        path = site / "ray" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        for folder in [path.parent, *path.parent.parents]:
            if folder == site:
                break
            (folder / "__init__.py").touch()
