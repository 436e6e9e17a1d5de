"""What pip and uv print, in a line, with what to do. The outputs are real ones."""

import pytest

from common.cache_errors import NETWORK, ROOM, not_made

REFUSED = """\
error: Failed to fetch: http://127.0.0.1:9/simple/iniconfig/
  cause: error sending request for url (http://127.0.0.1:9/simple/iniconfig/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
FULL = """\
error: Failed to install: numpy-2.4.6-cp311.whl (numpy==2.4.6)
  cause: Failed to copy to `/full/v/lib/x.so`
  cause: failed to copy file from /uv/x.so to /full/v/x.so: No space left on device (os error 28)
"""
READ_ONLY = """\
error: Failed to create virtual environment
  cause: failed to create directory `/ro/v`: Read-only file system (os error 30)
"""
HINT = """\
hint: `UV_CACHE_DIR` names another cache; see the documentation
"""
PIP = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'ReadTimeoutError("x: Read timed \
out. (read timeout=15)")': /simple/one/
ERROR: Could not find a version that satisfies the requirement one==2.0.0 (from versions: none)
ERROR: No matching distribution found for one==2.0.0
"""


@pytest.mark.parametrize(
    ("output", "words", "hint"),
    [
        (
            REFUSED,
            "Failed to fetch: http://127.0.0.1:9/simple/iniconfig/: "
            "Connection refused (os error 111)",
            NETWORK,
        ),
        (
            FULL + HINT,
            "failed to copy file from /uv/x.so to /full/v/x.so: "
            "No space left on device (os error 28)",
            ROOM,
        ),
        (
            READ_ONLY,
            "failed to create directory `/ro/v`: Read-only file system (os error 30)",
            ROOM,
        ),
        (f"error: Killed\n\n{HINT}", "Killed", NETWORK),
        (PIP, 'ReadTimeoutError("x: Read timed out. (read timeout=15)")', NETWORK),
        ("Traceback\n  File x\nValueError: no such graph\n", "ValueError: no such graph", NETWORK),
        (HINT, "it printed nothing", NETWORK),
        ("", "it printed nothing", NETWORK),
    ],
)
def test_what_failed_is_said_in_a_line_with_what_to_do(output: str, words: str, hint: str) -> None:
    failure = not_made("Ray", output)

    assert failure.message == f"Ray could not be made: {words}"
    assert failure.hint == hint
