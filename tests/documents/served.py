"""The web API in a test's process, over the settings in its environment."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from common.clients import Clients
from documents.settings import load_settings
from documents.web.app import make_api, make_app
from tests.documents.ray_cluster import await_served, free_port

SECONDS = 60.0


@contextmanager
def served() -> Iterator[str]:
    """Serve on a free port; yield the URL, without a slash at its end."""
    settings, port = load_settings(), free_port()
    app = make_app(make_api(settings, Clients(settings.region)))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        await_served(port, SECONDS)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
