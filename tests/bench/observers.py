"""Measure what metrics and the shipping of logs take of each node: idle, and while a job prints and
counts on every worker.

    .venv/bin/python -m tests.bench.observers --env ENV --seconds 120

needs a cluster in the local cloud. Prints for each node and unit the percentage of a core and the
memory in MB: the proportional set size of its processes, which counts what they share once. Last
what a scrape costs Ray's own agent, which serves a node's metrics whether or not anyone asks.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any, NamedTuple

from localcloud import control
from tests.cloud.cluster_facts import ROOT, on

UNITS = ("ray-logs", "ray-log-limit", "ray-prometheus", "ray-remote-write")
SCRAPES = 20
SCRAPE_SECONDS = 15.0  # node/ray/prometheus.py
# Per unit that runs: seconds of CPU of its processes and of what they waited for, and kB of memory.
# Control groups of systemd's are below their own folder where there is more than one hierarchy.
LOOK = f"""
for unit in {" ".join(UNITS)}; do
  group="$(systemctl show --property ControlGroup --value "$unit")"
  for root in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
    [[ -n "$group" && -n "$(cat "$root$group/cgroup.procs" 2>/dev/null)" ]] || continue
    ticks="$(xargs -I PID cat /proc/PID/stat <"$root$group/cgroup.procs" |
      awk '{{sub(/.*\\) /, ""); s += $12 + $13 + $14 + $15}} END {{print s}}')"
    size="$(xargs -I PID cat /proc/PID/smaps_rollup <"$root$group/cgroup.procs" |
      awk '/^Pss:/ {{s += $2}} END {{print s}}')"
    echo "$unit $ticks $(getconf CLK_TCK) $size"
    break
  done
done
"""
# Ticks of CPU (sysconf(_SC_CLK_TCK)) that the process which listens at the metrics' port takes.
SCRAPE = f"""
pid="$(ss -ltnpH 'sport = :8480' | grep -o 'pid=[0-9]*' | head -1 | cut -d= -f2)"
ticks() {{ awk '{{print $14 + $15}}' "/proc/$pid/stat"; }}
before="$(ticks)"
for _ in $(seq {SCRAPES}); do curl -s -o /dev/null "http://$1:8480/metrics"; done
echo "$(( $(ticks) - before )) $(getconf CLK_TCK)"
"""
# Ten lines and a count a second from a task on each worker.
JOB = """
import time
import ray
from ray.util.metrics import Counter

@ray.remote(num_cpus=0, scheduling_strategy="SPREAD")
def work():
    lines = Counter("lines", description="printed")
    while True:
        print("a line of a job", time.time())
        lines.inc()
        time.sleep(0.1)

ray.init(log_to_driver=False)
ray.get([work.remote() for _ in range(int(ray.cluster_resources().get("CPU", 2)))])
"""


class Usage(NamedTuple):
    """Of one unit: seconds of CPU since it was started, and MB of memory."""

    cpu: float
    memory: float


def invoke(env: str, *arguments: str) -> str:
    """Run a command of the operator's; return what it prints."""
    command = [sys.executable, "-m", "invoke", arguments[0], "--env", env, *arguments[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def usage(machine: str) -> dict[str, Usage]:
    """Return what each unit of a machine takes."""
    lines = (line.split() for line in on(machine, LOOK).splitlines())
    return {
        unit: Usage(int(ticks) / int(rate), int(size) / 1000) for unit, ticks, rate, size in lines
    }


def measure(title: str, nodes: dict[str, str], seconds: float) -> None:
    """Print what the units of each node take for a while."""
    began, before = time.monotonic(), {name: usage(machine) for name, machine in nodes.items()}
    time.sleep(seconds)
    passed = time.monotonic() - began
    for name, machine in nodes.items():
        total = Usage(0.0, 0.0)
        for unit, now in usage(machine).items():
            cpu = 100 * (now.cpu - before[name][unit].cpu) / passed
            total = Usage(total.cpu + cpu, total.memory + now.memory)
            print(f"{title}, {name}, {unit}: {cpu:.2f} % of a core, {now.memory:.0f} MB")
        print(
            f"{title}, {name}, all: {total.cpu:.2f} % of a core, {total.memory:.0f} MB", flush=True
        )
    print(f"{title}: {passed:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)


def scraped(name: str, machine: str, address: str) -> None:
    """Print what a scrape costs the agent of a node."""
    command = control.shell_command(machine, ["bash", "-c", SCRAPE, "scrape", address])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ticks, rate = map(int, done.stdout.split())
    each = ticks / rate / SCRAPES
    share = 100 * each / SCRAPE_SECONDS
    print(f"{name}: {1000 * each:.0f} ms of CPU a scrape, {share:.2f} % of a core", flush=True)


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="local")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    report: dict[str, Any] = json.loads(invoke(options.env, "status", "--json"))
    (head,) = report["heads"]
    worker, *_ = report["workers"]
    nodes = {"head": head["id"], "worker": worker["id"]}
    measure("idle", nodes, options.seconds)
    job = invoke(options.env, "job.submit", "--", "python", "-c", JOB).splitlines()[-1]
    time.sleep(20)  # until its tasks run
    measure("with a job", nodes, options.seconds)
    invoke(options.env, "job.stop", job)
    for name, node in (("head", head), ("worker", worker)):
        scraped(name, node["id"], node["address"])


if __name__ == "__main__":
    main()
