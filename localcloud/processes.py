"""Commands of this host, run for a limited time. No AWS."""

import subprocess
from collections.abc import Mapping

from localcloud.driver import Answer

TIMED_OUT = 124  # as timeout(1) has it


def run_for(
    command: list[str], text: str, seconds: float, environment: Mapping[str, str] | None = None
) -> Answer:
    """Run a command with ``text`` as its input, for so long at most (then exit code 124)."""
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        return Answer(TIMED_OUT, _text(error.stdout), _text(error.stderr))
    return Answer(done.returncode, done.stdout, done.stderr)


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
