"""Work through the queue of the settings until SIGTERM, in a process of its own."""

import signal
import sys

from common.clients import Clients
from documents.access import access
from documents.settings import load_settings
from documents.work import make_work
from documents.worker import Worker


def main(name: str) -> None:
    """Work, and log to standard error."""
    settings = load_settings()
    clients = Clients(settings.region)
    queue = access(settings, clients).queue
    worker = Worker(make_work(settings, clients, name), queue, lambda event, **fields: print(event))
    signal.signal(signal.SIGTERM, lambda number, frame: worker.stop())
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1])
