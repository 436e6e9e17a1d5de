"""Work through a queue until it is empty, in a process of its own; print its most KiB."""

import re
from pathlib import Path

from common.clients import Clients
from documents.access import access
from documents.settings import load_settings
from documents.work import make_work
from documents.worker import Worker


def main() -> None:
    """Drain the queue of the settings."""
    settings = load_settings()
    clients = Clients(settings.region)
    work = make_work(settings, clients, "worker")
    worker = Worker(work, access(settings, clients).queue, lambda event, **fields: None)
    while worker.step(wait=0):
        pass
    work.parser.stop()
    # getrusage(2) counts what the process that forked this one had, before exec.
    print(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])


if __name__ == "__main__":
    main()
