"""What runs in the documents application's own Python; see commands/documents_runtime.py."""

from pathlib import Path

import pytest

from commands.documents_runtime import model_folder
from common import checkout


@pytest.fixture(scope="session")
def model() -> Path:
    """The folder of the embedding model; ``commands.documents_runtime`` makes it beforehand."""
    return model_folder(checkout.cache())
