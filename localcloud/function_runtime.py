"""Run one Lambda function on one event: ``python -m localcloud.function_runtime``.

Follows "Building Lambda functions with Python" and "Defined runtime environment variables" of the
Lambda developer guide (docs.aws.amazon.com/lambda/latest/dg/python-handler.html,
configuration-envvars.html): the handler is MODULE.FUNCTION in the folder of the code, it finds its
role's keys in its environment, and an exception that it lets through is a function error. What it
is to do comes as JSON on standard input; AWS is reached as an operator inside the VPC reaches it.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from localcloud import session
from localcloud.paths import REPOSITORY, paths


def main() -> int:
    """Return 0 when the handler returned, 1 when it raised."""
    asked = json.load(sys.stdin)
    session.join(paths())
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.path[:] = [asked["folder"], *filter(_is_no_code_of_ours, sys.path)]
    try:
        _handler(asked["handler"])(json.loads(asked["event"]), None)
    except Exception as error:
        print(f"[ERROR] {type(error).__name__}: {error}")
        traceback.print_exc(file=sys.stdout)
        return 1
    return 0


def _is_no_code_of_ours(folder: str) -> bool:
    return Path(folder).resolve() != REPOSITORY


def _handler(name: str) -> Any:
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)


if __name__ == "__main__":
    sys.exit(main())
