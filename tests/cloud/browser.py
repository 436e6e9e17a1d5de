"""A headless Chromium, driven by its chromedriver: www.w3.org/TR/webdriver2/."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import HTTPError

from tests.cloud.harness import eventually

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of a web element, by the standard
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


class Browser:
    """One window."""

    def __init__(self, driver: str) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=60)
        self._base = driver
        options = {"goog:chromeOptions": {"args": ARGUMENTS}}
        made = self._call("POST", "/session", capabilities={"alwaysMatch": options})
        self._base += f"/session/{made['sessionId']}"

    def _call(self, method: str, path: str, **body: Any) -> Any:
        sent = {"json": body} if method == "POST" else {}
        answer = self._pool.request(method, self._base + path, **sent)
        found = answer.json()["value"]
        assert answer.status == 200, found
        return found

    def open(self, url: str) -> None:
        """Load a page."""
        self._call("POST", "/url", url=url)

    def text(self) -> str:
        """Return what the page shows."""
        script = "return document.body.innerText"
        return str(self._call("POST", "/execute/sync", script=script, args=[]))

    def count(self, selector: str) -> int:
        """Return how many elements a CSS selector finds."""
        return len(self._call("POST", "/elements", using="css selector", value=selector))

    def attributes(self, selector: str, name: str) -> list[str]:
        """Return an attribute of each element that a CSS selector finds."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e[arguments[1]])"
        return list(self._call("POST", "/execute/sync", script=script, args=[selector, name]))

    def type(self, selector: str, keys: str) -> None:
        """Type into the first element that a CSS selector finds."""
        found = self._call("POST", "/element", using="css selector", value=selector)
        self._call("POST", f"/element/{found[ELEMENT]}/value", text=keys)

    def close(self) -> None:
        """End the browser."""
        self._call("DELETE", "")


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser on this machine; skips where there is no chromedriver."""
    if not shutil.which("chromedriver"):
        pytest.skip("needs chromedriver and its browser")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL) as driver:
        try:
            eventually("chromedriver", lambda: _answers(port))
            window = Browser(f"http://127.0.0.1:{port}")
            yield window
            window.close()
        finally:
            driver.terminate()


def _answers(port: int) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/status").status == 200
    except HTTPError:
        return False
