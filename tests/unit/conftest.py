"""What holds for every unit test: botocore's models are read once a process."""

import gc
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, Loader


@pytest.fixture(scope="session", autouse=True)
def _models_are_read_once() -> Iterator[None]:
    """Every session reads botocore's models anew, which takes longer than most tests."""
    load, loader = JSONFileLoader.load_file, JSONFileLoader()
    find = Loader.list_available_services

    @cache
    def read(path: str) -> Any:
        return load(loader, path)

    @cache
    def services(kind: str, places: tuple[str, ...]) -> list[str]:
        return list(find(Loader(list(places), include_default_search_paths=False), kind))

    def available(self: Loader, type_name: str) -> list[str]:
        return list(services(type_name, tuple(self.search_paths)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda self, path: read(path))
        patch.setattr(Loader, "list_available_services", available)
        yield


@pytest.fixture(scope="session", autouse=True)
def _what_is_imported_is_not_collected() -> None:
    """Modules stay to the last test: a collector that looks at them each time costs a tenth."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
