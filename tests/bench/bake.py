"""Measure how long each step of a bake takes: before Packer, its steps, the image's tests.

    .venv/bin/python -m tests.bench.bake --env local --runs 3

bakes and tests every image of the environment anew, all at once as `invoke bake --force` does, and
prints the median and the range of each step's seconds for each image. On AWS these are images that
cost money until they are deleted (`invoke images.prune`).
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from common.checkout import REPOSITORY
from localcloud.paths import paths

LINE = re.compile(r" *([\d.]+) ==> ray\S*: (.*)")
SCRIPT = re.compile(r"Provisioning with shell script: .*?([^/]+)$")
# What Packer says first in a step, beside its scripts.
STEPS = {
    "Launching a source": "launch until SSH answers",
    "Stopping the source": "stop, image",
    "Terminating the source": "termination",
}

Steps = dict[str, float]  # seconds, by name


def steps_of(log: str) -> Steps:
    """Return the seconds of each step that a packer.log tells of."""
    begun = [("before the launch", 0.0)]
    for line in log.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        at, words = float(found[1]), found[2]
        script = SCRIPT.match(words)
        name = (
            script[1] if script else next((n for w, n in STEPS.items() if words[: len(w)] == w), "")
        )
        if name:
            begun.append((name, at))
        end = at
    ends = [at for _, at in begun[1:]] + [end]
    return {name: until - at for (name, at), until in zip(begun, ends, strict=True)}


def bake(env: str) -> dict[str, Steps]:
    """Bake all images anew; return the steps of each."""
    folder, began = paths().home / "bakes", time.monotonic()
    before = set(folder.glob("*/"))
    command = [sys.executable, "-m", "invoke", "bake", "--env", env, "--force"]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - began
    (made,) = set(folder.glob("*/")) - before
    return {log.parent.name: all_steps(log.parent, whole) for log in made.glob("*/packer.log")}


def all_steps(folder: Path, whole: float) -> Steps:
    """Return an image's steps, its tests, and the whole bake of all images."""
    steps = steps_of((folder / "packer.log").read_text())
    steps["Packer"] = sum(steps.values())
    suites = ElementTree.parse(folder / "image-tests.xml").iter("testsuite")  # noqa: S314
    steps["the tests"] = sum(float(suite.attrib["time"]) for suite in suites)
    steps["the bake"] = whole
    return steps


def main() -> None:
    """Bake so many times, and print each image's steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="local")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(options.runs):
        for image, steps in bake(options.env).items():
            for step, value in steps.items():
                seconds[image, step].append(value)
    for (image, step), values in sorted(seconds.items(), key=lambda one: one[0][0]):
        middle, low, high = statistics.median(values), min(values), max(values)
        print(f"{image:12} {step:26} {middle:6.1f} s  from {low:.1f} to {high:.1f}")


if __name__ == "__main__":
    main()
