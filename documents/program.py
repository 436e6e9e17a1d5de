"""How a program of the application ends: what a person can act on is printed, without a trace."""

import sys
from collections.abc import Callable

from common.errors import PipelineError


def run(main: Callable[[], None]) -> None:
    """Call a program's main function."""
    try:
        main()
    except PipelineError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
