"""Hold every response of the local cloud against recorded ones of AWS, as tests call it.

``with holding():`` watches all clients of this process, and raises AssertionError at its end when a
response had a difference that ``exceptions.toml`` does not name.
"""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.recordings.compare import (
    FOLDER,
    Difference,
    differences,
    model,
    recorded,
    unmodelled_values,
)

operations: set[str] = set()  # those that this process called, with or without recordings
seen: set[Difference] = set()  # all differences that this process has found


@contextmanager
def holding() -> Iterator[None]:
    """Hold what is called meanwhile; nothing is raised where the test itself failed."""
    found: set[Difference] = set()
    call = BaseClient._make_api_call

    def held(self: Any, name: str, arguments: Any) -> Any:
        operation = f"{self.meta.service_model.service_name}.{name}"
        operations.add(operation)
        try:
            response = call(self, name, arguments)
        except ClientError as error:
            found.update(wrong_error(operation, error.response["Error"].get("Code", "")))
            raise
        found.update(differences(operation, response))
        found.update(unmodelled_values(operation, response))
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", held)
        yield
    seen.update(found)
    wrong = sorted(one for one in found if not excepted(one))
    assert wrong == [], "\n".join(map(str, ["not as AWS answers:", *wrong]))


def wrong_error(operation: str, code: str) -> Iterator[Difference]:
    """Yield a difference when AWS has no such error of this operation."""
    if code not in modelled_errors(operation) | documented_errors(operation):
        yield Difference(operation, "", "error", code)


@cache
def modelled_errors(operation: str) -> frozenset[str]:
    """Return the codes of the errors that AWS's own model gives an operation."""
    service, _, name = operation.partition(".")
    shapes = model(service).operation_model(name).error_shapes
    codes = {shape.metadata.get("error", {}).get("code") for shape in shapes}
    return frozenset({shape.name for shape in shapes} | {code for code in codes if code})


@cache
def documented_errors(operation: str) -> frozenset[str]:
    """Return the codes that are recorded, or that AWS's pages have where its model has none."""
    service, _, _ = operation.partition(".")
    pages = tomllib.loads((FOLDER / "errors.toml").read_text())["page"]
    found = {code for page in pages if service in page["services"] for code in page["codes"]}
    return frozenset(found.union(recorded()["errors"].get(operation, ())))


@cache
def exceptions() -> dict[tuple[str, str, str], str]:
    """Return what may differ: the reason, by operation, path and what differs."""
    listed = tomllib.loads((FOLDER / "exceptions.toml").read_text())["exception"]
    return {(one["operation"], one["path"], one["what"]): one["why"] for one in listed}


def excepted(difference: Difference) -> bool:
    """Tell whether ``exceptions.toml`` names this difference."""
    return (difference.operation, difference.path, difference.what) in exceptions()
