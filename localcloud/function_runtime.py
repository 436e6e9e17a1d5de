"""Run one Lambda function on one event: ``python -m localcloud.function_runtime``.

Follows "Building Lambda functions with Python" and "Defined runtime environment variables" of the
Lambda developer guide (docs.aws.amazon.com/lambda/latest/dg/python-handler.html,
configuration-envvars.html): the handler is MODULE.FUNCTION in the folder of the code, it finds its
role's keys in its environment, and an exception that it does not catch is a function error. The
invocation comes as JSON on standard input; AWS is reached as an operator inside the VPC reaches it.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from common.checkout import REPOSITORY
from localcloud import session
from localcloud.paths import paths

OURS = ("common", "deploy", "localcloud")


def main() -> int:
    """Return 0 when the handler returned, 1 when it raised."""
    invocation = json.load(sys.stdin)
    session.join(paths())
    os.environ.clear()
    os.environ.update(invocation["environment"])
    os.chdir(invocation["folder"])
    _hide_ourselves()
    sys.path.insert(0, invocation["folder"])
    try:
        _handler(invocation["handler"])(json.loads(invocation["event"]), None)
    except Exception as error:
        print(f"[ERROR] {type(error).__name__}: {error}")
        traceback.print_exc(file=sys.stdout)
        return 1
    return 0


def _hide_ourselves() -> None:
    """Let the function import what Lambda has, and nothing of this repository."""
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != REPOSITORY]
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]


def _handler(name: str) -> Any:
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)


if __name__ == "__main__":
    sys.exit(main())
