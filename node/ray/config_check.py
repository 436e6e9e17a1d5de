"""Try an autoscaler's YAML on this image's Ray: ``python -m node.ray.config_check PATH``. No AWS.

``refusal`` runs that in a process of its own, since importing Ray takes a second of CPU.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from node.ray.token import NotNow

ACCEPTED, REFUSED = "accepted", "refused: "
LONGEST = 300  # characters of a reason
SECONDS = 30.0


def refusal(path: Path) -> str:
    """Return why Ray refuses this YAML, in one line; empty when it accepts it.

    Raises NotNow when the check itself fails. Only what it prints counts: the guard reaps every
    child (processes.py), and subprocess takes an exit code that it cannot read for 0.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "node.ray.config_check", str(path)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotNow(f"Ray's check of {path} did not end: {error}") from error
    for line in done.stdout.splitlines():
        if line == ACCEPTED:
            return ""
        if line.startswith(REFUSED):
            return line.removeprefix(REFUSED)
    raise NotNow(f"Ray's check of {path} said nothing: {done.stderr[-LONGEST:]}")


def reason(error: Exception) -> str:
    """Return one line of a bounded length: of jsonschema's errors the place and the message."""
    place = ".".join(str(part) for part in getattr(error, "absolute_path", ()))
    words = str(getattr(error, "message", "") or error)
    if isinstance(error, KeyError):
        words = f"the key {words} is missing"
    line = " ".join(f"{place}: {words}".split()) if place else " ".join(words.split())
    return (line or type(error).__name__)[:LONGEST]


def outcome(config: dict[str, Any], util: Any) -> str:
    """Return the line to print, by what the autoscaler does in each of its rounds.

    See AutoscalingConfig.update_configs (ray/autoscaler/v2/instance_manager/config.py, Ray 2.60);
    ``util`` is ray.autoscaler._private.util.
    """
    try:
        util.validate_config(util.prepare_config(config))
    except Exception as error:  # whatever it is, every round would end in it
        return REFUSED + reason(error)
    return ACCEPTED


def main() -> None:
    """Print whether Ray accepts the YAML at the path that is given."""
    from ray.autoscaler._private import util

    print(outcome(yaml.safe_load(Path(sys.argv[1]).read_bytes()), util), flush=True)


if __name__ == "__main__":
    main()
