"""Whether run.sh or invoke started this command, and so how a hint writes the next one. No AWS."""

import re
import sys
from pathlib import Path

from common.checkout import REPOSITORY

# run.sh starts this package.
COMMANDS = REPOSITORY / "commands"
INVOKE = re.compile(r"\binvoke (?=[a-z])")


def as_started(words: str) -> str:
    """Return words of ours in which commands are written as this one was started.

    What follows ``--`` is a person's own.
    """
    ours, dashes, theirs = words.partition(" -- ")
    by_run_sh = Path(sys.argv[0]).resolve().parent == COMMANDS
    return INVOKE.sub("./run.sh ", ours) + dashes + theirs if by_run_sh else words
