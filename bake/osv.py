"""The questions to OSV, the public database of vulnerabilities. Reads the internet, no AWS.

Its API is documented at https://google.github.io/osv.dev/api/. One question has at most 1000
packages (post-v1-querybatch), and its answer the ids alone; each record is fetched by its id
(get-v1-vulns). Records: https://ossf.github.io/osv-schema/
"""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError

from common.errors import PipelineError

PACKAGES_AT_ONCE, RECORDS_AT_ONCE = 1000, 8
TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)
RETRIES = urllib3.Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504))

Record = dict[str, Any]


@dataclass(frozen=True, order=True)
class Package:
    """A package as OSV names it: of a distribution, the source package and its version."""

    ecosystem: str
    name: str
    version: str


class Osv:
    """OSV at an address. Its methods raise PipelineError when it does not answer as documented."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._pool = urllib3.PoolManager(
            timeout=TIMEOUT, retries=RETRIES, maxsize=RECORDS_AT_ONCE, block=True
        )

    def affecting(self, packages: Iterable[Package]) -> dict[Package, tuple[str, ...]]:
        """Return the ids of what affects each package; those that nothing affects are left out."""
        wanted, found = sorted(set(packages)), dict[Package, tuple[str, ...]]()
        for start in range(0, len(wanted), PACKAGES_AT_ONCE):
            asked = [(one, "") for one in wanted[start : start + PACKAGES_AT_ONCE]]
            while asked:
                results = self._results(asked)
                for (package, _), result in zip(asked, results, strict=True):
                    ids = tuple(one["id"] for one in result.get("vulns", []))
                    if ids:
                        found[package] = (*found.get(package, ()), *ids)
                asked = [
                    (package, result["next_page_token"])
                    for (package, _), result in zip(asked, results, strict=True)
                    if result.get("next_page_token")
                ]
        return found

    def records(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records with these ids."""
        wanted = sorted(set(ids))
        with ThreadPoolExecutor(RECORDS_AT_ONCE) as pool:
            found = pool.map(lambda name: self._ask("GET", f"/v1/vulns/{quote(name)}"), wanted)
            return dict(zip(wanted, found, strict=True))

    def _results(self, asked: Sequence[tuple[Package, str]]) -> list[Record]:
        queries = [
            {
                "package": {"ecosystem": package.ecosystem, "name": package.name},
                "version": package.version,
                **({"page_token": page} if page else {}),
            }
            for package, page in asked
        ]
        results: list[Record] = self._ask("POST", "/v1/querybatch", {"queries": queries})["results"]
        if len(results) != len(asked):
            raise self._wrong("/v1/querybatch", f"{len(results)} results for {len(asked)} packages")
        return results

    def _ask(self, method: str, path: str, body: Record | None = None) -> Record:
        try:
            answer = self._pool.request(method, f"{self._address}{path}", json=body)
        except HTTPError as error:
            raise self._wrong(path, str(error)) from error
        if answer.status != 200:
            raise self._wrong(path, f"HTTP {answer.status}")
        try:
            found: Record = json.loads(answer.data)
        except ValueError as error:
            raise self._wrong(path, "no JSON") from error
        return found

    def _wrong(self, path: str, why: str) -> PipelineError:
        return PipelineError(
            f"the database of vulnerabilities did not answer {self._address}{path}: {why}",
            hint="look at [images] osv, and at this machine's way to the internet, then try again",
        )
