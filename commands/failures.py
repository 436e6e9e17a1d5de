"""What a person reads when a command fails: the message, what to do next, and an exit code.

1 refused, 2 failed or unhealthy, 3 rolled back, 130 interrupted. The traceback of an unexpected
error is not shown; it goes to a file below ``common.checkout.home``.
"""

import os
import shlex
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invoke.exceptions import Exit

from common.checkout import REPOSITORY, home
from common.errors import Interrupted, PipelineError
from common.started import as_started

FAILED = PipelineError.exit_code
INTERRUPTED = Interrupted.exit_code


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn every error into a message and an exit code."""
    try:
        yield
    except Exit:
        raise
    except PipelineError as error:
        error.hint = as_started(error.hint)
        raise Exit(str(error), error.exit_code) from error
    except KeyboardInterrupt as error:
        raise Exit("Interrupted. Run the same command again to continue.", INTERRUPTED) from error
    except Exception as error:
        raise Exit(unexpected(error), FAILED) from error


def unexpected(error: Exception) -> str:
    """Keep the trace of an unexpected error in a file; return what to tell the person.

    A package that cannot be imported is not a bug: run.sh installs it.
    """
    happened = " ".join(f"{type(error).__name__}: {error}".split())
    package = missing_package(error)
    title = f"{package} cannot be imported" if package else "this is a bug"
    try:
        trace, report = f"the full trace: {write_trace(error)}", "report it with that file"
    except OSError as problem:
        trace = f"the full trace could not be written: {problem}"
        report = "set RAYKILN_HOME to a folder that can be written, run it again, and report it"
    hint = "./run.sh installs what is missing; if that does not help, delete .venv and run it again"
    return f"{title}: {happened}; {trace}\n  → {hint if package else report}"


def missing_package(error: Exception) -> str:
    """Return the package whose import failed; empty for other errors and for our own packages."""
    name = getattr(error, "name", None) if isinstance(error, ImportError) else None
    package = (name or "").partition(".")[0]
    return "" if (REPOSITORY / package).exists() else package


def write_trace(error: Exception) -> Path:
    """Write the command line and the trace to a file that only its owner can read; raises OSError.

    Local variables and environment variables, which may hold secrets, are left out.
    """
    folder = home() / "errors"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("%Y-%m-%dT%H-%M-%SZ.txt", time.gmtime())
    text = f"{shlex.join(sys.argv)}\n{''.join(traceback.format_exception(error))}"
    # Appended: a second error in the same second is kept too.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    return path
