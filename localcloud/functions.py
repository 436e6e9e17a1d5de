"""Lambda functions run as processes of this host, each invocation in a new one. No AWS.

What a process does is in localcloud/function_runtime.py. Unlike on AWS, the timeout includes the
interpreter's start, and no execution environment is reused. As many run at once as there are CPUs,
and the others wait: on AWS each has a CPU of its own, and none is late because of another.
"""

import io
import json
import os
import sys
import threading
import zipfile
from tempfile import TemporaryDirectory

from common.checkout import REPOSITORY
from localcloud.driver import Answer, Work
from localcloud.paths import Paths
from localcloud.processes import run_for

RUNTIME = "localcloud.function_runtime"
AT_ONCE = os.cpu_count() or 1


class Functions:
    """Runs functions in threads, and keeps each result until it is read."""

    def __init__(self, place: Paths) -> None:
        self._place = place
        self._answers: dict[str, Answer | None] = {}
        self._free = threading.Semaphore(AT_ONCE)

    def invoke(self, request_id: str, work: Work) -> None:
        """Begin to run a function."""
        self._answers[request_id] = None
        threading.Thread(target=self._run, args=(request_id, work), daemon=True).start()

    def invoked(self, request_id: str) -> Answer | None:
        """Return its result, once; None while it runs."""
        answer = self._answers[request_id]
        if answer is not None:
            del self._answers[request_id]
        return answer

    def _run(self, request_id: str, work: Work) -> None:
        try:
            with self._free:
                self._answers[request_id] = self._result(work)
        except (OSError, zipfile.BadZipFile) as error:
            self._answers[request_id] = Answer(1, "", f"the function was not started: {error}\n")

    def _result(self, work: Work) -> Answer:
        with TemporaryDirectory(prefix="function-", dir=self._place.run) as folder:
            with zipfile.ZipFile(io.BytesIO(work.archive)) as archive:
                archive.extractall(folder)
            # On standard input: arguments and environment show the keys to others.
            invocation = {
                "folder": folder,
                "handler": work.handler,
                "event": work.event,
                "environment": {**work.environment, "AWS_CA_BUNDLE": str(self._place.ca)},
            }
            command = [sys.executable, "-m", RUNTIME]
            environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
            return run_for(command, json.dumps(invocation), work.seconds, environment)
