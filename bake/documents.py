"""What an image has of the documents' application, and the files that the application is. No AWS.

Its packages go beside Ray, into Ray's own Python. Its files are a provisioner's, with a unit that
runs it; they are read, uploaded and in the digest like what a person adds.
"""

from collections.abc import Iterator
from pathlib import Path

from common.errors import PipelineError

APPLICATION = Path("documents")
LOCK = APPLICATION / "requirements.lock"
IMAGE = APPLICATION / "image"
PACKAGES = (APPLICATION, Path("common"))
SHIPPED = (".py", ".html", ".css", ".js")
SCRIPTS = "provisioners"


def requirements_of(repository: Path) -> bytes:
    """Return the lock of the application's packages."""
    return (repository / LOCK).read_bytes()


def application_files(repository: Path) -> Iterator[Path]:
    """Yield, in order and relative to the checkout, the files that the application is."""
    for package in PACKAGES:
        for path in sorted((repository / package).rglob("*")):
            found = path.relative_to(repository)
            is_shipped = path.suffix in SHIPPED and "__pycache__" not in path.parts
            if is_shipped and not found.is_relative_to(IMAGE):
                yield found


def application_of(repository: Path, model: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of what a worker's image has of it; raises PipelineError without the
    embedding model.
    """
    if model is None:
        raise PipelineError("the embedding model is not made", hint="invoke bake makes it")
    for path in sorted((repository / IMAGE).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(repository / IMAGE)), path.read_bytes()
    for path in application_files(repository):
        yield f"{SCRIPTS}/app/{path}", (repository / path).read_bytes()
    for path in sorted(model.iterdir()):
        yield f"{SCRIPTS}/model/{path.name}", path.read_bytes()
