"""What a person reads when a command fails: the message, what to do next, and an exit code.

1 refused, 2 failed or unhealthy, 3 rolled back, 130 interrupted. No one is shown a traceback: of an
error that no code expects, it goes to a file below ``common.checkout.home``.
"""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invoke.exceptions import Exit

from common.checkout import home
from common.errors import PipelineError

FAILED = PipelineError.exit_code
INTERRUPTED = 130  # 128 and the number of SIGINT, as a shell has it


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn every error into a message and an exit code."""
    try:
        yield
    except Exit:
        raise
    except PipelineError as error:
        raise Exit(str(error), error.exit_code) from error
    except KeyboardInterrupt as error:
        raise Exit("Interrupted. Run the same command again to continue.", INTERRUPTED) from error
    except Exception as error:
        raise Exit(bug_report(error), FAILED) from error


def bug_report(error: Exception) -> str:
    """Keep the trace of an unexpected error in a file; return what to tell the person."""
    happened = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        path = write_trace(error)
    except OSError as problem:
        return (
            f"this is a bug: {happened}; the full trace could not be written: {problem}\n"
            "  → report it with the command that you ran; "
            "RAYKILN_HOME set to a folder that can be written keeps the trace"
        )
    return (
        f"this is a bug: {happened}; the full trace: {path}\n"
        "  → report it with that file; it holds the command line and no credentials"
    )


def write_trace(error: Exception) -> Path:
    """Write the command line and the trace to a file that only its owner can read; raises OSError.

    No local variables and no environment variables, which may hold secrets.
    """
    folder = home() / "errors"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("%Y-%m-%dT%H-%M-%SZ.txt", time.gmtime())
    text = "".join(traceback.format_exception(error))
    # Appended: a second error in the same second is kept too.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
        file.write(f"{' '.join(sys.argv)}\n{text}")
    return path
