"""Measure what a head and a worker read from disk at their boot, and how long it takes: from
power-on until Ray answers, the head is ready, the worker has joined.

    .venv/bin/python -m tests.bench.boot --runs 5 --role head --over FOLDER

needs a cluster in the local cloud (`./run.sh demo`). Each boot is that of an instance which its
group or Ray's autoscaler launches for a terminated one, from a volume of which nothing is in the
page cache (volumes.py). With --over, every second boot is of the same image with the files of that
folder over its own, to try a change without a bake. With --reads-per-second volumes are slow, as
one is on EC2 whose blocks still have to come from its snapshot: until the last event the machine
reads no more often than that. --read-ahead sets how far the kernel reads ahead, in KiB.

Power-on is the start of the machine's PID 1. A head is warm when it may take the lease, and ready
when it leads, which is when it first reports HeadReady; Ray answers when its dashboard lists a
living node, and a worker has joined when it lists that one. Prints each run and the distributions;
then of one boot of each role the units, and the files and folders of which most was read.
"""

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from node.contract import ROLES
from tests.bench.boots import Boot, BootBench, volumes
from tests.bench.hand_over import PAUSE, Bench, enter_vpc

MIB = 1 << 20
READ_AHEAD_KIB = 128  # Linux's default, which EC2's volumes have
MOST_READ = 25  # files, and folders, that are printed


def figures(boot: Boot) -> dict[str, tuple[float, ...]]:
    """Return of each event: seconds since power-on, seconds of CPU, MiB, requests."""
    return {
        event: (at.at - boot.power_on, at.cpu, at.bytes / MIB, float(at.requests))
        for event, at in boot.events.items()
    }


def words(values: Sequence[float]) -> str:
    """Return the four figures of an event for people."""
    seconds, cpu, mib, requests = values
    return f"{seconds:.1f} s, {cpu:.1f} s of CPU, {mib:.1f} MiB in {requests:.0f} reads"


def show(title: str, boots: Sequence[Boot]) -> None:
    """Print the distributions of some boots, and what one of them had and read."""
    all_figures = [figures(boot) for boot in boots]
    for event in all_figures[0]:
        columns = list(zip(*(one[event] for one in all_figures), strict=True))
        print(f"{title}, {event}: median {words([statistics.median(c) for c in columns])}")
        low, high = words([min(c) for c in columns]), words([max(c) for c in columns])
        print(f"{title}, {event}: from {low} to {high} ({len(boots)} boots)")
    print(f"{title}, units: {boots[-1].units}")
    files = boots[-1].files
    folders: dict[str, int] = defaultdict(int)
    for name, size in files.items():
        folders["/".join(Path(name).parts[:6][:-1])] += size
    for what, sizes in (("files", files), ("folders", folders)):
        most = sorted(sizes.items(), key=lambda one: -one[1])[:MOST_READ]
        print(f"{title}, {what}, {sum(sizes.values()) / MIB:.1f} MiB in all:")
        for name, size in most:
            print(f"  {size / MIB:6.2f} MiB  {name}")


def measure(boots: BootBench, role: str, over: Path | None, runs: int) -> None:
    """Boot a role so many times of each kind of its image, in turns, and print the figures."""
    done: dict[str, list[Boot]] = defaultdict(list)
    with boots.image_of(role, over) as files:
        for number in range(runs):
            for kind, file in files.items():
                boot = boots.boot(role, file, looks=number == runs - 1)
                done[kind].append(boot)
                events = "; ".join(f"{name} {words(v)}" for name, v in figures(boot).items())
                load = os.getloadavg()[0]
                print(f"{role}, {kind}, {number + 1}: {events}; load {load:.1f}", flush=True)
                time.sleep(PAUSE)
    for kind, all_of_it in done.items():
        show(f"{role}, {kind}", all_of_it)


def main() -> None:
    """Measure both roles, and leave a cluster without a volume of ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="local")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--role", choices=ROLES, action="append")
    parser.add_argument("--over", type=Path)
    parser.add_argument("--reads-per-second", type=int, default=0)
    parser.add_argument("--read-ahead", type=int, default=READ_AHEAD_KIB)
    options = parser.parse_args()
    with volumes() as folder:
        boots = BootBench(
            Bench(enter_vpc(options.env)),
            folder,
            reads_per_second=options.reads_per_second,
            read_ahead=options.read_ahead,
        )
        try:
            for role in options.role or ROLES:
                measure(boots, role, options.over, options.runs)
        finally:
            boots.end()


if __name__ == "__main__":
    main()
