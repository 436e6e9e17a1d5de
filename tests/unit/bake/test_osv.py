"""OSV is asked as its API documents: many packages at once, page by page, then each record."""

from typing import Any

import pytest

from bake.osv import Osv, Package
from common.errors import PipelineError
from tests.unit.bake.osv_server import osv_server

OPENSSL = Package("Debian:12", "openssl", "3.0.11-1")


def test_what_affects_a_package_is_found_page_by_page() -> None:
    ids = [f"DEBIAN-CVE-2024-{number}" for number in range(5)]
    known = {("Debian:12", "openssl", "3.0.11-1"): ids, ("PyPI", "jinja2", "3.1.4"): ["GHSA-1"]}
    with osv_server(known, page=2) as server:
        found = Osv(server.address).affecting(
            [OPENSSL, Package("PyPI", "jinja2", "3.1.4"), Package("PyPI", "jinja2", "3.1.6")]
        )

    assert found == {OPENSSL: tuple(ids), Package("PyPI", "jinja2", "3.1.4"): ("GHSA-1",)}


def test_a_question_has_at_most_a_thousand_packages() -> None:
    with osv_server({}) as server:
        packages = [Package("Debian:12", f"p{number}", "1") for number in range(1001)]

        assert Osv(f"{server.address}/").affecting([*packages, *packages]) == {}

        assert server.questions == [1000, 1]


def test_each_record_is_fetched_once() -> None:
    with osv_server({}, {"id": "GHSA-1"}, {"id": "GHSA-2"}) as server:
        found = Osv(server.address).records(["GHSA-2", "GHSA-1", "GHSA-2"])

    assert found == {"GHSA-1": {"id": "GHSA-1"}, "GHSA-2": {"id": "GHSA-2"}}


def test_a_record_that_is_not_there_is_named() -> None:
    with (
        osv_server({}) as server,
        pytest.raises(PipelineError, match=r"/v1/vulns/GHSA-1: HTTP 404"),
    ):
        Osv(server.address).records(["GHSA-1"])


def test_a_refusal_is_named_and_says_what_to_do() -> None:
    with osv_server({}) as server:
        server.status = 400
        with pytest.raises(PipelineError, match="/v1/querybatch: HTTP 400") as failure:
            Osv(server.address).affecting([OPENSSL])

    assert failure.value.hint.startswith("look at [images] osv")


def test_an_address_without_a_database_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with osv_server({}) as server:
        address = server.address
    monkeypatch.setattr("bake.osv.RETRIES", False)

    with pytest.raises(PipelineError, match="the database of vulnerabilities did not answer"):
        Osv(address).affecting([OPENSSL])


class Asked:
    """A pool that answers as a test says."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, Any]] = []

    def request(self, method: str, url: str, json: Any) -> Any:
        self.requests.append((method, url, json))
        status, data = self.answers.pop(0)
        return type("Answer", (), {"status": status, "data": data})


def asking(pool: Asked) -> Osv:
    osv = Osv("https://osv.example/")
    osv._pool = pool  # type: ignore[assignment]
    return osv


def test_a_question_names_ecosystem_name_and_version_and_then_the_page() -> None:
    pool = Asked(
        (200, b'{"results": [{"vulns": [{"id": "A"}], "next_page_token": "2"}]}'),
        (200, b'{"results": [{"vulns": [{"id": "B"}]}]}'),
    )

    assert asking(pool).affecting([OPENSSL]) == {OPENSSL: ("A", "B")}

    url = "https://osv.example/v1/querybatch"
    query = {"package": {"ecosystem": "Debian:12", "name": "openssl"}, "version": "3.0.11-1"}
    assert pool.requests == [
        ("POST", url, {"queries": [query]}),
        ("POST", url, {"queries": [{**query, "page_token": "2"}]}),
    ]


def test_a_records_id_is_quoted() -> None:
    pool = Asked((200, b'{"id": "A B"}'))

    assert asking(pool).records(["A B"]) == {"A B": {"id": "A B"}}
    assert pool.requests == [("GET", "https://osv.example/v1/vulns/A%20B", None)]


@pytest.mark.parametrize(
    ("status", "data", "why"),
    [
        (500, b"", "HTTP 500"),
        (200, b"<html>", "no JSON"),
        (200, b'{"results": []}', "0 results for 1 packages"),
    ],
)
def test_an_answer_that_is_not_as_documented_is_a_failure(
    status: int, data: bytes, why: str
) -> None:
    with pytest.raises(PipelineError) as failed:
        asking(Asked((status, data))).affecting([OPENSSL])

    assert failed.value.message == (
        f"the database of vulnerabilities did not answer https://osv.example/v1/querybatch: {why}"
    )
    assert failed.value.hint == (
        "look at [images] osv, and at this machine's way to the internet, then try again"
    )
