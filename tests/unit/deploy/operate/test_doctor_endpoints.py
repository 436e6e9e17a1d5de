"""Whether AWS's endpoints are reached, the way that every call goes: through a proxy too."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj

import boto3
import pytest

from common.clients import Clients
from deploy.operate import doctor
from deploy.operate.diagnosis import Diagnosis
from deploy.operate.doctor_machine import endpoint
from localcloud.api import ApiServer
from localcloud.certificates import certificates
from localcloud.world import World
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures


class Proxy(socketserver.ThreadingTCPServer):
    """Connects to AWS's names, all of which are one server, for who asks with CONNECT."""

    daemon_threads = True

    def __init__(self, port: int, refuses: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.port, self.refuses = port, refuses
        self.asked: list[str] = []


class Tunnel(socketserver.StreamRequestHandler):
    """One CONNECT: https://www.rfc-editor.org/rfc/rfc9110#name-connect."""

    server: Proxy

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        self.server.asked.append(f"{method} {target}")
        if target == self.server.refuses:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.server.port)) as there:
            back = threading.Thread(
                target=copyfileobj, args=(there.makefile("rb", 0), self.wfile), daemon=True
            )
            back.start()
            copyfileobj(self.rfile, there.makefile("wb", 0), 1)
            there.shutdown(socket.SHUT_WR)
            back.join(10)


@pytest.fixture
def aws_port(world: World, tmp_path: Path) -> Iterator[int]:  # noqa: F811 - a fixture
    """AWS on a port of loopback, whose CA is ``tmp_path / "ca.crt"``."""
    found = certificates(tmp_path)
    server = ApiServer(world, "127.0.0.1", found.server, found.server_key, port=0)
    with served(server):
        yield server.server_port


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[None]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def looked_at(proxy: Proxy, patch: pytest.MonkeyPatch, ca: Path | None) -> list[Diagnosis]:
    """Return what doctor finds where AWS is reached through the proxy alone."""
    for name in ("NO_PROXY", "no_proxy", "https_proxy"):
        patch.delenv(name, raising=False)
    patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
    if ca:
        patch.setenv("AWS_CA_BUNDLE", str(ca))
    with served(proxy):
        return list(doctor._endpoints(Clients(REGION), an_environment()))


def test_every_endpoint_is_reached_through_the_proxy_of_the_calls(
    aws_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(aws_port)

    found = looked_at(proxy, monkeypatch, tmp_path / "ca.crt")

    hosts = [one.seen.rpartition(" at ")[2] for one in found]
    assert {one.state for one in found} == {"pass"}
    assert len(hosts) == len(doctor.SERVICES)
    assert sorted(proxy.asked) == sorted(f"CONNECT {host}:443" for host in hosts)


def test_what_the_proxy_refuses_fails(
    aws_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(aws_port, refuses="kms.us-east-1.amazonaws.com:443")

    found = looked_at(proxy, monkeypatch, tmp_path / "ca.crt")

    (failed,) = [one for one in found if one.state != "pass"]
    assert failed.seen.startswith("kms at kms.us-east-1.amazonaws.com: ")
    assert failed.hint == "let the proxy of HTTPS_PROXY connect to it, or name it in NO_PROXY"


def test_a_ca_that_is_not_trusted_fails(aws_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = looked_at(Proxy(aws_port), monkeypatch, None)

    assert {one.state for one in found} == {"fail"}
    assert {one.hint for one in found} == {
        "name the CA that signs for it, as of a proxy that opens TLS, in AWS_CA_BUNDLE"
    }


def test_an_endpoint_that_does_not_answer_fails() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}"

    found = endpoint("ec2", boto3.client("ec2", region_name=REGION, endpoint_url=url))

    assert (found.state, found.seen.partition(":")[0]) == ("fail", "ec2 at 127.0.0.1")
    assert found.hint == "open port 443 to it, or create an endpoint of the VPC for this service"
